"""Known faults of pictures in four doses: a look finds dose 1 now and then, dose 4 nearly always.

`FAULTS` can be put into any picture; a data source may offer faults of its own, which it draws
exactly (`source_faults`). The ladder (`ldm study faults`) asks with these which scores see what
people see, and detectability takes one for its positive control.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates, median_filter

DOSES = (1, 2, 3, 4)
SOFT_EDGE = 4  # pixels of a picture of 64 over which a swapped square fades in
# images uint8 (N, S, S, 3), their labels (N,), strength, chance -> images with the fault
Spoil = Callable[[np.ndarray, np.ndarray, float, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Fault:
    """How pictures are spoilt, and how strongly at doses 1 to 4."""

    spoil: Spoil
    strengths: tuple[float, float, float, float]

    def at(
        self, images: np.ndarray, labels: np.ndarray, dose: int, random: np.random.Generator
    ) -> np.ndarray:
        """Return images uint8 (N, S, S, 3) with the fault at a dose of 1 to 4."""
        return self.spoil(images, labels, self.strengths[dose - 1], random)


def elastic_warp(
    images: np.ndarray, labels: np.ndarray, strength: float, random: np.random.Generator
) -> np.ndarray:
    """Return images drawn on a sheet that was stretched here and there.

    strength: the deviation of what a point moves by, in percent of the side.
    """
    side = images.shape[1]
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij")).astype(np.float32)
    warped = np.empty_like(images)
    for row, image in enumerate(images):
        field = random.standard_normal((2, side, side)).astype(np.float32)
        smooth = gaussian_filter(field, (0, side / 12, side / 12), mode="wrap")
        moved = grid + smooth / smooth.std() * (strength / 100 * side)
        for channel in range(3):
            # Cubic, so that what gives them away is not that they are softer.
            found = map_coordinates(
                image[..., channel].astype(np.float32), moved, order=3, mode="nearest"
            )
            warped[row, ..., channel] = np.rint(found).clip(0, 255)
    return warped


def median_smear(
    images: np.ndarray, labels: np.ndarray, strength: float, random: np.random.Generator
) -> np.ndarray:
    """Return images as if painted with a broad brush: each pixel the median of those around it.

    strength: how far "around" reaches, in pixels of a picture of 64; a fraction is mixed in.
    """
    reach = int(np.ceil(strength * images.shape[1] / 64))
    share = strength * images.shape[1] / 64 / reach
    smeared = median_filter(images, (1, 2 * reach + 1, 2 * reach + 1, 1), mode="nearest")
    return np.rint(images * (1 - share) + smeared * share).astype(np.uint8)


def patches_swapped(
    images: np.ndarray, labels: np.ndarray, strength: float, random: np.random.Generator
) -> np.ndarray:
    """Return images with a square that lies in the same place in another image of the class.

    strength: its side, as a share of the image's; its edges are soft.
    """
    side = images.shape[1]
    patch = max(1, round(strength * side))
    swapped = images.copy()
    edge = np.minimum(np.arange(patch) + 1, np.arange(patch, 0, -1)) / (SOFT_EDGE * side / 64)
    mask = np.minimum(edge, 1.0)
    there = (mask[:, None] * mask[None, :])[..., None]
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))
        for row, other in zip(rows, np.roll(rows, 1), strict=True):
            y, x = random.integers(0, side - patch + 1, 2)
            here = (slice(y, y + patch), slice(x, x + patch))
            mixed = images[row][here] * (1 - there) + images[other][here] * there
            swapped[row][here] = np.rint(mixed)
    return swapped


def blur(
    images: np.ndarray, labels: np.ndarray, strength: float, random: np.random.Generator
) -> np.ndarray:
    """Return softer images; strength: the deviation of a Gaussian, in pixels of a picture of 64."""
    width = strength * images.shape[1] / 64
    blurred = gaussian_filter(images.astype(np.float32), (0, width, width, 0), mode="nearest")
    return np.rint(blurred).clip(0, 255).astype(np.uint8)


def noise(
    images: np.ndarray, labels: np.ndarray, strength: float, random: np.random.Generator
) -> np.ndarray:
    """Return grainy images; strength: the deviation of the noise, in grey levels of 255."""
    grain = random.standard_normal(images.shape, dtype=np.float32) * strength
    return np.rint(images + grain).clip(0, 255).astype(np.uint8)


# Doses by blind looks at sheets of 40 pictures, half of them spoilt (configs/README.md has them).
FAULTS = {
    "elastic warp": Fault(elastic_warp, (1.2, 1.9, 3.0, 5.0)),
    "median smear": Fault(median_smear, (0.5, 1.0, 2.0, 4.0)),
    "patches swapped": Fault(patches_swapped, (0.1, 0.2, 0.4, 0.7)),
    "blur": Fault(blur, (0.5, 0.75, 1.1, 2.0)),
    "noise": Fault(noise, (2.5, 5.0, 10.0, 28.0)),
}
