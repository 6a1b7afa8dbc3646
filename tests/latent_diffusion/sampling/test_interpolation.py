"""Interpolation along the arc: on the circle, in the statistics of noise, and at its ends."""

import math

import pytest
import torch

from latent_diffusion.sampling.interpolation import NoiseBetween, slerp
from latent_diffusion.sampling.noise import PerSeedNoise

CPU = torch.device("cpu")


def test_equal_turns_on_the_circle():
    first, second = (
        torch.tensor([[1.0, 0.0]] * 4),
        torch.tensor([[math.cos(2.0), math.sin(2.0)]] * 4),
    )
    fractions = torch.tensor([0.0, 0.25, 0.5, 1.0])
    expected = torch.stack([(2 * fractions).cos(), (2 * fractions).sin()], dim=1)
    assert torch.allclose(slerp(first, second, fractions), expected, atol=1e-6)


def test_noise_stays_standard_normal_and_ends_are_exact():
    first, second = (
        PerSeedNoise([1] * 5, CPU).draw((8, 32, 32)),
        PerSeedNoise([2] * 5, CPU).draw((8, 32, 32)),
    )
    between = slerp(first, second, torch.linspace(0, 1, 5))
    assert between.std(dim=(1, 2, 3)).tolist() == pytest.approx([1.0] * 5, abs=0.03)
    assert torch.equal(between[0], first[0]) and torch.equal(between[-1], second[-1])


def test_ends_on_one_line():
    x = torch.randn(3, 4, 2, 2)
    assert torch.allclose(slerp(x, x, torch.tensor([0.0, 0.3, 1.0])), x, atol=1e-6)
    assert slerp(x, -x, torch.tensor([0.0, 0.5, 1.0])).isfinite().all()


def test_every_draw_lies_between_those_of_the_seeds():
    noise, ends = (
        NoiseBetween((3, 7), torch.tensor([0.0, 0.5, 1.0]), 0.8),
        [PerSeedNoise([seed], CPU, 0.8) for seed in (3, 7)],
    )
    draws = []
    for _ in range(2):  # as a stochastic sampler draws on
        draws.append(noise.draw((2, 4, 4)))
        first, second = (end.draw((2, 4, 4))[0] for end in ends)
        assert torch.equal(draws[-1][0], first) and torch.equal(draws[-1][2], second)
    assert not torch.equal(draws[0], draws[1])
