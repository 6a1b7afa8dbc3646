"""The PatchGAN that sharpens a decoder: what it sees, and whose gradient goes where."""

import pytest
import torch

from autoencoder import (
    AdversarialLoss,
    Autoencoder,
    AutoencoderConfig,
    AutoencoderLoss,
    AutoencoderLossConfig,
    Discriminator,
)

WIDTHS = (16, 16, 16)


def images(seed: int) -> torch.Tensor:
    return torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize("side", [8, 28, 64])
def test_one_number_for_each_patch_of_four(side):
    seen = Discriminator(WIDTHS)(torch.zeros(2, 3, side, side))
    assert seen.shape == (2, 1, side // 4, side // 4)


def test_it_sees_no_brightness_and_no_slope():
    """But at the border, where the ramp ends."""
    torch.manual_seed(0)
    discriminator = Discriminator(WIDTHS).eval()
    plain = images(0) / 4
    grain = 0.1 * images(1)
    ramp = torch.linspace(-0.5, 0.5, 16).expand(1, 3, 16, 16)
    seen = discriminator(plain)
    assert torch.allclose(discriminator(plain + 0.5), seen, atol=1e-4)

    def change(added):
        inside = (discriminator(plain + added) - seen)[..., 1:3, 1:3]
        return inside.abs().max()

    assert change(ramp) < 0.5 * change(grain)


def gradients(weight: float) -> tuple[list, dict, dict]:
    """Gradients of what encodes, of what decodes, and of the discriminator."""
    torch.manual_seed(0)
    config = AutoencoderConfig(
        encoder_widths=(16,), decoder_widths=(16,), encoder_blocks=0, decoder_blocks=0
    )
    model = Autoencoder(config, 16)
    plain = AutoencoderLoss(AutoencoderLossConfig(latent_noise=0))
    adversary = AdversarialLoss(plain, Discriminator(WIDTHS), weight)
    loss, terms = adversary(model, images(2), torch.zeros_like, torch.zeros_like)
    assert torch.isclose(loss, terms["l1"] + weight * terms["generator"] + terms["discriminator"])
    loss.backward()

    def of(part):
        return {name: parameter.grad for name, parameter in part.named_parameters()}

    encoding = [*of(model.encoder).values(), *of(model.to_latents).values()]
    return encoding, of(model.to_patches), of(adversary.discriminator)


def test_each_gradient_leaves_the_other_alone():
    encoding, decoding, judging = gradients(1.0)
    _, decoding_without, judging_without = gradients(0.0)
    _, decoding_half, _ = gradients(0.5)
    assert all(gradient is None for gradient in encoding), "the latents stay as they are"
    assert any(gradient.abs().max() > 0 for gradient in judging.values())
    for name, gradient in judging.items():
        assert torch.equal(gradient, judging_without[name])
    # Linear in the weight, and nothing of the discriminator's own loss is in it.
    assert any(not torch.allclose(g, decoding_without[name]) for name, g in decoding.items())
    for name, gradient in decoding.items():
        whole = gradient - decoding_without[name]
        half = decoding_half[name] - decoding_without[name]
        assert torch.allclose(whole, 2 * half, atol=1e-6)
