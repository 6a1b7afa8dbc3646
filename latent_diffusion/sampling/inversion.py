"""From latents back to the noise that a deterministic sampler makes them from."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from latent_diffusion.denoiser import Denoise
from latent_diffusion.sampling.samplers import heun

ITERATIONS = 3  # of the last step's inverse; each shrinks the error about tenfold


def invert(denoise: Denoise, latents: Tensor, sigmas: Sequence[float]) -> Iterator[Tensor]:
    """Yield the states (N, C, h, w) on the way up, one for each falling sigma but the final 0.

    The last one is at sigmas[0]. The probability-flow ODE (Song et al. 2021, equation 13) is solved
    backwards by Heun's method, whose steps (Karras et al. 2022, algorithm 1) go up as well as down.
    All samplers end with clean = denoise(x, sigma_min), where the ODE cannot be stepped from 0;
    this is solved for x by fixed-point iteration.
    """
    levels = sigmas[-2::-1]
    x = latents
    for _ in range(ITERATIONS):
        x = x + latents - denoise(x, levels[0])
    yield x
    yield from heun(denoise, x, levels, torch.zeros_like)
