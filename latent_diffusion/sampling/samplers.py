"""Samplers: small generators that walk from noise to latents and yield the state after every step.

All take `denoise(x, sigma) -> clean`, the state x = clean + sigma * noise (N, C, h, w) at the first
noise level, the falling noise levels `sigmas` (the last one is 0) and `noise_like(x)` for fresh
noise (used by stochastic ones only). In these coordinates the formulas of VP, VE and flow models
are the same. A further sampler is a function of this kind and a name in `SAMPLERS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # so that the command line can name the samplers without waiting for torch
    from torch import Tensor

    from latent_diffusion.denoiser import Denoise

NoiseLike = Callable[["Tensor"], "Tensor"]


def ddim(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise_like: NoiseLike
) -> Iterator[Tensor]:
    """First-order deterministic steps (Song, Meng & Ermon 2021, eta = 0).

    The predicted noise is kept, at the new level.
    """
    for sigma, following in pairwise(sigmas):
        clean = denoise(x, sigma)
        x = clean + (following / sigma) * (x - clean)
        yield x


def ddpm(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise_like: NoiseLike
) -> Iterator[Tensor]:
    """Ancestral steps (Ho, Jain & Abbeel 2020, equation 7).

    Each draws from the posterior of the next state given x and clean.
    """
    for sigma, following in pairwise(sigmas):
        clean = denoise(x, sigma)
        kept = (following / sigma) ** 2
        x = clean + kept * (x - clean)
        if following > 0:
            x = x + following * (1 - kept) ** 0.5 * noise_like(x)
        yield x


def heun(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise_like: NoiseLike
) -> Iterator[Tensor]:
    """Second order, two network evaluations a step (Karras et al. 2022, algorithm 1)."""
    for sigma, following in pairwise(sigmas):
        slope = (x - denoise(x, sigma)) / sigma
        guess = x + (following - sigma) * slope
        if following > 0:
            slope = (slope + (guess - denoise(guess, following)) / following) / 2
        x = x + (following - sigma) * slope
        yield x


def dpmpp_2m(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise_like: NoiseLike
) -> Iterator[Tensor]:
    """DPM-Solver++(2M) (Lu et al. 2022, algorithm 2): second order, one network evaluation a step.

    The exponential integrator in -log sigma; `clean` is extrapolated from this step and the one
    before. The last step, to 0, has no finite logarithm and is first order.
    """
    before, clean_before = None, x
    for sigma, following in pairwise(sigmas):
        clean = denoise(x, sigma)
        estimate = clean
        if before is not None and following > 0:
            ratio = math.log(before / sigma) / math.log(sigma / following)  # last step over this
            estimate = clean + (clean - clean_before) / (2 * ratio)
        x = estimate + (following / sigma) * (x - estimate)
        before, clean_before = sigma, clean
        yield x


SAMPLERS = {"dpmpp_2m": dpmpp_2m, "heun": heun, "ddim": ddim, "ddpm": ddpm}  # the default first


def noise_levels(steps: int, sigma_max: float, sigma_min: float, rho: float = 7.0) -> list[float]:
    """Return `steps` falling noise levels and a final 0 (Karras et al. 2022, equation 5)."""
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    rising = (high + i / max(1, steps - 1) * (low - high) for i in range(steps))
    return [level**rho for level in rising] + [0.0]


MANY, FEW = 14, 4  # steps, and few steps


def spread_levels(
    steps: int, sigma_max: float, sigma_min: float, last_of_few: float
) -> list[float]:
    """Return the noise levels of so many steps, the last one 0: to sigma_min from MANY steps on.

    The logarithm of the last level above 0 falls evenly with the steps, from last_of_few at FEW of
    them: where the decoder draws what little noise is left, few steps are better spent above it.
    """
    share = max(0, MANY - steps) / (MANY - FEW)
    last = max(sigma_min, sigma_min ** (1 - share) * last_of_few**share)
    return noise_levels(steps, sigma_max, min(last, max(sigma_min, sigma_max / 2)))


class Trace(NamedTuple):
    """What a sampler asks for on its way: noise levels of network evaluations, draws of noise."""

    evaluated: list[float]
    draws: int


def trace(sampler: str, sigmas: Sequence[float]) -> Trace:
    """Return what the sampler of this name asks for over these noise levels.

    It walks a single number, 0, whose clean version is 0: samplers are plain arithmetic.
    """
    evaluated: list[float] = []
    draws = 0

    def denoise(x: float, sigma: float) -> float:
        evaluated.append(sigma)
        return 0.0

    def noise_like(x: float) -> float:
        nonlocal draws
        draws += 1
        return 0.0

    for _ in SAMPLERS[sampler](denoise, 0.0, sigmas, noise_like):  # type: ignore[arg-type]
        pass
    return Trace(evaluated, draws)
