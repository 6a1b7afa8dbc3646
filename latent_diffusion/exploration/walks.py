"""Smooth walks: between two seeds, two classes, or two real images, along the arc between their noises."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from latent_diffusion.denoiser import Denoise
from latent_diffusion.exploration.inversion import to_noise
from latent_diffusion.exploration.pictures import Pictures
from latent_diffusion.exploration.steering import conditioned, last
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.sampling.config import SamplingConfig
from latent_diffusion.sampling.interpolation import NoiseBetween, slerp
from latent_diffusion.sampling.samplers import SAMPLERS, NoiseLike, trace

Ends = tuple[int, int]


def seed_walk(
    pipe: Pipeline, seeds: Ends, labels: Sequence[Ends], frames: int, config: SamplingConfig
) -> np.ndarray:
    """uint8 (R, F, H, W, 3): for each pair of labels a walk from (seed, label) to (seed, label).

    Its ends are the images of `ldm sample`, byte for byte. Twice the same seed, or the same label, stays where it is.
    """
    return finished(
        pipe, seed_walk_states(pipe, seeds, labels, frames, config), len(labels), frames, config
    )


def seed_walk_states(
    pipe: Pipeline, seeds: Ends, labels: Sequence[Ends], frames: int, config: SamplingConfig
) -> Iterator[Tensor]:
    """The states (R * F, C, h, w) of the sampler on such walks."""
    fractions = torch.linspace(0, 1, frames, device=pipe.device).repeat(len(labels))
    noise = NoiseBetween(seeds, fractions, config.temperature)
    return states(
        pipe, noise.draw(pipe.autoencoder.latent_shape), noise.like, labels, fractions, config
    )


def image_walk(
    pipe: Pipeline, pictures: Pictures, frames: int, config: SamplingConfig
) -> np.ndarray:
    """uint8 (1, F, H, W, 3) between two real images, under their own labels: to noise, along the arc, and back."""
    if trace(config.sampler, config.levels).draws:
        others = [name for name in SAMPLERS if not trace(name, config.levels).draws]
        raise ValueError(
            f"{config.sampler} draws fresh noise at every step and would not come back to the "
            f"images: use {', '.join(others)}"
        )
    noise = to_noise(pipe, pictures, config)
    fractions = torch.linspace(0, 1, frames, device=pipe.device)
    between = slerp(*(end.expand(frames, *end.shape) for end in noise), fractions)
    return finished(
        pipe,
        states(pipe, between, torch.zeros_like, [tuple(pictures.labels)], fractions, config),
        1,
        frames,
        config,
    )


@torch.inference_mode()
def states(
    pipe: Pipeline,
    noise: Tensor,
    noise_like: NoiseLike,
    labels: Sequence[Ends],
    fractions: Tensor,
    config: SamplingConfig,
) -> Iterator[Tensor]:
    first, second = (np.repeat(end, len(noise) // len(labels)).tolist() for end in zip(*labels))
    denoise = conditioned(pipe, first, config)
    if first != second:
        denoise = blended(denoise, conditioned(pipe, second, config), fractions)
    yield from SAMPLERS[config.sampler](
        denoise, config.levels[0] * noise, config.levels, noise_like
    )


def finished(
    pipe: Pipeline, walking: Iterator[Tensor], rows: int, frames: int, config: SamplingConfig
) -> np.ndarray:
    latents = last(walking, "walking", config.steps, rows * frames)
    images = pipe.codec.batched(config.compute_batch).decode(latents)
    return images.reshape(rows, frames, *images.shape[1:])


def blended(first: Denoise, second: Denoise, fractions: Tensor) -> Denoise:
    """Predictions at fractions (N,) of the way between two classes.

    At each noise level this is the score of p_first^(1 - f) * p_second^f (Liu et al. 2022, composable diffusion). The
    network only ever sees labels that it was trained with; embeddings between them would make larger jumps.
    """
    weights = fractions.view(-1, 1, 1, 1)
    return lambda x, sigma: torch.lerp(first(x, sigma), second(x, sigma), weights)
