"""The autoencoder: images <-> normalised latents. Trained in stage one; decoder of every sample.

Each direction is a linear map of patches, initialised by their principal components, plus
convolutions that start at zero and learn what the linear map misses. (A residual around the whole
of each direction, as in DC-AE, Chen et al. 2024; the linear map makes a fair autoencoder before the
first training step.)
"""

from typing import Annotated, Self

import torch
from einops import rearrange
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from autoencoder.blocks import downward, upward
from autoencoder.posterior import Posterior

Width = Annotated[int, Field(ge=16, multiple_of=16)]
CHANNELS = 3
INITIAL_LOG_VARIANCE = -6.0


class AutoencoderConfig(BaseModel):
    """The shape of the autoencoder; a run's config.toml builds the network again from it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    factor: int = Field(4, ge=1, description="pixels a side that become one latent")
    latent_channels: int = Field(8, ge=1)
    encoder_widths: tuple[Width, ...] = Field(
        (128,), min_length=1, description="channels per resolution, image first"
    )
    decoder_widths: tuple[Width, ...] = Field(
        (128,), min_length=1, description="channels per resolution, image first"
    )
    encoder_blocks: int = Field(2, ge=0, description="residual blocks per resolution")
    decoder_blocks: int = Field(3, ge=0, description="residual blocks per resolution")

    @model_validator(mode="after")
    def _patches(self) -> Self:
        for name in ("encoder_widths", "decoder_widths"):
            halvings = len(getattr(self, name)) - 1
            if self.factor % 2**halvings:
                raise ValueError(
                    f"{name} halves {halvings} times, which factor = {self.factor} does not allow: "
                    "give fewer widths or a factor that is a larger power of two"
                )
        patch_numbers = CHANNELS * self.factor**2
        if self.latent_channels > patch_numbers:
            raise ValueError(
                f"latent_channels = {self.latent_channels} is more than the {patch_numbers} "
                "numbers of a patch: nothing would be compressed"
            )
        return self


class Autoencoder(nn.Module):
    """`encode` gives the posterior of normalised latents, `decode` takes normalised latents.

    Images are (N, 3, H, W) in [-1, 1] with H = W = image_size, any size: edges are repeated up to a
    multiple of the factor and cut off again. Latents are (N, C, h, w) with h = w = latent_size.
    `shift` and `scale` (C,) are measured after training and saved with the weights.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, config: AutoencoderConfig, image_size: int):
        super().__init__()
        self.config = config
        self.image_size = image_size
        self.latent_size = -(-image_size // config.factor)
        patch_numbers = CHANNELS * config.factor**2
        latent_channels = config.latent_channels
        self.to_latents = nn.Conv2d(patch_numbers, latent_channels, 1)
        self.to_patches = nn.Conv2d(latent_channels, patch_numbers, 1)
        self.encoder = downward(
            config.factor // 2 ** (len(config.encoder_widths) - 1),
            config.encoder_widths,
            config.encoder_blocks,
            CHANNELS,
            2 * latent_channels,
        )
        self.decoder = upward(
            config.factor // 2 ** (len(config.decoder_widths) - 1),
            config.decoder_widths,
            config.decoder_blocks,
            latent_channels,
            CHANNELS,
        )
        self.register_buffer("shift", torch.zeros(latent_channels))
        self.register_buffer("scale", torch.ones(latent_channels))

    def encode(self, images: Tensor) -> Posterior:
        """Return the posterior of the latents (N, C, h, w) of images (N, 3, H, W) in [-1, 1]."""
        margin = self.latent_size * self.config.factor - self.image_size
        if margin:
            images = F.pad(images, (0, margin, 0, margin), mode="replicate")
        learnt = self.encoder(images).float()  # (N, 2C, h, w)
        # Out of autocast, because bf16 would cost the linear path its last bits.
        with torch.autocast(images.device.type, enabled=False):
            linear = self.to_latents(F.pixel_unshuffle(images, self.config.factor))  # (N, C, h, w)
        mean, log_variance = learnt.chunk(2, dim=1)
        shift, scale = self.shift.view(-1, 1, 1), self.scale.view(-1, 1, 1)
        mean = (mean + linear - shift) / scale
        log_variance = log_variance + INITIAL_LOG_VARIANCE - 2 * scale.log()
        return Posterior(torch.cat([mean, log_variance], dim=1))

    def decode(self, latents: Tensor) -> Tensor:
        """Return images (N, 3, H, W) of latents (N, C, h, w).

        They are float32 and only nearly in [-1, 1]: clamp before you round.
        """
        latents = latents * self.scale.view(-1, 1, 1) + self.shift.view(-1, 1, 1)
        learnt: Tensor = self.decoder(latents).float()
        with torch.autocast(latents.device.type, enabled=False):
            linear = F.pixel_shuffle(self.to_patches(latents.float()), self.config.factor)
        return (learnt + linear)[..., : self.image_size, : self.image_size]

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Return (C, h, w), the shape of one image's latents."""
        return self.config.latent_channels, self.latent_size, self.latent_size

    @torch.no_grad()
    def initialise(self, images: Tensor) -> None:
        """Set the linear path to the whitened principal components of the patches of some images.

        images: (N, 3, H, W) in [-1, 1], of the training split. What the linear path encodes then
        has mean 0 and variance 1 per channel. Constant images, which have no variance, are allowed.
        """
        whole = images.shape[-1] // self.config.factor * self.config.factor
        patches = F.pixel_unshuffle(images[..., :whole, :whole].float(), self.config.factor)
        patches = rearrange(patches, "n d h w -> (n h w) d").double()
        mean = patches.mean(dim=0)
        variances, directions = torch.linalg.eigh(torch.cov(patches.T))  # ascending
        variances = variances.flip(0)[: self.config.latent_channels].clamp(min=1e-6)
        directions = directions.flip(1)[:, : self.config.latent_channels]  # (d, C)
        encode = directions / variances.sqrt()  # whitens
        decode = directions * variances.sqrt()
        _set(self.to_latents, encode.T, -mean @ encode)
        _set(self.to_patches, decode, mean)

    @torch.no_grad()
    def normalise(self, shift: Tensor, scale: Tensor) -> None:
        """Store the mean and standard deviation, (C,), of the latents that encode gives *now*."""
        assert shift.shape == scale.shape == self.shift.shape
        self.shift.add_(shift.to(self.shift) * self.scale)
        self.scale.mul_(scale.to(self.scale))


def _set(convolution: nn.Conv2d, weight: Tensor, bias: Tensor) -> None:
    """Copy weight (out, in) and bias (out,) into a 1x1 convolution."""
    assert convolution.bias is not None
    convolution.weight.copy_(weight[:, :, None, None])
    convolution.bias.copy_(bias)
