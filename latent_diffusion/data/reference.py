"""RUN/reference/: what a run keeps of its data set, to be sampled and scored without it.

Class names, histogram, held-out images and their labels. The judge's statistics are written beside
them by evaluation.
"""

import hashlib
import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from latent_diffusion.data.arrays import read_array
from latent_diffusion.data.decode import Fit
from latent_diffusion.data.sources import more_images
from latent_diffusion.data.split import TRAIN
from latent_diffusion.data.store import Counts, Dataset, DatasetInfo
from latent_diffusion.device import read_rows
from latent_diffusion.parsing import read_json
from latent_diffusion.progress import say
from latent_diffusion.run import Run, write_atomic, write_json

MOST_HELD_OUT = 10_000  # images kept in a run
ARRAYS, CHECKSUMS = ("images.npy", "labels.npy"), "checksums.json"


class DataFacts(BaseModel):
    """The data set as each part of a run records it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    checksum: str
    image_size: int
    flip: bool
    class_names: list[str]
    histogram: list[int]  # train images per class
    images: int  # train and test together
    # None where the source's own split was kept, and in runs that did not record it.
    holdout: float | None = None
    fit: Fit = "crop"  # how pictures that are no squares became images
    # Files that were not taken, by reason; None in runs that did not record it.
    skipped: dict[str, int] | None = None
    labels: str = "auto"  # where they come from, as in `ldm prepare --labels`

    @classmethod
    def of(cls, data: Dataset) -> "DataFacts":
        """Return the facts of a prepared data set."""
        return cls(
            source=data.info.source,
            checksum=data.info.checksum,
            image_size=data.info.image_size,
            flip=data.info.flip,
            class_names=data.info.class_names,
            histogram=[int(count) for count in data.histogram],
            images=len(data.labels),
            holdout=data.info.holdout,
            fit=data.info.fit,
            skipped=data.info.skipped_by_reason,
            labels=data.info.labels,
        )

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def has_more_images(self) -> bool:
        """Whether the source has any number of images that no training has seen."""
        return more_images(self.source) is not None

    def labels_of(self, names: list[str]) -> list[int]:
        """Return the labels of class names; raise ValueError that lists the classes there are."""
        unknown = [name for name in names if name not in self.class_names]
        if unknown:
            known = ", ".join(self.class_names)
            raise ValueError(f"no class {unknown[0]!r} in this run: its classes are {known}")
        return [self.class_names.index(name) for name in names]


@dataclass(frozen=True)
class Reference:
    """RUN/reference/, opened: held-out images uint8 (N, H, W, 3) and labels int64 (N,).

    `half` is None for all of them, else which half they are (see `for_choices`, `reported`).
    """

    facts: DataFacts
    images: np.ndarray
    labels: np.ndarray
    half: int | None = None

    @classmethod
    def open(cls, run: Run) -> "Reference":
        """Return the reference of a run; raise ValueError where it is missing or damaged."""
        try:
            facts = DataFacts.model_validate_json((run.reference / "data.json").read_text())
            images = read_array(run.reference / ARRAYS[0], mapped=True)
            labels = read_array(run.reference / ARRAYS[1])
            size = facts.image_size
            wanted = ((len(labels), size, size, 3), np.uint8, np.int64)
            if (images.shape, images.dtype, labels.dtype) != wanted or labels.ndim != 1:
                raise ValueError("its arrays do not agree with data.json")
            if len(labels) and not 0 <= labels.min() <= labels.max() < facts.num_classes:
                raise ValueError("it has labels of no class")
            return cls(facts, images, labels)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{run.reference} is missing or damaged ({str(error).splitlines()[0]}): "
                "any training command with --resume or --overwrite writes it again"
            ) from None

    def for_choices(self) -> "Reference":
        """Return the half of the held-out images by which settings may be chosen."""
        return self._half(0)

    def reported(self) -> "Reference":
        """Return the other half, by which nothing is chosen, for the scores that are shown."""
        return self._half(1)

    def _half(self, half: int) -> "Reference":
        assert self.half is None
        rows = half_of(self.labels, half)
        return replace(self, images=self.images[rows], labels=self.labels[rows], half=half)

    def has(self, wanted: int) -> bool:
        """Return whether `held_out(wanted)` gives as many images as are wanted."""
        return len(self.images) >= wanted or self.facts.has_more_images

    def held_out(self, wanted: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return held-out images, uint8 (N, H, W, 3), and their labels, int64 (N,).

        All that the run keeps, and where they are fewer than `wanted`, as many more as the source
        can make of the classes that the data set kept. Most sources can make none.
        """
        images, labels = np.asarray(self.images), self.labels
        more = more_images(self.facts.source)
        missing = wanted - len(images)
        if more is None or missing <= 0:
            return images, labels
        names = tuple(self.facts.class_names)
        if self.half is None:
            more_pixels, more_labels = more(names, self.facts.image_size, missing)
        else:
            drawn = 2 * (missing + len(names))  # halves of a class differ by one
            both_pixels, both_labels = more(names, self.facts.image_size, drawn)
            rows = half_of(both_labels, self.half)[:missing]
            more_pixels, more_labels = both_pixels[rows], both_labels[rows]
        return np.concatenate([images, more_pixels]), np.concatenate([labels, more_labels])


def half_of(labels: np.ndarray, half: int) -> np.ndarray:
    """Return the rows of half 0 or 1 of some labels (N,), ascending: every other one of a class.

    More labels at the end leave the halves of the first as they are.
    """
    order = np.argsort(labels, kind="stable")
    first = np.searchsorted(labels[order], labels[order])  # where the class of each begins
    rank = np.empty(len(labels), np.int64)
    rank[order] = np.arange(len(labels)) - first  # among those of its class
    return np.flatnonzero((rank + labels) % 2 == half)


def write_reference(run: Run, data: Dataset) -> DataFacts:
    """Write RUN/reference/ unless it is there already.

    Raises ValueError for a data set that does not belong to this run.
    """
    facts, path = DataFacts.of(data), run.reference / "data.json"
    if path.is_file():
        known = Reference.open(run).facts
        if (known.image_size, known.class_names) != (facts.image_size, facts.class_names):
            raise ValueError(
                f"{run.folder} was made from other data ({describe(known)}) "
                f"than this ({describe(facts)}): give the same data set, or another --run"
            )
        if known == facts:
            return facts
        if known.checksum != facts.checksum:
            say(
                f"{run.folder}: the data set has changed; "
                "its held-out images replace those that the run kept"
            )
    step = max(1, -(-len(data.test) // MOST_HELD_OUT))
    kept = data.test[::step]
    checksums = {}
    arrays = read_rows(data.images, kept), data.labels[kept]
    for name, array in zip(ARRAYS, arrays, strict=True):
        buffer = io.BytesIO()
        np.save(buffer, array)
        checksums[name] = hashlib.sha256(buffer.getvalue()).hexdigest()
        write_atomic(run.reference / name, buffer.getvalue())
    write_json(run.reference / CHECKSUMS, checksums)
    write_json(path, facts.model_dump())  # last: its presence says that the rest is whole
    return facts


def dataset_of(
    facts: DataFacts, images: np.ndarray, labels: np.ndarray, split: int, folder: Path
) -> Dataset:
    """Return images uint8 (N, H, W, 3) with labels (N,) of a run's data as a data set.

    It is not written to the folder. split: TRAIN or TEST for all of them.
    """
    counted = np.bincount(labels, minlength=facts.num_classes).tolist()
    trained = split == TRAIN
    counts = [Counts(train=n * trained, test=n * (not trained)) for n in counted]
    info = DatasetInfo(
        source=facts.source,
        kind="some pictures of a run",
        image_size=facts.image_size,
        flip=facts.flip,
        class_names=facts.class_names,
        counts=dict(zip(facts.class_names, counts, strict=True)),
        holdout=None,
        leaks=0,
        enlarged=0,
        left_out={},
        skipped_by_reason={},
        skipped=[],
        checksum=facts.checksum,
    )
    return Dataset(folder, info, images, labels, np.full(len(labels), split, np.uint8))


def prove_reference(run: Run) -> bool:
    """Return whether the held-out images of a run have a checksum, which then holds.

    Raise ValueError where it does not. Runs of earlier versions have none.
    """
    path = run.reference / CHECKSUMS
    if not path.is_file():
        return False
    try:
        recorded = read_json(path)
        for name in ARRAYS:
            with (run.reference / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != recorded[name]:
                    raise ValueError(f"the checksum of {name} does not hold")
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"{run.reference} is damaged ({error}): delete it, and any training command with "
            "--resume writes it again"
        ) from None
    return True


def describe(facts: DataFacts) -> str:
    """Return a data set in a few words: its source, size and first classes."""
    names = ", ".join(facts.class_names[:3]) + (", …" if facts.num_classes > 3 else "")
    size = f"{facts.image_size}x{facts.image_size}"
    return f"{facts.source}: {size}, {facts.num_classes} classes: {names}"
