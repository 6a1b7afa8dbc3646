"""Smooth walks: between two seeds, two classes, or two real images, along the arc between noises.

Called by the app; `ldm interpolate` comes through interpolation.py.
"""

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
    """Return uint8 (R, F, H, W, 3): for each pair of labels a walk from (seed, label) to another.

    Its ends are the images of `ldm sample`, byte for byte. Twice the same seed, or the same label,
    stays where it is.
    """
    walking = seed_walk_states(pipe, seeds, labels, frames, config)
    return finished(pipe, walking, len(labels), frames, config)


def seed_walk_states(
    pipe: Pipeline, seeds: Ends, labels: Sequence[Ends], frames: int, config: SamplingConfig
) -> Iterator[Tensor]:
    """Yield the states (R * F, C, h, w) of the sampler on such walks."""
    fractions = torch.linspace(0, 1, frames, device=pipe.device).repeat(len(labels))
    noise = NoiseBetween(seeds, fractions, config.temperature)
    start = noise.draw(pipe.autoencoder.latent_shape)
    return states(pipe, start, noise.like, labels, fractions, config)


def image_walk(
    pipe: Pipeline, pictures: Pictures, frames: int, config: SamplingConfig
) -> np.ndarray:
    """Return uint8 (1, F, H, W, 3) between two real images: to noise, along the arc, and back.

    The images are taken under their own labels. Raise ValueError for a sampler that would not come
    back to them.
    """
    if trace(config.sampler, config.levels).draws:
        others = [name for name in SAMPLERS if not trace(name, config.levels).draws]
        raise ValueError(
            f"{config.sampler} draws fresh noise at every step and would not come back to the "
            f"images: use {', '.join(others)}"
        )
    noise = to_noise(pipe, pictures, config)  # (2, C, h, w)
    fractions = torch.linspace(0, 1, frames, device=pipe.device)
    first, second = (end.expand(frames, *end.shape) for end in noise)
    between = slerp(first, second, fractions)
    labels = [(pictures.labels[0], pictures.labels[1])]
    walking = states(pipe, between, torch.zeros_like, labels, fractions, config)
    return finished(pipe, walking, 1, frames, config)


@torch.inference_mode()
def states(
    pipe: Pipeline,
    noise: Tensor,
    noise_like: NoiseLike,
    labels: Sequence[Ends],
    fractions: Tensor,
    config: SamplingConfig,
) -> Iterator[Tensor]:
    """Yield the sampler's states (R * F, C, h, w) from noise of that shape, a walk after another.

    Frame f of walk r stands fractions[r * F + f] of the way between the labels of that walk.
    """
    frames = len(noise) // len(labels)
    first = [label for label, _ in labels for _ in range(frames)]
    second = [label for _, label in labels for _ in range(frames)]
    denoise = conditioned(pipe, first, config)
    if first != second:
        denoise = blended(denoise, conditioned(pipe, second, config), fractions)
    start = config.levels[0] * noise
    yield from SAMPLERS[config.sampler](denoise, start, config.levels, noise_like)


def finished(
    pipe: Pipeline, walking: Iterator[Tensor], rows: int, frames: int, config: SamplingConfig
) -> np.ndarray:
    """Return the decoded ends of the sampler's states, uint8 (rows, frames, H, W, 3)."""
    latents = last(walking, "walking", config.steps, rows * frames)
    images = pipe.codec.batched(config.compute_batch).decode(latents)
    return images.reshape(rows, frames, *images.shape[1:])


def blended(first: Denoise, second: Denoise, fractions: Tensor) -> Denoise:
    """Return predictions at fractions (N,) of the way between two classes.

    At each noise level this is the score of p_first^(1 - f) * p_second^f (Liu et al. 2022,
    composable diffusion). The network only ever sees labels that it was trained with; embeddings
    between them would make larger jumps.
    """
    weights = fractions.view(-1, 1, 1, 1)
    return lambda x, sigma: torch.lerp(first(x, sigma), second(x, sigma), weights)
