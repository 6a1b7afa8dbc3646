"""What a feature network sees in images: one pass, in memory that grows with their number by the probabilities only."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image

from latent_diffusion.progress import Progress
from latent_diffusion.subsets import some
from metrics import Statistics, StatisticsAccumulator, edge_energies

MOST_KEPT = 10_000  # feature vectors kept of a source: 80 MB of Inception's
THUMBNAIL = 16  # pixels a side


class FeatureNetwork(Protocol):
    """uint8 (N, H, W, 3) -> features (N, D) and probabilities (N, K), or None for the latter.

    `name` is its kind, `identity` a checksum: features of two identities are never compared.
    """

    name: str
    identity: str

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]: ...


class Pixels:
    """The naive features: colours 0 .. 1 of a thumbnail of 16x16, area-averaged. They see layout, and no content."""

    name, identity = "pixels", f"thumbnail-{THUMBNAIL}"

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, None]:
        small = [
            np.asarray(Image.fromarray(i).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX))
            for i in images
        ]
        return np.stack(small).reshape(len(images), -1).astype(np.float32) / 255, None


@dataclass(frozen=True)
class Seen:
    """What a network saw in n images. Features are float32 and of the images `rows` only (at most MOST_KEPT, at random)."""

    n: int
    statistics: Statistics | None  # of a single image there are none
    features: np.ndarray  # (rows, D)
    rows: np.ndarray
    probabilities: np.ndarray | None  # (n, K)
    edge_energies: np.ndarray  # (n,)


def finite_features(
    network: FeatureNetwork, images: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
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
    """One pass over `count` images. Raises ValueError for features that are not finite, as those of broken weights.

    title: what the progress is called; none is shown without.
    """
    rows = some(count, most_kept)
    accumulator, kept, probabilities, energies, done = StatisticsAccumulator(), [], [], [], 0
    with Progress(title or "", count, quiet=title is None) as progress:
        for images in batches:
            features, seen = finite_features(network, images)
            accumulator.update(features)
            kept.append(
                features[rows[(rows >= done) & (rows < done + len(images))] - done].astype(
                    np.float32
                )
            )
            energies.append(edge_energies(images))
            if seen is not None:
                probabilities.append(seen.astype(np.float32))
            done += len(images)
            progress.advance(len(images))
    assert done == count
    return Seen(
        count,
        accumulator.result() if count > 1 else None,
        np.concatenate(kept),
        rows,
        np.concatenate(probabilities) if probabilities else None,
        np.concatenate(energies),
    )
