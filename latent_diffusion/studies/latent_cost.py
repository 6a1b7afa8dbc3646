"""What latents cost the denoiser: their spectrum, and at which noise level samples become telling.

Held-out pictures are noised to a level and denoised again: what is coarser than the level stays
real, what is finer the denoiser draws. Where a detector tells such pictures from reconstructions,
the denoiser has lost something. Called by the report.
"""

import numpy as np
from pydantic import BaseModel

from latent_diffusion.evaluation.detector import Layered, describe, tell
from latent_diffusion.exploration.variation import vary
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import Progress

SIGMAS = (0.5, 1.5, 5.0)  # grain and edges, shapes, layout
MOST_STEPS = 8  # from a noise level down; samples take the run's own
FIRST_SEED = 4_000_001
MOST_DEVIATIONS = 100


class LevelCost(BaseModel):
    """The AUC by which pictures redrawn from noise level sigma down are told, with its interval."""

    sigma: float
    auc: float
    low: float
    high: float


class LatentCost(BaseModel):
    """How large latents are, and what a denoiser loses of them at each noise level, of N pictures.

    `numbers` are those of one picture's latents, `pixels` those of its pixels. `deviations` are of
    the principal components of the latents, the largest first.
    """

    n: int
    numbers: int
    pixels: int
    deviations: list[float]
    levels: list[LevelCost]

    @property
    def generous(self) -> bool:
        """Whether latents hold more than an eighth as many numbers as pictures do."""
        return 8 * self.numbers > self.pixels


def latent_cost(
    pipe: Pipeline, network: Layered, images: np.ndarray, labels: np.ndarray
) -> LatentCost:
    """Return what the latents of held-out pictures, uint8 (N, H, W, 3) with labels (N,), cost."""
    codec = pipe.codec
    latents = codec.encode(images).float().cpu().numpy().reshape(len(images), -1)
    deviations = np.linalg.svd(latents - latents.mean(axis=0), compute_uv=False)
    config = pipe.configured(steps=min(MOST_STEPS, pipe.sampling.steps))
    decoded = describe(network, codec.reconstruct(images), labels)
    seeds = range(FIRST_SEED, FIRST_SEED + len(images))
    levels = []
    with Progress("noised and denoised", len(SIGMAS) * len(images)) as progress:
        for sigma in SIGMAS:
            strength = sigma / (1 + sigma)
            varied = vary(pipe, images, labels.tolist(), seeds, [strength], config)[:, 0]
            found = tell(decoded, describe(network, varied, labels), paired=True)
            levels.append(LevelCost(sigma=sigma, auc=found.auc, low=found.low, high=found.high))
            progress.advance(len(images))
    return LatentCost(
        n=len(images),
        numbers=latents.shape[1],
        pixels=images[0].size,
        deviations=(deviations[:MOST_DEVIATIONS] / max(1, len(images) - 1) ** 0.5).tolist(),
        levels=levels,
    )
