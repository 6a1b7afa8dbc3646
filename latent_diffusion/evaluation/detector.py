"""The detector: can samples be told from real pictures of the same classes?

It is fitted on the spot to what the layers of a network see; scoring, studies and reports ask a
`Detector` for its AUC. Where a known fault is not found in as many pictures there are too
few to tell, and no number is given.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from scipy.ndimage import gaussian_filter

from latent_diffusion.data.faults import FAULTS
from latent_diffusion.distributed import in_turns
from latent_diffusion.evaluation.lines import line_layer
from latent_diffusion.evaluation.reals import apportion
from latent_diffusion.evaluation.sources import of_array
from metrics import Detectability, detectability
from metrics.detectability import FOLDS

MOST_DETECTED = 1_000  # pictures of either kind; the cost grows with the cube
FEWEST_DETECTED = 4 * FOLDS  # of either kind, for the halves of the control have two a fold
# What is looked for to know whether there are pictures enough: to the eye nearly always plain.
KNOWN_FAULT, KNOWN_DOSE = "median smear", 4
GRID = 4  # cells a side in which a layer is averaged
MOST_PAIRED = 64  # channels of a layer, for covariances of each with each
WEIGHTS = {"lines": 3.0, "grain": 0.2}  # of scales; each of the others weighs 1
PENALTY = 0.2  # of the weights of all scales together
BLUR, GRAIN = 2.2, 12.0  # deviations, at most: pixels of a picture of 64, grey levels of 255
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
SEEN_BY = "layers, lines and grain"  # stands with the scores: another detector, another name
SCALES = ("texture", "shapes", "layout", "lines")


@runtime_checkable
class Layered(Protocol):
    """A feature network whose layers can be looked at."""

    identity: str

    def feature_maps(self, images: np.ndarray) -> list[np.ndarray]:
        """Return one float32 (N, C, h, w) a layer, the finest first, of images uint8."""


@dataclass(frozen=True)
class Described:
    """What the detector knows of N pictures: numbers (N, D) by scale, and their labels (N,)."""

    scales: dict[str, np.ndarray]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def all(self) -> np.ndarray:
        """Return the numbers of all scales, (N, D)."""
        return np.concatenate(list(self.scales.values()), axis=1)

    @property
    def parts(self) -> list[tuple[int, float]]:
        """How many of the numbers of `all` are of each scale, and what these weigh."""
        return [(of.shape[1], WEIGHTS.get(name, 1.0)) for name, of in self.scales.items()]

    def rows(self, rows: np.ndarray) -> "Described":
        """Return what is known of some of the pictures."""
        return Described({name: of[rows] for name, of in self.scales.items()}, self.labels[rows])


def describe(network: Layered, images: np.ndarray, labels: np.ndarray) -> Described:
    """Return what a network's layers see in pictures, uint8 (N, S, S, 3) with labels (N,).

    They are seen as through `blurred_glasses`.
    """
    found: dict[str, list[np.ndarray]] = {name: [] for name in SCALES}
    images = blurred_glasses(images)

    def see(batch: np.ndarray) -> dict[str, np.ndarray]:
        seen: dict[str, list[np.ndarray]] = {}
        for scale, layer in layers_of(network, batch):
            seen.setdefault(scale, []).append(numbers_of(layer))
        return {name: np.concatenate(layers, axis=1) for name, layers in seen.items()}

    for seen in in_turns(see, of_array(images).batches()):
        for name, numbers in seen.items():
            found[name].append(numbers)
    scales = {name: np.concatenate(of) for name, of in found.items() if of}
    return Described(scales | {"grain": grain_of(images)}, labels)


def layers_of(network: Layered, images: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield scale and layer, (N, C, h, w), of all that is seen in images, uint8 (N, S, S, 3).

    What the network sees, the finest layer first, then lines.
    """
    size = images.shape[1]
    for layer in network.feature_maps(images):
        yield scale_of(size // layer.shape[-1], size), layer
    yield "lines", line_layer(images)


def blurred_glasses(images: np.ndarray) -> np.ndarray:
    """Return images uint8 (N, S, S, 3), each seen more or less sharply, and more or less grainy.

    What no eye sees shall not count: a grey level, a shift by a part of a pixel, a file format.
    Where each image is seen through other glasses, small differences between two sets drown.
    """
    random = np.random.default_rng(zlib.crc32(images.tobytes()))  # others for other pictures
    widths = random.uniform(0, BLUR * images.shape[1] / 64, len(images))
    grains = random.uniform(0, GRAIN, len(images))
    seen = images.astype(np.float32)
    for image, width, grain in zip(seen, widths, grains, strict=True):
        gaussian_filter(image, (width, width, 0), output=image, mode="nearest")
        image += random.standard_normal(image.shape, dtype=np.float32) * grain
    return np.rint(seen).clip(0, 255).astype(np.uint8)


def grain_of(images: np.ndarray) -> np.ndarray:
    """Return (N, D): how strong the edges of images uint8 are in their flattest to busiest places.

    Logarithms of quantiles, of the pixels and at half the size. A judge hardly sees grain.
    """
    grey = images.mean(axis=3, dtype=np.float32)
    even = grey[:, : grey.shape[1] // 2 * 2, : grey.shape[2] // 2 * 2]
    half = even[:, ::2] + even[:, 1::2]
    half = (half[:, :, ::2] + half[:, :, 1::2]) / 4
    found = []
    for size in (grey, half):
        down, across = np.gradient(size, axis=(1, 2))
        edges = np.hypot(down, across).reshape(len(size), -1)
        found.append(np.log1p(np.quantile(edges, QUANTILES, axis=1)).T)
    return np.concatenate(found, axis=1)


def scale_of(stride: int, size: int) -> str:
    """Return what a layer sees: texture up to a sixteenth of the side, layout from a third on."""
    if stride * 16 <= size:
        return "texture"
    return "layout" if stride * 3 > size else "shapes"


def numbers_of(layer: np.ndarray) -> np.ndarray:
    """Return (N, D) of a layer (N, C, h, w): means and cells of channels, covariances of pairs."""
    flat = layer.reshape(*layer.shape[:2], -1)
    mean = flat.mean(axis=2)
    away = flat - mean[..., None]
    left, right = paired(layer.shape[1])
    covariances = (away @ away.transpose(0, 2, 1) / flat.shape[2])[:, left, right]
    cells = cell_means(layer).reshape(len(layer), -1)
    return np.concatenate([mean, cells, covariances], axis=1)


def paired(channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the channels whose covariance is taken: each with each, or of many with itself."""
    if channels > MOST_PAIRED:
        return np.arange(channels), np.arange(channels)
    return np.triu_indices(channels)


def cell_means(layer: np.ndarray) -> np.ndarray:
    """Return the means of the cells of a layer (N, C, h, w), GRID or fewer a side."""
    rows, columns = cell_edges(layer.shape[2]), cell_edges(layer.shape[3])
    sums = np.add.reduceat(np.add.reduceat(layer, rows[:-1], axis=2), columns[:-1], axis=3)
    means: np.ndarray = sums / np.outer(np.diff(rows), np.diff(columns))
    return means


def cell_edges(side: int) -> np.ndarray:
    """Return where cells begin and end that cut a side as evenly as can be."""
    return np.linspace(0, side, min(GRID, side) + 1).round().astype(np.int64)


@dataclass(frozen=True)
class Reals:
    """Real pictures of a detector, uint8 (N, S, S, 3), and what is known of them.

    `control` is one half against the other, `known` one half against the other with the known
    fault: where that is not found, there are too few pictures to tell anything.
    """

    images: np.ndarray
    described: Described
    control: Detectability
    known: Detectability

    @property
    def too_few(self) -> bool:
        """Whether a fault that is plain to the eye is not found in as many pictures."""
        return self.known.low <= max(0.5, self.control.auc)


@dataclass(frozen=True)
class Detection:
    """How well pictures are told from as many real ones: by all scales, and by each.

    `rows` are those of the pictures that were compared, `described` what is known of them.
    """

    reals: Reals
    rows: np.ndarray
    described: Described
    found: Detectability
    by_scale: dict[str, Detectability]


@dataclass
class Detector:
    """Tells pictures from real ones, uint8 (N, S, S, 3) with labels (N,), by a network's layers."""

    network: Layered
    images: np.ndarray
    labels: np.ndarray
    known: dict[tuple[int, ...], Reals] = field(default_factory=dict)

    def without_classes(self) -> "Detector":
        """Return this detector for pictures whose classes are not known."""
        return Detector(self.network, self.images, np.zeros_like(self.labels))

    def counts(self, labels: np.ndarray) -> np.ndarray:
        """Return how many pictures of each class are compared, of those with these labels.

        As many as there are of either kind, at most MOST_DETECTED in all: a class must not give a
        picture away.
        """
        classes = 1 + int(max(self.labels.max(initial=0), labels.max(initial=0)))
        there = np.minimum(
            np.bincount(self.labels, minlength=classes), np.bincount(labels, minlength=classes)
        )
        return apportion(there, MOST_DETECTED) if there.sum() > MOST_DETECTED else there

    def reals(self, counts: np.ndarray) -> Reals:
        """Return the real pictures with so many of each class, looked at once."""
        key = tuple(counts.tolist())
        if key not in self.known:
            rows = rows_with(self.labels, counts)
            self.known[key] = look_at_reals(self.network, self.images[rows], self.labels[rows])
        return self.known[key]

    def detect(
        self, read: Callable[[np.ndarray], np.ndarray], labels: np.ndarray
    ) -> Detection | Reals | None:
        """Return how well pictures are told from real ones.

        `read(rows)` gives some of the pictures, uint8; labels (N,) are those of all of them.
        Where there are too few to tell, return the real ones alone, with what they measure, and
        None for fewer than FEWEST_DETECTED.
        """
        counts = self.counts(labels)
        if counts.sum() < FEWEST_DETECTED:
            return None
        reals = self.reals(counts)
        if reals.too_few:
            return reals
        rows = rows_with(labels, counts)
        described = describe(self.network, read(rows), labels[rows])
        return Detection(
            reals,
            rows,
            described,
            tell(reals.described, described),
            {name: tell(reals.described, described, name) for name in described.scales},
        )


def rows_with(labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return rows with counts[c] of class c, at random, the same each time, ascending."""
    order = np.random.default_rng(0).permutation(len(labels))
    of_class = [order[labels[order] == label][:count] for label, count in enumerate(counts)]
    return np.sort(np.concatenate(of_class))


def look_at_reals(network: Layered, images: np.ndarray, labels: np.ndarray) -> Reals:
    """Return real pictures, uint8 (N, S, S, 3), with what a detector makes of their halves."""
    first, second = halves(labels)
    spoilt = FAULTS[KNOWN_FAULT].at(
        images[second], labels[second], KNOWN_DOSE, np.random.default_rng(0)
    )
    described = describe(network, images, labels)
    one, other = described.rows(first), described.rows(second)
    faulty = describe(network, spoilt, labels[second])
    return Reals(images, described, tell(one, other), tell(one, faulty))


def halves(labels: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of two halves of some labels, with as many of each class as can be."""
    order = np.lexsort((np.random.default_rng(seed).random(len(labels)), labels))
    return np.sort(order[0::2]), np.sort(order[1::2])


def tell(
    first: Described, second: Described, scale: str | None = None, paired: bool = False
) -> Detectability:
    """Return how well a detector tells pictures, by one scale or by all of them.

    paired: the second were made of the first, one of each.
    """
    strata, random = (first.labels, second.labels), np.random.default_rng(0)
    if scale:
        one, other = first.scales[scale], second.scales[scale]
        return detectability(one, other, random, strata, paired=paired)
    one, other, parts = first.all(), second.all(), first.parts
    return detectability(one, other, random, strata, penalty=PENALTY, paired=paired, parts=parts)
