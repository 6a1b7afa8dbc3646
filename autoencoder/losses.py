"""What the autoencoder is trained for: L1, edges, KL and a perceptual term, with a decoder that tolerates noisy latents."""

from collections.abc import Callable

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from autoencoder.model import Autoencoder
from autoencoder.posterior import Posterior

PATCH, FLAT = (
    4,
    1e-5,
)  # pixels a side; a squared difference too small to see, where the root would be steep


class AutoencoderLossConfig(BaseModel):
    """Weights of the terms; each is a mean over pixels, so weights carry over between image sizes."""

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
    """`perceptual(images, reconstructions) -> ()` is any differentiable distance, or None."""

    def __init__(
        self,
        config: AutoencoderLossConfig,
        perceptual: Callable[[Tensor, Tensor], Tensor] | None = None,
    ):
        super().__init__()
        self.config, self.perceptual = config, perceptual

    def forward(
        self,
        autoencoder: Autoencoder,
        images: Tensor,
        noise_like: Callable[[Tensor], Tensor],
        uniform_like: Callable[[Tensor], Tensor],
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss () and its terms for images (N, 3, H, W) in [-1, 1]."""
        posterior = autoencoder.encode(images)
        loss, terms = self.distance(
            images, autoencoder.decode(self.noisy_latents(posterior, noise_like, uniform_like))
        )
        terms["kl"] = posterior.kl().mean() / images[0].numel()
        return loss + self.config.kl_weight * terms["kl"], terms

    def noisy_latents(
        self,
        posterior: Posterior,
        noise_like: Callable[[Tensor], Tensor],
        uniform_like: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """What the decoder is given, (N, C, h, w): latents with noise of a random level.

        What a denoiser hands it later is never exact, and a decoder that has only seen exact latents turns small errors
        into visible ones.
        """
        latents = posterior.sample(noise_like(posterior.mean))
        if not self.config.latent_noise:
            return latents
        spread = latents.detach().std(dim=(0, 2, 3), keepdim=True)  # (1, C, 1, 1)
        level = self.config.latent_noise * uniform_like(latents[:, :1, :1, :1])  # (N, 1, 1, 1)
        return latents + level * spread * noise_like(latents)

    def distance(self, images: Tensor, reconstructions: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss () and its terms that compare reconstructions with images: all but the KL divergence."""
        terms = {"l1": (reconstructions - images).abs().mean()}
        loss = terms["l1"]
        if self.config.edge_weight:
            terms["edges"] = (edge_strength(reconstructions) - edge_strength(images)).abs().mean()
            loss = loss + self.config.edge_weight * terms["edges"]
        if self.perceptual is not None:
            terms["perceptual"] = self.perceptual(images, reconstructions)
            loss = loss + self.config.perceptual_weight * terms["perceptual"]
        terms["psnr"] = 10 * torch.log10(
            4 / (reconstructions - images).detach().square().mean().clamp(min=1e-10)
        )
        return loss, terms


def edge_strength(images: Tensor) -> Tensor:
    """Root mean square difference of neighbouring pixels in every patch of 4x4, (N, 3, H/4, W/4).

    L1 makes blurred what a latent cannot say pixel by pixel, because the median of all grain is none; how much grain
    there is fits into the latent.
    """
    corner = images[..., :-1, :-1]
    energy = (images[..., :-1, 1:] - corner).square() + (images[..., 1:, :-1] - corner).square()
    return (F.avg_pool2d(energy, min(PATCH, energy.shape[-1])) + FLAT).sqrt()
