"""Pictures that are certainly of another data set, for studies of what scores notice."""

import numpy as np

from latent_diffusion.data.reference import DataFacts
from latent_diffusion.data.sources.cartoons import is_cartoons


def foreign_images(facts: DataFacts, count: int = 200) -> np.ndarray:
    """Return pictures of the size of this data set that are none of its own.

    uint8 (count, size, size, 3): cartoons, or waves of colour where the data set is cartoons.
    """
    if is_cartoons(facts.source):
        return waves(facts.image_size, count)
    from latent_diffusion.data.cartoons import draw, species_and_seed

    return np.stack([draw(*species_and_seed(i), size=facts.image_size) for i in range(count)])


def waves(size: int, count: int) -> np.ndarray:
    """Return slanted sine waves in each colour, uint8 (count, size, size, 3)."""
    random = np.random.default_rng(0)
    steps = np.linspace(0, 1, size)
    images = []
    for _ in range(count):
        across = random.uniform(2, 30, 3)
        down = random.uniform(2, 30, 3)
        phase = random.uniform(0, 6.3, 3)
        angle = steps[:, None, None] * down + steps[None, :, None] * across + phase
        images.append(127.5 + 127.5 * np.sin(angle))
    return np.rint(images).astype(np.uint8)
