"""The denoiser's scalings, its loss, guidance, attention backends and odd sizes."""

import pytest
import torch

from latent_diffusion.denoiser import Denoiser, NoiseLevelConfig, UNet, UNetConfig, guided
from latent_diffusion.denoiser.attention import attend


class Perfect(torch.nn.Module):
    """A network that knows the data is one point, and so predicts the exact velocity."""

    num_classes = 3

    def __init__(self, point):
        super().__init__()
        self.point = point

    def forward(self, x, t, labels):
        t = t.view(-1, 1, 1, 1)
        return (
            x - self.point
        ) / t  # x_t = (1 - t) point + t noise, so noise - point = (x_t - point) / t


def test_a_perfect_network_gives_the_clean_latents_and_no_loss():
    point = torch.randn(1, 2, 4, 4)
    denoiser, sigma = Denoiser(Perfect(point)), torch.tensor([0.01, 1.0, 50.0])
    noise, labels = torch.randn(3, 2, 4, 4), torch.zeros(3, dtype=torch.long)
    clean = point.expand(3, -1, -1, -1)
    assert torch.allclose(
        denoiser(clean + sigma.view(-1, 1, 1, 1) * noise, sigma, labels), clean, atol=1e-3
    )
    assert denoiser.loss(clean, noise, sigma, labels).max() < 1e-5


def test_loss_is_the_error_of_the_clean_latents_weighted_by_noise_level():
    """|v - v'|^2 = |D - clean|^2 ((1 + sigma) / sigma)^2, whatever the network."""
    torch.manual_seed(0)
    network = UNet(UNetConfig(widths=(32,), attention_levels=(), embedding_width=32), 2, 3)
    torch.nn.init.normal_(network.conv_out.weight)
    denoiser, sigma = Denoiser(network), torch.tensor([0.1, 3.0])
    clean, noise, labels = torch.randn(2, 2, 8, 8), torch.randn(2, 2, 8, 8), torch.tensor([0, 2])
    levels = sigma.view(-1, 1, 1, 1)
    error = (denoiser(clean + levels * noise, sigma, labels) - clean).square().mean(dim=(1, 2, 3))
    assert torch.allclose(
        denoiser.loss(clean, noise, sigma, labels), error * ((1 + sigma) / sigma) ** 2, rtol=1e-3
    )


def test_noise_levels_follow_their_distribution():
    config = NoiseLevelConfig(log_sigma_mean=-0.5, log_sigma_std=1.3)
    logs = config.draw(torch.rand(4000)).log()
    assert logs.mean().item() == pytest.approx(-0.5, abs=0.02)
    assert logs.std().item() == pytest.approx(1.3, abs=0.03)


def test_guidance_scales_and_counts_of_calls():
    calls = []

    def denoiser(x, sigma, labels):
        calls.append(len(x))
        return labels.float().view(-1, 1, 1, 1).expand_as(x)

    x, labels = torch.zeros(2, 1, 1, 1), torch.tensor([1, 2])
    for scale, wanted, rows in ((0.0, [3, 3], 2), (1.0, [1, 2], 2), (3.0, [-3, 0], 4)):
        calls.clear()
        assert guided(denoiser, labels, 3, scale)(x, 1.0).flatten().tolist() == wanted
        assert calls == [rows]
    for scales, wanted, rows in (
        ([3.0, 1.0], [-3, 2], 3),
        ([0.0, 1.0], [3, 2], 3),
        ([3.0, 2.0], [-3, 1], 4),
        ([1.0, 1.0], [1, 2], 2),
    ):  # one for each row
        calls.clear()
        assert guided(denoiser, labels, 3, scales)(x, 1.0).flatten().tolist() == wanted
        assert calls == [rows]


def test_guidance_limited_to_noise_levels_is_the_conditional_prediction_elsewhere():
    calls, labels, x = [], torch.tensor([1, 2]), torch.zeros(2, 1, 1, 1)

    def denoiser(x, sigma, labels):
        calls.append(len(x))
        return labels.view(-1, 1, 1, 1).float()

    denoise = guided(denoiser, labels, 3, 3.0, (0.5, 2.0))
    assert [denoise(x, sigma).flatten().tolist() for sigma in (0.4, 0.5, 2.0, 2.1)] == [
        [1, 2],
        [-3, 0],
        [-3, 0],
        [1, 2],
    ]
    assert calls == [2, 4, 4, 2]


def test_attention_backends_agree():
    q, k, v = torch.randn(3, 2, 2, 10, 16).unbind(0)
    assert torch.allclose(attend(q, k, v, "math"), attend(q, k, v, "sdpa"), atol=1e-5)


def test_xformers_off_a_gpu_is_refused_in_one_line():
    q = torch.zeros(1, 1, 4, 8)
    with pytest.raises(ValueError, match='"auto"'):
        attend(q, q, q, "xformers")
