"""What the autoencoder is trained for: L1, edges, KL and a perceptual term.

Its decoder learns to tolerate noisy latents. Called by stage one's training and its sharpening.
"""

from collections.abc import Callable

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from autoencoder.model import Autoencoder
from autoencoder.posterior import Posterior

PATCH = 4  # pixels a side
FLAT = 1e-5  # a squared difference too small to see, where the root would be steep
Like = Callable[[Tensor], Tensor]


def deviation(latents: Tensor) -> Tensor:
    """Return the standard deviation of each channel of latents (N, C, h, w), (1, C, 1, 1)."""
    return latents.std(dim=(0, 2, 3), keepdim=True)


class AutoencoderLossConfig(BaseModel):
    """Weights of the terms; each is a mean over pixels, so weights carry over between sizes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kl_weight: float = Field(
        1e-6, ge=0, description="of the KL divergence, in nats per image number"
    )
    edge_weight: float = Field(
        0.0,
        ge=0,
        description="of differences in the strength of edges, patch by patch: keeps grain",
    )
    perceptual_weight: float = Field(
        0.1, ge=0, description="of the perceptual term, where there is one"
    )
    latent_noise: float = Field(
        0.1, ge=0, description="decoder sees noise of up to this many standard deviations"
    )


class AutoencoderLoss(nn.Module):
    """The weighted sum of the terms.

    `perceptual(images, reconstructions) -> ()` is any differentiable distance, or None; images are
    (N, 3, H, W) in [-1, 1], and `PerceptualDistance` makes one of any feature network.
    """

    def __init__(
        self,
        config: AutoencoderLossConfig,
        perceptual: Callable[[Tensor, Tensor], Tensor] | None = None,
    ):
        super().__init__()
        self.config = config
        self.perceptual = perceptual

    def forward(
        self,
        autoencoder: Autoencoder,
        images: Tensor,
        noise_like: Like,
        uniform_like: Like,
        deviation_of: Like = deviation,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss () and its terms for images (N, 3, H, W) in [-1, 1].

        `noise_like` and `uniform_like` draw standard normal numbers and numbers in [0, 1) of a
        tensor's shape. `deviation_of`: `deviation`, or that of a batch of which these are a part.
        """
        posterior = autoencoder.encode(images)
        latents = self.noisy_latents(posterior, noise_like, uniform_like, deviation_of)
        loss, terms = self.distance(images, autoencoder.decode(latents))
        terms["kl"] = posterior.kl().mean() / images[0].numel()
        return loss + self.config.kl_weight * terms["kl"], terms

    def noisy_latents(
        self,
        posterior: Posterior,
        noise_like: Like,
        uniform_like: Like,
        deviation_of: Like = deviation,
    ) -> Tensor:
        """Return what the decoder is given, (N, C, h, w): latents with noise of a random level.

        What a denoiser hands it later is never exact, and a decoder that has only seen exact
        latents turns small errors into visible ones.
        """
        latents = posterior.sample(noise_like(posterior.mean))
        if not self.config.latent_noise:
            return latents
        spread = deviation_of(latents.detach())  # (1, C, 1, 1)
        level = self.config.latent_noise * uniform_like(latents[:, :1, :1, :1])  # (N, 1, 1, 1)
        return latents + level * spread * noise_like(latents)

    def distance(self, images: Tensor, reconstructions: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss () without the KL divergence, and its terms, for images (N, 3, H, W).

        The terms have the PSNR in dB as well, which is for logs and has no gradient.
        """
        terms = {"l1": (reconstructions - images).abs().mean()}
        loss = terms["l1"]
        if self.config.edge_weight:
            terms["edges"] = (edge_strength(reconstructions) - edge_strength(images)).abs().mean()
            loss = loss + self.config.edge_weight * terms["edges"]
        if self.perceptual is not None:
            terms["perceptual"] = self.perceptual(images, reconstructions)
            loss = loss + self.config.perceptual_weight * terms["perceptual"]
        squared_error = (reconstructions - images).detach().square().mean().clamp(min=1e-10)
        terms["psnr"] = 10 * torch.log10(4 / squared_error)  # 4: the square of the range, 2
        return loss, terms


def edge_strength(images: Tensor) -> Tensor:
    """Return the root mean square difference of neighbouring pixels in every patch of 4x4.

    (N, 3, H, W) -> (N, 3, (H - 1) // 4, (W - 1) // 4), or one patch where images are smaller. L1
    makes blurred what a latent cannot say pixel by pixel, because the median of all grain is none;
    how much grain there is fits into the latent.
    """
    corner = images[..., :-1, :-1]
    right = (images[..., :-1, 1:] - corner).square()
    below = (images[..., 1:, :-1] - corner).square()
    energy = right + below
    return (F.avg_pool2d(energy, min(PATCH, energy.shape[-1])) + FLAT).sqrt()
