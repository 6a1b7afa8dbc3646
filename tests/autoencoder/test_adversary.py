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
    assert Discriminator(WIDTHS)(torch.zeros(2, 3, side, side)).shape == (
        2,
        1,
        side // 4,
        side // 4,
    )


def test_it_sees_no_brightness_and_no_slope():
    """But at the border, where the ramp ends."""
    torch.manual_seed(0)
    discriminator, plain = Discriminator(WIDTHS).eval(), images(0) / 4
    ramp = torch.linspace(-0.5, 0.5, 16).expand(1, 3, 16, 16)
    seen = discriminator(plain)
    assert torch.allclose(discriminator(plain + 0.5), seen, atol=1e-4)
    inside, grain = (slice(None), slice(None), slice(1, 3), slice(1, 3)), 0.1 * images(1)
    unlike = (discriminator(plain + grain) - seen)[inside].abs().max()
    assert (discriminator(plain + ramp) - seen)[inside].abs().max() < 0.5 * unlike


def gradients(weight: float) -> tuple[dict, dict, dict]:
    torch.manual_seed(0)
    model = Autoencoder(
        AutoencoderConfig(
            encoder_widths=(16,), decoder_widths=(16,), encoder_blocks=0, decoder_blocks=0
        ),
        16,
    )
    adversary = AdversarialLoss(
        AutoencoderLoss(AutoencoderLossConfig(latent_noise=0)), Discriminator(WIDTHS), weight
    )
    loss, terms = adversary(model, images(2), torch.zeros_like, torch.zeros_like)
    assert torch.isclose(loss, terms["l1"] + weight * terms["generator"] + terms["discriminator"])
    loss.backward()
    parts = {
        name: {key: p.grad for key, p in part.named_parameters()}
        for name, part in (
            ("encoder", model.encoder),
            ("to_latents", model.to_latents),
            ("to_patches", model.to_patches),
            ("discriminator", adversary.discriminator),
        )
    }
    return {**parts["encoder"], **parts["to_latents"]}, parts["to_patches"], parts["discriminator"]


def test_each_gradient_leaves_the_other_alone():
    encoding, decoding, judging = gradients(1.0)
    _, without, judging_without = gradients(0.0)
    assert all(g is None for g in encoding.values()), "the latents stay as they are"
    assert all(torch.equal(g, judging_without[name]) for name, g in judging.items()) and any(
        g.abs().max() > 0 for g in judging.values()
    )
    assert any(not torch.allclose(g, without[name]) for name, g in decoding.items())
    _, half, _ = gradients(0.5)
    for (
        name,
        g,
    ) in (
        decoding.items()
    ):  # linear in the weight, and nothing of the discriminator's own loss is in it
        assert torch.allclose(g - without[name], 2 * (half[name] - without[name]), atol=1e-6)
