"""Where along the noise levels a denoiser errs: its loss on held-out images, level by level.

With and without their class. Called by the report.
"""

import numpy as np
import torch
from pydantic import BaseModel

from latent_diffusion.denoiser import Denoiser
from latent_diffusion.device import autocast
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import Progress
from latent_diffusion.sampling.noise import PerSeedNoise

LEVELS = 12
BATCH = 64


class NoiseLoss(BaseModel):
    """Mean squared error of the velocity, over N images, at each noise level sigma."""

    n: int
    sigmas: list[float]
    conditional: list[float]
    unconditional: list[float]


@torch.inference_mode()
def noise_loss(pipe: Pipeline, images: np.ndarray, labels: np.ndarray) -> NoiseLoss:
    """Return the loss of uint8 images (N, H, W, 3) with labels (N,), over the run's noise levels.

    Image i has the noise of seed i + 1 at every level and in both columns, so that what differs is
    level and label alone.
    """
    sigmas = np.geomspace(pipe.sampling.sigma_min, pipe.sampling.first_level, LEVELS)
    totals = np.zeros((2, LEVELS))
    with Progress("loss by noise level", len(images)) as progress:
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH]
            with autocast(pipe.device, pipe.precision):
                totals += batch_losses(pipe, batch, labels[start : start + BATCH], start, sigmas)
            progress.advance(len(batch))
    conditional, unconditional = (totals / len(images)).tolist()
    return NoiseLoss(
        n=len(images), sigmas=sigmas.tolist(), conditional=conditional, unconditional=unconditional
    )


def batch_losses(
    pipe: Pipeline, images: np.ndarray, labels: np.ndarray, start: int, sigmas: np.ndarray
) -> np.ndarray:
    """Return sums over a batch (2, levels), with the labels and without.

    Its first image is number `start` of all.
    """
    clean = pipe.codec.batched(BATCH).encode(images)
    seeds = range(start + 1, start + 1 + len(images))
    noise = PerSeedNoise(seeds, pipe.device).like(clean)
    asked = torch.from_numpy(np.asarray(labels)).to(pipe.device)
    assert isinstance(pipe.denoiser, Denoiser)  # a student knows jumps alone
    sums = np.zeros((2, len(sigmas)))
    for row, given in enumerate((asked, torch.full_like(asked, pipe.denoiser.null_label))):
        for level, sigma in enumerate(sigmas):
            levels = torch.full((len(given),), float(sigma), device=pipe.device)
            losses = pipe.denoiser.loss(clean, noise, levels, given)
            sums[row, level] = losses.cpu().double().sum().item()
    return sums
