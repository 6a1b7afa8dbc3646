"""Samplers against the exact solution for Gaussian data, where the ideal denoiser is known."""

import math
from itertools import pairwise

import pytest
import torch

from latent_diffusion.sampling.config import SamplingConfig
from latent_diffusion.sampling.plan import cycle, follow, parse_seeds
from latent_diffusion.sampling.samplers import SAMPLERS, noise_levels, spread_levels, trace

SPREAD = 0.7  # standard deviation of the data


def ideal(x, sigma):
    """E[clean | x] for clean ~ N(0, SPREAD^2)."""
    return x * SPREAD**2 / (SPREAD**2 + sigma**2)


def final(name, steps, x, noise_like=torch.zeros_like):
    sigmas = noise_levels(steps, 20.0, 0.02)
    return list(SAMPLERS[name](ideal, x * sigmas[0], sigmas, noise_like))[-1]


def draws_noise(name):
    return trace(name, noise_levels(5, 20.0, 0.02)).draws > 0


def exact(x):
    """The probability-flow ODE keeps x / sqrt(SPREAD^2 + sigma^2) constant."""
    return x * 20.0 * SPREAD / math.sqrt(SPREAD**2 + 20.0**2)


@pytest.mark.parametrize("name, least_order", [("ddim", 0.8), ("heun", 1.7), ("dpmpp_2m", 1.7)])
def test_order_of_convergence(name, least_order):
    x = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    errors = [(final(name, steps, x) - exact(x)).abs().item() for steps in (20, 40, 80)]
    orders = [math.log2(a / b) for a, b in pairwise(errors)]
    assert min(orders) > least_order, (errors, orders)
    assert errors[-1] < 0.02


def test_ancestral_samples_have_the_variance_of_the_data():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(20_000, 1, 1, 1, generator=generator)
    drawn = final("ddpm", 200, x, lambda x: torch.randn(x.shape, generator=generator))
    assert drawn.std().item() == pytest.approx(SPREAD, rel=0.03)


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_ends_where_it_should(name):
    """A deterministic one on its ODE, one that draws noise with the deviation of the data."""
    if not draws_noise(name):
        x = torch.ones(1, 1, 1, 1, dtype=torch.float64)
        assert final(name, 100, x).item() == pytest.approx(exact(x).item(), rel=0.05)
        return
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(20_000, 1, 1, 1, generator=generator)
    drawn = final(name, 200, x, lambda x: torch.randn(x.shape, generator=generator))
    assert drawn.std().item() == pytest.approx(SPREAD, rel=0.05)


@pytest.mark.parametrize("name", SAMPLERS)
def test_only_those_that_draw_noise_use_it(name):
    x = torch.ones(1, 1, 1, 1)
    unused = torch.equal(final(name, 5, x, torch.zeros_like), final(name, 5, x, torch.ones_like))
    assert unused != draws_noise(name)


@pytest.mark.parametrize("name", SAMPLERS)
def test_one_step_and_every_state(name):
    sigmas = noise_levels(1, 20.0, 0.02)
    states = list(SAMPLERS[name](ideal, torch.ones(2, 1, 1, 1), sigmas, torch.zeros_like))
    assert len(states) == 1 and states[0].isfinite().all()
    assert (
        len(
            list(
                SAMPLERS[name](
                    ideal, torch.ones(2, 1, 1, 1), noise_levels(7, 20.0, 0.02), torch.zeros_like
                )
            )
        )
        == 7
    )


def test_noise_levels_fall_to_zero():
    levels = noise_levels(10, 80.0, 0.01)
    assert levels[0] == pytest.approx(80) and levels[-2] == pytest.approx(0.01) and levels[-1] == 0
    assert all(a > b for a, b in pairwise(levels))


@pytest.mark.parametrize("steps", [14, 15, 40])
def test_many_steps_end_at_sigma_min(steps):
    assert spread_levels(steps, 20.0, 0.01, 0.3) == noise_levels(steps, 20.0, 0.01)


def test_few_steps_end_above_it():
    last = {steps: spread_levels(steps, 20.0, 0.01, 0.3)[-2] for steps in range(2, 15)}
    assert all(last[steps] > last[steps + 1] for steps in range(2, 14))
    assert last[4] == pytest.approx(0.3) and last[14] == pytest.approx(0.01)
    assert spread_levels(4, 20.0, 0.5, 0.3)[-2] == pytest.approx(
        0.5
    )  # never below what is asked for
    assert spread_levels(1, 20.0, 0.01, 0.3) == pytest.approx([20.0, 0.0])
    assert spread_levels(4, 0.4, 0.01, 0.3)[-2] == pytest.approx(0.2)  # nor near where it begins


def test_what_the_decoder_draws_over_says_where_few_steps_end():
    config = SamplingConfig(steps=4, sigma_max=20.0)
    assert config.levels == noise_levels(4, 20.0, 0.01)  # nothing is known of a decoder
    assert config.for_decoder(0.5).levels[-2] == pytest.approx(0.3)
    assert config.for_decoder(0.05).levels == config.levels
    given = SamplingConfig(steps=4, sigma_max=20.0, last_of_few=0.2).for_decoder(0.5)
    assert given.levels[-2] == pytest.approx(0.2)


def test_seeds():
    assert parse_seeds("3,7,20-22") == [3, 7, 20, 21, 22]
    assert parse_seeds(" 1-3, 2 ") == [1, 2, 3]


def test_any_run_of_seeds_covers_the_classes():
    assert cycle([1, 2, 3, 4], [5, 7, 9]) == [5, 7, 9, 5]
    assert sorted(cycle(range(100, 111), list(range(11)))) == list(range(11))


def test_following_a_histogram():
    histogram = [100, 300, 600]
    for first in (1, 5000):
        labels = follow(range(first, first + 200), [0, 1, 2], histogram)
        assert [labels.count(label) for label in range(3)] == pytest.approx([20, 60, 120], abs=3)
    assert follow([7], [0, 1, 2], histogram) == follow(range(1, 20), [0, 1, 2], histogram)[6:7]
    assert set(follow(range(1, 50), [0, 2], histogram)) == {0, 2}
    assert set(follow(range(2**62, 2**62 + 50), [0, 1, 2], histogram)) == {0, 1, 2}
