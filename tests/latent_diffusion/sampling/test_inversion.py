"""Inversion against the exact solution for Gaussian data, where the ideal denoiser is known."""

import itertools
import math

import torch

from latent_diffusion.sampling.inversion import invert
from latent_diffusion.sampling.samplers import heun, noise_levels

SPREAD, HIGH, LOW = 0.7, 20.0, 0.02


def ideal(x, sigma):
    """E[clean | x] for clean ~ N(0, SPREAD^2)."""
    return x * SPREAD**2 / (SPREAD**2 + sigma**2)


def up(x, steps):
    states = list(invert(ideal, x, noise_levels(steps, HIGH, LOW)))
    assert len(states) == steps
    return states[-1]


def test_order_of_convergence():
    clean = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    start = clean * (SPREAD**2 + LOW**2) / SPREAD**2  # denoise(start, LOW) = clean
    exact = start * math.sqrt(
        (SPREAD**2 + HIGH**2) / (SPREAD**2 + LOW**2)
    )  # the ODE keeps x / sqrt(SPREAD^2 + sigma^2) constant
    errors = [(up(clean, steps) - exact).abs().item() for steps in (20, 40, 80)]
    assert min(math.log2(a / b) for a, b in itertools.pairwise(errors)) > 1.7, errors
    assert errors[-1] < 0.01 * exact.item()


def test_up_and_down_again():
    clean = torch.randn(4, 2, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    *_, back = heun(ideal, up(clean, 100), noise_levels(100, HIGH, LOW), torch.zeros_like)
    assert (back - clean).abs().max() < 1e-3


def test_the_last_step_is_undone():
    clean = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    first = next(invert(ideal, clean, noise_levels(5, HIGH, LOW)))
    assert abs(ideal(first, LOW).item() - 1) < 1e-9
