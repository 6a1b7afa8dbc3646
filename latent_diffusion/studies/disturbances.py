"""Four ways to spoil images, each with a level from 0 (untouched) to 1 (as bad as the study goes)."""

import numpy as np
from scipy.ndimage import gaussian_filter

from latent_diffusion.data.cartoons import draw, species_and_seed

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


def foreign_images(size: int, cartoons: bool, count: int = 200) -> np.ndarray:
    """Cartoons; for a data set of cartoons waves of colour, which are none."""
    if not cartoons:
        return np.stack([draw(*species_and_seed(index), size=size) for index in range(count)])
    random, steps = np.random.default_rng(0), np.linspace(0, 1, size)
    images = []
    for _ in range(count):
        across, down, phase = (
            random.uniform(2, 30, 3),
            random.uniform(2, 30, 3),
            random.uniform(0, 6.3, 3),
        )
        images.append(
            127.5
            + 127.5 * np.sin(steps[:, None, None] * down + steps[None, :, None] * across + phase)
        )
    return np.rint(images).astype(np.uint8)
