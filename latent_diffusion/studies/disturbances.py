"""Four ways to spoil images, each with a level from 0 (untouched) to 1 (as bad as the study goes)."""

import numpy as np
from scipy.ndimage import gaussian_filter

LEVELS = tuple(i / 7 for i in range(8))


def gaussian_noise(images: np.ndarray, level: float, random: np.random.Generator) -> np.ndarray:
    """Deviation of up to 64 of 255."""
    noisy = images + random.normal(0, 1, images.shape).astype(np.float32) * (64 * level)
    return np.rint(noisy).clip(0, 255).astype(np.uint8)


def gaussian_blur(images: np.ndarray, level: float, random: np.random.Generator) -> np.ndarray:
    """Deviation of up to a sixteenth of the side."""
    if not level:
        return images
    width = images.shape[1] / 16 * level
    return (
        np.rint(gaussian_filter(images.astype(np.float32), (0, width, width, 0)))
        .clip(0, 255)
        .astype(np.uint8)
    )


def salt_and_pepper(images: np.ndarray, level: float, random: np.random.Generator) -> np.ndarray:
    """Up to a fifth of the pixels black or white."""
    hit = random.random(images.shape[:3]) < 0.2 * level
    grain = np.where(random.random(images.shape[:3]) < 0.5, 0, 255).astype(np.uint8)
    return np.where(hit[..., None], grain[..., None], images)


class ForeignCrops:
    """A square of a foreign image, up to half of the area, at a random place of each image."""

    def __init__(self, foreign: np.ndarray):
        self.foreign = foreign

    def __call__(self, images: np.ndarray, level: float, random: np.random.Generator) -> np.ndarray:
        spoilt, size = images.copy(), images.shape[1]
        side = round(size * (0.5 * level) ** 0.5)
        for image in spoilt if side else ():
            other = self.foreign[random.integers(len(self.foreign))]
            (y, x), (v, u) = (
                random.integers(0, size - side + 1, 2),
                random.integers(0, size - side + 1, 2),
            )
            image[y : y + side, x : x + side] = other[v : v + side, u : u + side]
        return spoilt
