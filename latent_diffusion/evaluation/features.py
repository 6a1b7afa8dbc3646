"""What a feature network sees in images, in one pass.

`look` is called by everything that scores, audits or studies images. Its memory grows with their
number by the probabilities only.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import Image

from latent_diffusion.distributed import in_turns
from latent_diffusion.progress import Progress
from latent_diffusion.subsets import some
from metrics import Statistics, StatisticsAccumulator, edge_energies, statistics

FEWEST = 2  # images, for a covariance
MOST_KEPT = 10_000  # feature vectors kept of a source: 80 MB of Inception's
THUMBNAIL = 16  # pixels a side


class FeatureNetwork(Protocol):
    """A function of images, uint8 (N, H, W, 3), to features (N, D) and probabilities (N, K).

    The probabilities are None for a network that has none. `name` is the network's kind,
    `identity` a checksum: features of two identities are never compared.
    """

    name: str
    identity: str

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return features and probabilities of images."""


class Pixels:
    """The naive features: colours 0 .. 1 of a thumbnail of 16x16, area-averaged.

    They see layout, and no content.
    """

    name = "pixels"
    identity = f"thumbnail-{THUMBNAIL}"

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, None]:
        """Return the features (N, 768) of images; there are no probabilities."""
        side = (THUMBNAIL, THUMBNAIL)
        thumbnails = [
            np.asarray(Image.fromarray(image).resize(side, Image.Resampling.BOX))
            for image in images
        ]
        return np.stack(thumbnails).reshape(len(images), -1).astype(np.float32) / 255, None


@runtime_checkable
class HasSpatial(Protocol):
    """A network that also gives features of a middle layer, place by place."""

    name: str
    identity: str

    def spatial(self, images: np.ndarray) -> np.ndarray:
        """Return features (N, D) of images, uint8 (N, H, W, 3)."""


class Spatial:
    """The features of a network's middle layer, place by place: they see where things are.

    A FeatureNetwork without probabilities, for the spatial Fréchet distance.
    """

    def __init__(self, network: HasSpatial):
        self.network = network
        self.name, self.identity = f"{network.name} (spatial)", f"{network.identity}-spatial"

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, None]:
        """Return the features (N, D) of images."""
        return self.network.spatial(images), None


@dataclass(frozen=True)
class Seen:
    """What a network saw in n images.

    Features are float32 and of the images `rows` only (at most MOST_KEPT, at random).
    """

    n: int
    statistics: Statistics | None  # of a single image there are none
    features: np.ndarray  # (rows, D)
    rows: np.ndarray
    probabilities: np.ndarray | None  # (n, K)
    edge_energies: np.ndarray  # (n,)

    def subset(self, rows: np.ndarray) -> "Seen":
        """Return what was seen in some of the images, all of whose features must have been kept."""
        assert len(self.rows) == self.n
        features = self.features[rows]
        return Seen(
            n=len(rows),
            statistics=statistics(features) if len(rows) >= FEWEST else None,
            features=features,
            rows=np.arange(len(rows)),
            probabilities=None if self.probabilities is None else self.probabilities[rows],
            edge_energies=self.edge_energies[rows],
        )


class KeptFeatures:
    """The features of the images `rows` (ascending), gathered batch by batch as float32."""

    def __init__(self, rows: np.ndarray):
        self.rows = rows
        self.done = 0
        self.kept: list[np.ndarray] = []

    def add(self, features: np.ndarray) -> None:
        """Keep what is wanted of the next batch's features (N, D)."""
        after = self.done + len(features)
        inside = (self.rows >= self.done) & (self.rows < after)
        self.kept.append(features[self.rows[inside] - self.done].astype(np.float32))
        self.done = after

    def result(self) -> np.ndarray:
        """Return the features of all `rows`, (rows, D)."""
        return np.concatenate(self.kept)


def finite_features(
    network: FeatureNetwork, images: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return what a network gives; raise ValueError for features that are not finite."""
    features, probabilities = network(images)
    if not np.isfinite(features).all():
        raise ValueError(
            f"the {network.name} gives features that are not finite: its weights are damaged"
        )
    return features, probabilities


def look(
    network: FeatureNetwork,
    batches: Iterable[np.ndarray],
    count: int,
    most_kept: int = MOST_KEPT,
    title: str | None = None,
) -> Seen:
    """Return what a network sees in `count` images, and their edge energies, in one pass.

    Within `shared_work` the processes take turns with the batches.

    title: what the progress is called; none is shown without.
    Raises ValueError for features that are not finite, as those of broken weights.
    """
    kept = KeptFeatures(some(count, most_kept))
    accumulator = StatisticsAccumulator()
    probabilities: list[np.ndarray] = []
    energies: list[np.ndarray] = []

    def see(images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        return *finite_features(network, images), edge_energies(images)

    with Progress(title or "", count, quiet=title is None) as progress:
        for features, batch_probabilities, batch_energies in in_turns(see, batches):
            accumulator.update(features)
            kept.add(features)
            energies.append(batch_energies)
            if batch_probabilities is not None:
                probabilities.append(batch_probabilities.astype(np.float32))
            progress.advance(len(features))
    assert kept.done == count
    return Seen(
        n=count,
        statistics=accumulator.result() if count >= FEWEST else None,
        features=kept.result(),
        rows=kept.rows,
        probabilities=np.concatenate(probabilities) if probabilities else None,
        edge_energies=np.concatenate(energies),
    )
