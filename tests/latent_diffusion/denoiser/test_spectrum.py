"""Noise levels fitted to latents."""

import numpy as np
import pytest

from latent_diffusion.denoiser import NoiseLevelConfig, deviations_of
from latent_diffusion.denoiser.spectrum import (
    FIRST_LEVEL,
    WIDTH,
    fitted_first_level,
    fitted_log_sigma,
)
from latent_diffusion.sampling.config import SamplingConfig


@pytest.mark.parametrize("count", [300, 20])  # more rows than numbers, and fewer
def test_deviations_are_those_of_the_principal_components(count):
    random = np.random.default_rng(0)
    turned, _ = np.linalg.qr(random.normal(size=(48, 48)))
    latents = (random.normal(size=(count, 48)) * np.linspace(5, 0.1, 48)) @ turned
    found = deviations_of(latents.reshape(count, 3, 4, 4).astype(np.float16))
    centred = latents - latents.mean(axis=0)
    wanted = np.linalg.svd(centred, compute_uv=False) / np.sqrt(count - 1)
    assert np.allclose(found[: len(wanted)], wanted, rtol=0.02, atol=0.02)


def test_noise_levels_lie_where_components_do():
    mean, std = fitted_log_sigma(np.full(10, 2.0))
    assert mean == pytest.approx(np.log(2), abs=1e-3) and std == pytest.approx(WIDTH, abs=1e-3)
    larger, wider = fitted_log_sigma(np.array([8.0, 2.0, 0.5]))
    assert larger > mean and wider > std
    assert fitted_first_level(np.array([8.0, 2.0])) == pytest.approx(8 * FIRST_LEVEL, rel=0.01)


def test_components_count_for_what_they_hold():
    many = np.full(100, 2.0)
    mean, _ = fitted_log_sigma(many)
    hidden, _ = fitted_log_sigma(np.append(many, np.full(100, 0.01)))  # below the noise
    assert hidden == pytest.approx(mean, abs=0.02)
    giants, _ = fitted_log_sigma(np.append(many, [40.0, 40.0]))  # much of the variance
    assert mean < giants < mean + 0.3


def test_numbers_that_are_set_stay():
    deviations = np.geomspace(9, 0.01, 100)
    given = NoiseLevelConfig(log_sigma_mean=-0.3).fitted(deviations)
    assert given.log_sigma_mean == -0.3 and given.log_sigma_std == fitted_log_sigma(deviations)[1]
    assert SamplingConfig(sigma_max=80.0).fitted(deviations).first_level == 80.0
    fitted = SamplingConfig().fitted(deviations)
    assert fitted.levels[0] == pytest.approx(fitted_first_level(deviations))
