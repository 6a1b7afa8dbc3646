"""From seeds and labels to images: per-seed noise, fixed compute batches, a sampler, the decoder.

Image (seed, label) comes out the same, byte for byte, in whatever company it is sampled: every seed
has a random generator of its own, and networks always run on one batch size.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from latent_diffusion.denoiser import AnyDenoiser, Denoise, Denoiser, Student, guided
from latent_diffusion.device import autocast, in_compute_batches
from latent_diffusion.loading import Codec
from latent_diffusion.sampling.config import SamplingConfig
from latent_diffusion.sampling.noise import PerSeedNoise
from latent_diffusion.sampling.samplers import SAMPLERS


def conditioned(
    denoiser: AnyDenoiser, labels: Sequence[int], config: SamplingConfig, precision: str
) -> Denoise:
    """Return `denoise(x (N, C, h, w), sigma) -> clean`, guided, in compute batches; labels (N,).

    A student is told guidance and the level that follows in the config's; only at those it can be
    asked.
    """
    scales = config.scales(denoiser.class_names, labels)
    if isinstance(denoiser, Student):
        return jumping(denoiser, labels, scales, config, precision)
    return guided_by(denoiser, labels, scales, config, precision)


def guided_by(
    denoiser: Denoiser,
    labels: Sequence[int],
    scales: float | list[float],
    config: SamplingConfig,
    precision: str,
) -> Denoise:
    """Return `denoise(x, sigma) -> clean` with these scales of guidance, one for all or each row.

    With an epsilon_scale the noise (x - clean) / sigma is divided by it (Ning et al. 2024,
    "Elucidating the exposure bias in diffusion models"): a denoiser that has not learnt all there
    is takes too much away, and samples come out soft.
    """
    device = next(denoiser.parameters()).device

    def network(*rows: Tensor) -> Tensor:
        with autocast(device, precision):
            return denoiser(*rows)

    denoise = guided(
        in_compute_batches(network, config.compute_batch),
        torch.tensor(labels, device=device),
        denoiser.null_label,
        scales,
        config.guidance_interval,
    )
    scale = config.epsilon_scale
    if scale == 1:
        return denoise
    return lambda x, sigma: x - (x - denoise(x, sigma)) / scale


def jumping(
    student: Student,
    labels: Sequence[int],
    scales: float | list[float],
    config: SamplingConfig,
    precision: str,
) -> Denoise:
    """Return `denoise(x, sigma) -> "clean"` of a student, at the noise levels of the config."""
    device = next(student.parameters()).device
    following = dict(pairwise(config.levels))
    rows = [scales] * len(labels) if isinstance(scales, int | float) else scales
    told = torch.tensor(labels, device=device), torch.tensor(rows, device=device)

    def network(*rows: Tensor) -> Tensor:
        with autocast(device, precision):
            return student(*rows)

    batched = in_compute_batches(network, config.compute_batch)

    def denoise(x: Tensor, sigma: float) -> Tensor:
        levels = torch.full((2, len(x)), sigma, device=x.device)
        levels[1] = following[sigma]
        return batched(x, levels[0], *told, levels[1])

    return denoise


@torch.inference_mode()
def generate_latents(
    denoiser: AnyDenoiser,
    latent_shape: tuple[int, int, int],
    seeds: Sequence[int],
    labels: Sequence[int],
    config: SamplingConfig,
    precision: str,
) -> Iterator[Tensor]:
    """Yield the sampler's state (N, C, h, w) after each step; the last one is the latents."""
    device = next(denoiser.parameters()).device
    noise = PerSeedNoise(seeds, device, config.temperature)
    sigmas = config.levels
    denoise = conditioned(denoiser, labels, config, precision)
    start = sigmas[0] * noise.draw(latent_shape)
    yield from SAMPLERS[config.sampler](denoise, start, sigmas, noise.like)


def generate(
    denoiser: AnyDenoiser,
    codec: Codec,
    seeds: Sequence[int],
    labels: Sequence[int],
    config: SamplingConfig,
) -> np.ndarray:
    """Return images uint8 (N, H, W, 3), one for each pair of seed and label.

    Both networks run in the codec's precision, on the config's compute batch.
    """
    assert len(seeds) == len(labels) > 0
    shape = codec.autoencoder.latent_shape
    for state in generate_latents(denoiser, shape, seeds, labels, config, codec.precision):
        latents = state
    return codec.batched(config.compute_batch).decode(latents)
