"""Where along the noise levels a denoiser errs: its loss on held-out images, level by level, with and without their class."""

import numpy as np
import torch
from pydantic import BaseModel

from latent_diffusion.device import autocast
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import Progress
from latent_diffusion.sampling.noise import PerSeedNoise

LEVELS, BATCH = 12, 64


class NoiseLoss(BaseModel):
    """Mean squared error of the velocity, over N images, at each noise level sigma."""

    n: int
    sigmas: list[float]
    conditional: list[float]
    unconditional: list[float]


@torch.inference_mode()
def noise_loss(pipe: Pipeline, images: np.ndarray, labels: np.ndarray) -> NoiseLoss:
    """Of uint8 images (N, H, W, 3) and labels (N,), over the levels that the run samples through.

    Image i has the noise of seed i + 1 at every level and in both columns, so that what differs is level and label alone.
    """
    sigmas = np.geomspace(pipe.sampling.sigma_min, pipe.sampling.sigma_max, LEVELS)
    totals = np.zeros((2, LEVELS))
    with Progress("loss by noise level", len(images)) as progress:
        for start in range(0, len(images), BATCH):
            here = slice(start, start + BATCH)
            asked = torch.from_numpy(np.asarray(labels[here])).to(pipe.device)
            with autocast(pipe.device, pipe.precision):
                clean = pipe.codec.batched(BATCH).encode(images[here])
                noise = PerSeedNoise(range(start + 1, start + 1 + len(asked)), pipe.device).like(
                    clean
                )
                for row, given in enumerate(
                    (asked, torch.full_like(asked, pipe.denoiser.null_label))
                ):
                    for level, sigma in enumerate(sigmas):
                        levels = torch.full((len(asked),), float(sigma), device=pipe.device)
                        totals[row, level] += (
                            pipe.denoiser.loss(clean, noise, levels, given)
                            .cpu()
                            .double()
                            .sum()
                            .item()
                        )
            progress.advance(len(asked))
    conditional, unconditional = (totals / len(images)).tolist()
    return NoiseLoss(
        n=len(images), sigmas=sigmas.tolist(), conditional=conditional, unconditional=unconditional
    )
