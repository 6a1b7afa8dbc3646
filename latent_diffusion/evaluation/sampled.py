"""Samples in the proportions of a data set, ready to be scored.

Whoever asks how good a denoiser is draws here: sweeps, reports, experiments.
"""

from collections.abc import Callable, Sequence

import numpy as np

from latent_diffusion.data.reference import DataFacts
from latent_diffusion.evaluation.sources import ImageSource
from latent_diffusion.sampling.plan import cycle, follow

Sample = Callable[[Sequence[int], Sequence[int]], np.ndarray]  # (seeds, labels) -> uint8 images


def labels_in_proportion(facts: DataFacts, seeds: Sequence[int]) -> list[int]:
    """Return the label of each seed: the classes in the proportions of the data set.

    They are those of `ldm sample --class-distribution data`; evenly where no counts are known.
    """
    classes = range(facts.num_classes)
    if not sum(facts.histogram):
        return cycle(seeds, classes)
    return follow(seeds, classes, facts.histogram)


def sample_in_proportion(
    sample: Sample, facts: DataFacts, count: int, first_seed: int = 1, name: str = "samples"
) -> ImageSource:
    """Return `count` images that `sample(seeds, labels)` draws (uint8 (N, S, S, 3)), to be scored.

    The seeds are first_seed, first_seed + 1, …; their classes come in the proportions of the data.
    """
    seeds = range(first_seed, first_seed + count)
    labels = labels_in_proportion(facts, seeds)
    images = sample(seeds, labels)
    classes: list[str | None] = [facts.class_names[label] for label in labels]
    return ImageSource(name, count, images.shape[1], lambda rows: images[rows], classes)
