"""Held-out real images to compare with: what a perfect generator would measure at the same N is the floor."""

from collections.abc import Iterator

import numpy as np

from latent_diffusion.data.cartoons import draw, species_and_seed
from latent_diffusion.data.reference import DataFacts, Reference

DRAWS = 3  # the floor is the mean over so many


def real_images(reference: Reference, wanted: int) -> np.ndarray:
    """The run's held-out images, uint8 (N, H, W, 3); of cartoons `wanted` of them, drawn anew beyond the data set."""
    if not is_cartoons(reference.facts) or len(reference.images) >= wanted:
        return np.asarray(reference.images)
    size, first = reference.facts.image_size, reference.facts.images
    extra = [draw(*species_and_seed(first + i), size=size) for i in range(wanted - len(reference.images))]
    return np.concatenate([reference.images, np.stack(extra)])


def is_cartoons(facts: DataFacts) -> bool:
    return facts.source.partition(":")[0] == "cartoons"


def draws(images: int, n: int) -> Iterator[np.ndarray]:
    """Rows of DRAWS samples of n among `images`, each without repetition: disjoint where there are enough."""
    assert n <= images
    random = np.random.default_rng(0)
    order = random.permutation(images)
    for number in range(DRAWS):
        yield order[number * n:(number + 1) * n] if DRAWS * n <= images else random.permutation(images)[:n]
