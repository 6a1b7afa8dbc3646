"""The terms of the autoencoder's loss."""

import torch

from autoencoder import Autoencoder, AutoencoderConfig, AutoencoderLoss, AutoencoderLossConfig
from autoencoder.losses import FLAT, edge_strength


def grain(seed: int, strength: float = 0.2) -> torch.Tensor:
    return strength * torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(seed))


def test_edge_strength_of_a_ramp_is_its_slope():
    ramp = torch.linspace(0, 6.3, 64).expand(1, 3, 64, 64)  # 0.1 a pixel, to the right
    slope = torch.full((1, 3, 15, 15), (0.01 + FLAT) ** 0.5)
    assert torch.allclose(edge_strength(ramp), slope, atol=1e-4)


def test_other_grain_is_nearer_than_none():
    """Where L1 is the other way round, and so blurs."""
    real, other, none = grain(0), grain(1), torch.zeros(4, 3, 64, 64)

    def apart(a, b):
        return (edge_strength(a) - edge_strength(b)).abs().mean()

    assert apart(real, real) == 0
    assert apart(other, real) < 0.4 * apart(none, real)
    assert (other - real).abs().mean() > (none - real).abs().mean()


def test_the_term_is_in_the_loss_with_its_weight():
    config = AutoencoderConfig(
        encoder_widths=(16,), decoder_widths=(16,), encoder_blocks=0, decoder_blocks=0
    )
    model = Autoencoder(config, 64)
    images = grain(0).clamp(-1, 1)

    def loss(weight):
        config = AutoencoderLossConfig(edge_weight=weight, latent_noise=0)
        return AutoencoderLoss(config)(model, images, torch.zeros_like, torch.zeros_like)

    plain, without = loss(0.0)
    total, terms = loss(0.5)
    assert "edges" not in without
    assert torch.isclose(total, plain + 0.5 * terms["edges"])
    total.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
