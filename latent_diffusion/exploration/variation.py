"""Variations of real images: noised to a level, denoised under another class; the coarse stays, the fine is drawn anew."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from latent_diffusion.exploration.pictures import Pictures
from latent_diffusion.exploration.sheets import captioned
from latent_diffusion.exploration.steering import conditioned, last
from latent_diffusion.inspection.grids import grid
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.sampling.config import SamplingConfig
from latent_diffusion.sampling.noise import PerSeedNoise
from latent_diffusion.sampling.samplers import SAMPLERS, noise_levels


def noise_level(strength: float, config: SamplingConfig) -> float:
    """sigma at which a variation begins: the strength is the flow's time t = sigma / (1 + sigma), the share of noise.

    ValueError for what is not above sigma_min's share and at most 1, which begins at sigma_max.
    """
    least = config.sigma_min / (1 + config.sigma_min)
    if not least < strength <= 1:
        raise ValueError(
            f"--strength {strength:g} must be above {least:.2g}, which changes nothing, and at most 1, which keeps nothing"
        )
    return config.sigma_max if strength == 1 else min(strength / (1 - strength), config.sigma_max)


def vary(
    pipe: Pipeline,
    images: np.ndarray,
    labels: Sequence[int],
    seeds: Sequence[int],
    strengths: Sequence[float],
    config: SamplingConfig,
) -> np.ndarray:
    """SDEdit (Meng et al. 2022): uint8 (N, S, H, W, 3) for N images, each with its label and its seed for the noise."""
    levels = [noise_level(strength, config) for strength in strengths]
    codec = pipe.codec.batched(config.compute_batch)
    latents = codec.encode(images)
    denoise, varied = conditioned(pipe, labels, config), []
    for strength, level in zip(strengths, levels):
        noise, sigmas = (
            PerSeedNoise(seeds, pipe.device, config.temperature),
            noise_levels(config.steps, level, config.sigma_min),
        )
        noisy = latents + level * noise.draw(pipe.autoencoder.latent_shape)
        states = SAMPLERS[config.sampler](denoise, noisy, sigmas, noise.like)
        latents_varied = last(states, f"strength {strength:g}", config.steps, len(latents))
        varied.append(codec.decode(latents_varied))
    return np.stack(varied, axis=1)


def variations(
    pipe: Pipeline,
    pictures: Pictures,
    classes: Sequence[int],
    seeds: Sequence[int],
    strengths: Sequence[float],
    config: SamplingConfig,
) -> Image.Image:
    """A sheet: for each picture, class and seed a row, the original and its variations by strength."""
    rows = [
        (i, label, seed) for i in range(len(pictures.images)) for label in classes for seed in seeds
    ]
    chosen, labels, drawn = zip(*rows)
    images = pictures.images[list(chosen)]
    varied = vary(pipe, images, labels, drawn, strengths, config)
    named = ["original", *(f"strength {strength:g}" for strength in strengths)]
    names = [
        pipe.facts.class_names[label] + (f", seed {seed}" if len(seeds) > 1 else "")
        for _, label, seed in rows
    ]
    return grid([captioned([image, *line], named) for image, line in zip(images, varied)], names)
