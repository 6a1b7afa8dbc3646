"""Images that studies look at: held-out ones, and four ways to spoil them.

A disturbance has a level from 0 (untouched) to 1 (as bad as the study goes).
"""

import numpy as np

from latent_diffusion.data import faults
from latent_diffusion.data.reference import Reference
from latent_diffusion.run import Run

LEVELS = tuple(i / 7 for i in range(8))
NO_LABELS = np.zeros(0, np.int64)  # these faults ask for none
FEWEST = 10  # held-out images that a study needs


def held_out_images(reference: Reference, most: int, run: Run) -> np.ndarray:
    """Return held-out images uint8 (N, H, W, 3), at most so many, in random order.

    Raise ValueError where the run keeps fewer than FEWEST.
    """
    kept, _ = reference.held_out(most)
    images = np.random.default_rng(0).permutation(kept)[:most]
    if len(images) < FEWEST:
        raise ValueError(
            f"{run.folder} keeps {len(images)} held-out images: a study needs at least {FEWEST}"
        )
    return images


def gaussian_noise(images: np.ndarray, level: float, random: np.random.Generator) -> np.ndarray:
    """Add noise with a standard deviation of up to 64 of 255."""
    return faults.noise(images, NO_LABELS, 64 * level, random)


def gaussian_blur(images: np.ndarray, level: float, random: np.random.Generator) -> np.ndarray:
    """Blur with a standard deviation of up to a sixteenth of the side."""
    if not level:
        return images
    return faults.blur(images, NO_LABELS, 4 * level, random)


def salt_and_pepper(images: np.ndarray, level: float, random: np.random.Generator) -> np.ndarray:
    """Make up to a fifth of the pixels black or white."""
    hit = random.random(images.shape[:3]) < 0.2 * level
    grain = np.where(random.random(images.shape[:3]) < 0.5, 0, 255).astype(np.uint8)
    return np.where(hit[..., None], grain[..., None], images)


class ForeignCrops:
    """Put a square of a foreign image, up to half of the area, somewhere into each image."""

    def __init__(self, foreign: np.ndarray):
        self.foreign = foreign

    def __call__(self, images: np.ndarray, level: float, random: np.random.Generator) -> np.ndarray:
        size = images.shape[1]
        side = round(size * (0.5 * level) ** 0.5)
        spoilt = images.copy()
        if not side:
            return spoilt
        for image in spoilt:
            other = self.foreign[random.integers(len(self.foreign))]
            y, x = random.integers(0, size - side + 1, 2)
            v, u = random.integers(0, size - side + 1, 2)
            image[y : y + side, x : x + side] = other[v : v + side, u : u + side]
        return spoilt
