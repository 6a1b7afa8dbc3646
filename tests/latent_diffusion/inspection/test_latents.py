"""Latents as pictures and as spectra: what is known of the latents is found in both."""

import numpy as np
import pytest
import torch

from latent_diffusion.data.reference import Reference
from latent_diffusion.inspection.latents import LatentView, colours, latent_grid
from latent_diffusion.loading import Codec
from latent_diffusion.run import Run

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3)).astype(np.uint8)


def test_colours_name_the_sign_and_end_at_the_range():
    shown = colours(np.array([-9.0, -3.0, 0.0, 3.0, 9.0])).astype(int)
    assert (shown[0] == shown[1]).all() and (shown[3] == shown[4]).all()
    assert shown[0, 2] > shown[0, 0] + 50  # blue below 0
    assert shown[4, 0] > shown[4, 2] + 50  # red above
    assert shown[2].min() > 240


def test_every_channel_has_its_tile():
    latents = np.zeros((2, 3, 8, 8), np.float32)
    latents[1, 2, :4] = 3  # second image, third channel, upper half
    sheet = np.asarray(latent_grid(np.full((2, 48, 48, 3), 255, np.uint8), latents))
    rows = sheet[: 2 * 50].astype(int)
    red = np.argwhere(rows[..., 0] > rows[..., 2] + 50)
    (top, left), (bottom, right) = red.min(axis=0), red.max(axis=0)
    assert (top, bottom) == (2 + 50, 2 + 50 + 23) and (left, right) == (2 + 3 * 50, 2 + 3 * 50 + 47)


def test_white_latents_of_white_images_are_called_white():
    latents = np.random.default_rng(1).normal(size=(200, 4, 8, 8)).astype(np.float32)
    view = LatentView.of(IMAGES, latents)
    assert view.rank == pytest.approx(4, abs=0.01) and view.nearest_correlations.max() < 0.05
    for curve in view.spectra()[:2]:
        assert np.abs(curve.y).max() < 0.7  # dB
    images, mean, *_ = view.spectra()
    assert (images.x[0], images.x[-1]) == (0.5, 16)  # cycles per image, to Nyquist
    assert (mean.x[0], mean.x[-1]) == (0.5, 4)


def test_a_copied_channel_and_a_dead_one_are_seen():
    latents = np.random.default_rng(2).normal(size=(50, 4, 8, 8)).astype(np.float32)
    latents[:, 1] = -latents[:, 0]
    latents[:, 3] = 0.5
    view = LatentView.of(IMAGES, latents)
    assert view.nearest_correlations == pytest.approx([1, 1, 0, 0], abs=0.05)
    assert view.deviations[3] == 0 and 1.8 < view.rank < 2
    assert np.isfinite(np.concatenate([curve.y for curve in view.spectra()])).all()
    assert LatentView.of(IMAGES * 0, latents * 0).rank == 0


def test_latents_of_the_run_are_those_that_it_normalised(tiny_run):
    run = Run.open(tiny_run)
    codec, images = Codec.of(run, torch.device("cpu")), np.asarray(Reference.open(run).images)
    latents = codec.batched(5).encode(images).numpy()
    assert latents.shape == (len(images), 8, 4, 4)
    assert 0.7 < latents.std(axis=(0, 2, 3)).min() and latents.std(axis=(0, 2, 3)).max() < 1.3
    np.testing.assert_allclose(latents, codec.encode(images), atol=1e-5)
