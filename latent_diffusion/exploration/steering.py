"""What the explorations share: the denoiser under given labels, latents of images, samplers from any state."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from autoencoder import Autoencoder
from latent_diffusion.denoiser import Denoise
from latent_diffusion.device import autocast
from latent_diffusion.images import from_uint8
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import Progress
from latent_diffusion.sampling import generate
from latent_diffusion.sampling.generate import SamplingConfig, in_compute_batches


def latent_shape(autoencoder: Autoencoder) -> tuple[int, int, int]:
    return autoencoder.config.latent_channels, autoencoder.latent_size, autoencoder.latent_size


def conditioned(pipe: Pipeline, labels: Sequence[int], config: SamplingConfig) -> Denoise:
    """The pipeline's denoiser under labels (N,), as `ldm sample` calls it."""
    return generate.conditioned(pipe.denoiser, labels, config, pipe.precision)


@torch.inference_mode()
def last(states: Iterator[Tensor], title: str, steps: int, images: int) -> Tensor:
    """The last of a sampler's states (of `images` rows); progress is shown under `title`."""
    with Progress(title, steps, "steps", images_per_unit=images / steps) as progress:
        for state in states:
            progress.advance()
    return state


@torch.inference_mode()
def encode(autoencoder: Autoencoder, images: np.ndarray, compute_batch: int, precision: str) -> Tensor:
    """Latents (N, C, h, w) of uint8 images (N, H, W, 3): the posterior's mean."""
    device = autoencoder.shift.device
    with autocast(device, precision):
        return in_compute_batches(lambda rows: autoencoder.encode(from_uint8(rows.to(device), device)).mean, compute_batch)(
            torch.from_numpy(np.array(images)))
