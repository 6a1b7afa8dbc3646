"""Variations of real images: noised to a level, denoised under another class.

The coarse stays, the fine comes anew. Called by `ldm vary`.
"""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from latent_diffusion.exploration import SMALL_COMPUTE_BATCH
from latent_diffusion.exploration.pictures import Pictures, find_pictures
from latent_diffusion.exploration.sheets import captioned
from latent_diffusion.exploration.steering import conditioned, last
from latent_diffusion.inspection.grids import grid, writable
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.run import Run
from latent_diffusion.sampling.config import SamplingConfig
from latent_diffusion.sampling.noise import PerSeedNoise
from latent_diffusion.sampling.samplers import SAMPLERS, spread_levels


def noise_level(strength: float, config: SamplingConfig) -> float:
    """Return the sigma at which a variation of this strength begins.

    The strength is the flow's time t = sigma / (1 + sigma), the share of noise. Raise ValueError
    for what is not above sigma_min's share and at most 1, which begins at sigma_max.
    """
    least = config.sigma_min / (1 + config.sigma_min)
    if not least < strength <= 1:
        raise ValueError(
            f"--strength {strength:g} must be above {least:.2g}, which changes nothing, and at "
            "most 1, which keeps nothing"
        )
    return (
        config.first_level if strength == 1 else min(strength / (1 - strength), config.first_level)
    )


def vary(
    pipe: Pipeline,
    images: np.ndarray,
    labels: Sequence[int],
    seeds: Sequence[int],
    strengths: Sequence[float],
    config: SamplingConfig,
) -> np.ndarray:
    """Return uint8 (N, S, H, W, 3): N images, each varied by S strengths.

    Each image has its label and its seed for the noise. This is SDEdit (Meng et al. 2022).
    """
    levels = [noise_level(strength, config) for strength in strengths]
    codec = pipe.codec.batched(config.compute_batch)
    latents = codec.encode(images)
    denoise = conditioned(pipe, labels, config)
    varied = []
    for strength, level in zip(strengths, levels, strict=True):
        noise = PerSeedNoise(seeds, pipe.device, config.temperature)
        sigmas = spread_levels(config.steps, level, config.sigma_min, config.last_level)
        noisy = latents + level * noise.draw(pipe.autoencoder.latent_shape)
        states = SAMPLERS[config.sampler](denoise, noisy, sigmas, noise.like)
        changed = last(states, f"strength {strength:g}", config.steps, len(latents))
        varied.append(codec.decode(changed))
    return np.stack(varied, axis=1)


def sheet(
    pipe: Pipeline,
    pictures: Pictures,
    classes: Sequence[int],
    seeds: Sequence[int],
    strengths: Sequence[float],
    config: SamplingConfig,
) -> Image.Image:
    """Return a row for each picture, class and seed: the original, then its variations."""
    rows = list(product(range(len(pictures.images)), classes, seeds))
    images = pictures.images[[index for index, _, _ in rows]]
    row_labels = [label for _, label, _ in rows]
    row_seeds = [seed for _, _, seed in rows]
    varied = vary(pipe, images, row_labels, row_seeds, strengths, config)
    names = [pipe.facts.class_names[label] for label in row_labels]
    if len(seeds) > 1:
        names = [f"{name}, seed {seed}" for name, seed in zip(names, row_seeds, strict=True)]
    captions = ["original", *(f"strength {strength:g}" for strength in strengths)]
    lines = [
        captioned([image, *line], captions) for image, line in zip(images, varied, strict=True)
    ]
    return grid(lines, names)


def write_variations(
    run_folder: Path,
    out: Path,
    sources: Sequence[str],
    classes: list[str] | None,
    seeds: Sequence[int],
    strengths: Sequence[float],
    device: str,
    **sampling: Any,
) -> None:
    """Write the sheet of the images that `find_pictures` reads from sources, and their variations.

    `sampling` holds settings of SamplingConfig; those that are None are left to the run. Raise
    ValueError for what cannot be read, and for an `out` that is no picture's name.
    """
    pipe, run = Pipeline.from_run(run_folder, device), Run.open(run_folder)
    writable(out)
    config = pipe.configured(**sampling, compute_batch=SMALL_COMPUTE_BATCH)
    pictures, labels = find_pictures(sources, run), pipe.labels(classes)
    sheet(pipe, pictures, labels, seeds, strengths, config).save(out)
