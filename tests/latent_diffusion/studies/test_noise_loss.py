"""Loss by noise level: reproducible, the trained denoiser's own, better with the right class."""

import numpy as np
import pytest
import torch
from PIL import Image

from latent_diffusion import Pipeline
from latent_diffusion.data.reference import Reference
from latent_diffusion.run import Run
from latent_diffusion.studies.noise_loss import LEVELS, noise_loss


@pytest.fixture
def known(tiny_run):
    reference = Reference.open(Run(tiny_run))
    return Pipeline.from_run(tiny_run, device="cpu"), reference.images, reference.labels


def test_the_right_class_helps_where_the_noise_hides_the_image(known):
    pipe, images, labels = known
    right, wrong = noise_loss(pipe, images, labels), noise_loss(pipe, images, (labels + 1) % 3)
    assert len(right.sigmas) == LEVELS and right.n == len(images)
    assert right == noise_loss(pipe, images, labels)
    hidden = [level for level, sigma in enumerate(right.sigmas) if 1 < sigma < 20]
    for level in hidden:
        assert right.conditional[level] < right.unconditional[level] < wrong.conditional[level]
    assert right.unconditional == wrong.unconditional


def test_a_network_that_predicts_nothing_loses_what_there_is_to_predict(known, monkeypatch):
    """The velocity noise - clean has mean square 1 + that of the latents, whatever the level."""
    pipe, images, labels = known
    monkeypatch.setattr(
        type(pipe.denoiser), "velocity", lambda self, x, sigma, labels: torch.zeros_like(x)
    )
    found = noise_loss(pipe, images, labels)
    latents = pipe.encode([Image.fromarray(image) for image in images])
    assert np.allclose(found.conditional, 1 + latents.square().mean().item(), rtol=0.05)
    assert np.ptp(found.conditional) < 1e-6 and found.conditional == found.unconditional
