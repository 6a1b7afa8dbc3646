"""What the explorations share: the denoiser under given labels, samplers from any state."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from latent_diffusion.denoiser import Denoise
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import Progress
from latent_diffusion.sampling import generate
from latent_diffusion.sampling.config import SamplingConfig


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
