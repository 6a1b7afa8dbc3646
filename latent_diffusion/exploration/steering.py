"""What the explorations share: the denoiser under given labels, samplers from any state."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from latent_diffusion.denoiser import Denoise
from latent_diffusion.exploration import INVERSION_STEPS, SMALL_COMPUTE_BATCH
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import Progress
from latent_diffusion.sampling import generate
from latent_diffusion.sampling.config import SamplingConfig


def conditioned(pipe: Pipeline, labels: Sequence[int], config: SamplingConfig) -> Denoise:
    """Return the pipeline's denoiser under labels (N,), as `ldm sample` calls it."""
    return generate.conditioned(pipe.denoiser, labels, config, pipe.precision)


def configured_for_inversion(
    pipe: Pipeline,
    guidance: float | None = None,
    steps: int | None = None,
    sampler: str | None = None,
) -> SamplingConfig:
    """Return settings that lead real images to noise and back; None leaves a choice to us.

    Without guidance that is the ODE of the data itself: any other guidance leads from noise to
    other images than real ones.
    """
    return pipe.configured(
        guidance=1 if guidance is None else guidance,
        steps=INVERSION_STEPS if steps is None else steps,
        sampler=sampler or "heun",
        epsilon_scale=1,
        compute_batch=SMALL_COMPUTE_BATCH,
    )


@torch.inference_mode()
def last(states: Iterator[Tensor], title: str, steps: int, images: int) -> Tensor:
    """Return the last of a sampler's states, each of `images` rows; show progress on the way."""
    with Progress(title, steps, "steps", images_per_unit=images / steps) as progress:
        for state in states:
            latents = state
            progress.advance()
    return latents
