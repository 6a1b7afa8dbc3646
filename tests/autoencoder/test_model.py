"""The autoencoder keeps images, whatever their size, and normalises its latents."""

import pytest
import torch
from pydantic import ValidationError

from autoencoder import (
    Autoencoder,
    AutoencoderConfig,
    AutoencoderLoss,
    AutoencoderLossConfig,
    Posterior,
)

TINY = dict(encoder_widths=(16,), decoder_widths=(16,), encoder_blocks=1, decoder_blocks=1)


def smooth_images(count: int, size: int) -> torch.Tensor:
    """Random low-frequency pictures in [-1, 1]."""
    coarse = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return torch.nn.functional.interpolate(coarse, size=size, mode="bicubic").clamp(-1, 1)


def error(model: Autoencoder, images: torch.Tensor) -> float:
    return (model.decode(model.encode(images).mean) - images).square().mean().item()


@pytest.mark.parametrize("size", [28, 30, 64, 128, 256])
def test_any_size_comes_back_at_its_own_size(size):
    model = Autoencoder(AutoencoderConfig(**TINY), size)
    images = smooth_images(4, size)
    model.initialise(images)
    latents = model.encode(images).mean
    assert latents.shape == (4, 8, -(-size // 4), -(-size // 4))
    assert model.decode(latents).shape == images.shape


def test_principal_components_beat_every_other_linear_map():
    """After `initialise` the error is the sum of the variances left out: no linear map has less."""
    images = torch.rand(32, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    images = torch.nn.functional.avg_pool2d(images, 3, 1, 1)
    model = Autoencoder(AutoencoderConfig(latent_channels=8, **TINY), 32)
    model.initialise(images)
    patches = torch.nn.functional.pixel_unshuffle(images, 4)
    patches = patches.permute(0, 2, 3, 1).reshape(-1, 48).double()
    left_out = torch.linalg.eigvalsh(torch.cov(patches.T))[:40].sum().item() / 48
    assert error(model, images) == pytest.approx(left_out, rel=1e-3)


def test_all_components_lose_nothing():
    noise = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    images = smooth_images(8, 16) + 0.05 * noise
    model = Autoencoder(AutoencoderConfig(latent_channels=48, **TINY), 16)
    model.initialise(images)
    assert error(model, images) < 1e-8


def test_normalise_gives_unit_latents_and_changes_no_picture():
    images = smooth_images(16, 32)
    model = Autoencoder(AutoencoderConfig(**TINY), 32)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.1, generator=torch.Generator().manual_seed(3))
    latents = model.encode(images).mean
    before = model.decode(latents)
    for _ in range(2):  # a second time finds nothing left to do
        latents = model.encode(images).mean
        model.normalise(latents.mean(dim=(0, 2, 3)), latents.std(dim=(0, 2, 3)))
        latents = model.encode(images).mean
        assert torch.allclose(latents.mean(dim=(0, 2, 3)), torch.zeros(8), atol=1e-4)
        assert torch.allclose(latents.std(dim=(0, 2, 3)), torch.ones(8), atol=1e-3)
        assert torch.allclose(model.decode(latents), before, atol=1e-4)


def test_shift_and_scale_travel_with_the_weights():
    model = Autoencoder(AutoencoderConfig(**TINY), 16)
    model.normalise(torch.arange(8.0), torch.arange(1.0, 9.0))
    other = Autoencoder(AutoencoderConfig(**TINY), 16)
    other.load_state_dict(model.state_dict())
    images = smooth_images(2, 16)
    assert torch.equal(other.encode(images).mean, model.encode(images).mean)


def test_kl_against_torch_distributions():
    moments = torch.randn(3, 4, 2, 2, generator=torch.Generator().manual_seed(4))
    mean, log_variance = moments.chunk(2, dim=1)
    posterior = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    standard = torch.distributions.Normal(0.0, 1.0)
    wanted = torch.distributions.kl_divergence(posterior, standard).sum(dim=(1, 2, 3))
    assert torch.allclose(Posterior(moments).kl(), wanted, atol=1e-5)


def test_a_decoder_trained_with_noise_tolerates_noise():
    """The purpose of `latent_noise`: after as many steps disturbed latents cost less error."""
    images = smooth_images(64, 16)
    errors = {}
    for level in (0.0, 1.0):
        torch.manual_seed(0)
        model = Autoencoder(AutoencoderConfig(latent_channels=16, **TINY), 16)
        model.initialise(images)
        loss = AutoencoderLoss(AutoencoderLossConfig(latent_noise=level))
        optimizer = torch.optim.Adam(model.parameters(), 3e-3)
        for _ in range(100):
            value, _ = loss(model, images, torch.randn_like, torch.rand_like)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
        latents = model.encode(images).mean.detach()
        spread = latents.std(dim=(0, 2, 3), keepdim=True)
        noisy = latents + 0.5 * spread * torch.randn(latents.shape)
        errors[level] = (model.decode(noisy) - images).square().mean().item()
    assert errors[1.0] < 0.8 * errors[0.0]


@pytest.mark.parametrize(
    "wrong, hint",
    [
        (dict(factor=4, encoder_widths=(16, 16, 16, 16)), "halves 3 times"),
        (dict(factor=2, latent_channels=13), "nothing would be compressed"),
        (dict(encoder_widths=(20,)), "multiple of 16"),
    ],
)
def test_impossible_shapes_are_refused(wrong, hint):
    with pytest.raises(ValidationError, match=hint):
        AutoencoderConfig(**{**TINY, **wrong})
