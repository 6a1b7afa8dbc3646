"""The UNet as a denoiser's network, `kind = "unet"` (Ronneberger et al. 2015; Dhariwal & Nichol
2021)."""

from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from autoencoder import GroupNorm
from latent_diffusion.denoiser.attention import HEAD_DIMENSION, AttentionBackend, SelfAttention
from latent_diffusion.denoiser.layers import FourierFeatures, Further, begin_at_zero

Width = Annotated[int, Field(ge=16, multiple_of=16)]


class UNetConfig(BaseModel):
    """Shape of the UNet."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["unet"] = "unet"
    widths: tuple[Width, ...] = Field(
        (64, 128, 128),
        min_length=1,
        description="channels per resolution, the finest first; each next one has half the size",
    )
    blocks: int = Field(
        1, ge=1, description="residual blocks per resolution, on the way down and on the way up"
    )
    attention_levels: tuple[int, ...] = Field(
        (1, 2), description="resolutions with self-attention; 0 is the finest"
    )
    embedding_width: int = Field(
        256, ge=16, description="numbers that carry the noise level and the label"
    )
    attention: AttentionBackend = Field("auto", description="auto, sdpa, xformers or math")

    @model_validator(mode="after")
    def _levels(self) -> "UNetConfig":
        for level in self.attention_levels:
            if not 0 <= level < len(self.widths):
                raise ValueError(
                    f"attention_levels names level {level}, but widths has levels 0 to "
                    f"{len(self.widths) - 1}"
                )
            heads = max(1, self.widths[level] // HEAD_DIMENSION)
            if self.widths[level] % heads:
                raise ValueError(
                    f"width {self.widths[level]} of an attention level does not divide into "
                    f"{heads} heads: use a multiple of {HEAD_DIMENSION}"
                )
        return self

    def build(self, latent_channels: int, num_classes: int, further: int = 0) -> "UNet":
        """Return a new network of this shape, which is told so many further numbers."""
        return UNet(self, latent_channels, num_classes, further)


class Block(nn.Module):
    """A residual block whose second normalisation is scaled and shifted by the embedding."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        embedding: int,
        attention: AttentionBackend | None,
    ):
        super().__init__()
        self.norm1 = GroupNorm(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.modulation = nn.Linear(embedding, 2 * channels_out)
        self.norm2 = GroupNorm(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        widens = channels_in != channels_out
        self.skip = nn.Conv2d(channels_in, channels_out, 1) if widens else nn.Identity()
        self.attention = SelfAttention(channels_out, attention) if attention else nn.Identity()
        begin_at_zero(self.conv2)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        modulation = self.modulation(embedding)[:, :, None, None]  # (N, 2 C, 1, 1)
        scale, shift = modulation.chunk(2, dim=1)
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(torch.addcmul(shift, self.norm2(h), 1 + scale)))
        return self.attention(self.skip(x) + h)


def lists(levels: nn.ModuleList) -> list[nn.ModuleList]:
    """Return the blocks of each level."""
    return [blocks for blocks in levels if isinstance(blocks, nn.ModuleList)]


class UNet(nn.Module):
    """(latents (N, C, h, w), noise condition (N,), labels (N,) in 0..num_classes) -> (N, C, h, w).

    Label num_classes is the null label of classifier-free guidance. A network that is told more
    gets `further` numbers (N, K). Any h and w: edges are repeated up to a size that the
    levels divide, and cut off again.
    """

    def __init__(
        self, config: UNetConfig, latent_channels: int, num_classes: int, further: int = 0
    ):
        super().__init__()
        self.config, self.num_classes = config, num_classes
        widths, embedding = config.widths, config.embedding_width
        self.fourier = FourierFeatures(widths[0])
        self.noise_embedding = nn.Sequential(
            nn.Linear(2 * (widths[0] // 2), embedding), nn.SiLU(), nn.Linear(embedding, embedding)
        )
        self.label_embedding = nn.Embedding(num_classes + 1, embedding)
        self.further = Further(further, embedding) if further else None
        self.conv_in = nn.Conv2d(latent_channels, widths[0], 3, padding=1)

        def block(channels_in: int, level: int) -> Block:
            attention = config.attention if level in config.attention_levels else None
            return Block(channels_in, widths[level], embedding, attention)

        self.down_blocks, self.downsamples = nn.ModuleList(), nn.ModuleList()
        channels = widths[0]
        for level, width in enumerate(widths):
            if level > 0:
                self.downsamples.append(nn.Conv2d(channels, width, 3, stride=2, padding=1))
                channels = width
            self.down_blocks.append(
                nn.ModuleList(block(channels, level) for _ in range(config.blocks))
            )
        self.middle = block(channels, len(widths) - 1)
        self.up_blocks, self.upsamples = nn.ModuleList(), nn.ModuleList()
        for level in reversed(range(len(widths))):
            self.up_blocks.append(
                nn.ModuleList(block(2 * widths[level], level) for _ in range(config.blocks))
            )
            if level > 0:
                self.upsamples.append(nn.Conv2d(widths[level], widths[level - 1], 3, padding=1))
        self.norm_out = GroupNorm(widths[0])
        self.conv_out = nn.Conv2d(widths[0], latent_channels, 3, padding=1)
        begin_at_zero(self.conv_out)

    def layers(self) -> dict[str, nn.Module]:
        """Return the parts, by name, whose outputs (N, C, h, w) a study may look at."""
        down = {f"down {level}": blocks[-1] for level, blocks in enumerate(lists(self.down_blocks))}
        rising = reversed(range(len(self.up_blocks)))
        up = {
            f"up {n}": blocks[-1] for n, blocks in zip(rising, lists(self.up_blocks), strict=True)
        }
        return {**down, "middle": self.middle, **up}

    def forward(
        self, x: Tensor, noise_condition: Tensor, labels: Tensor, further: Tensor | None = None
    ) -> Tensor:
        embedding = self.noise_embedding(self.fourier(noise_condition))
        embedding = embedding + self.label_embedding(labels)
        if self.further is not None:
            embedding = embedding + self.further(further)
        embedding = F.silu(embedding)
        height, width = x.shape[2:]
        multiple = 2 ** (len(self.config.widths) - 1)
        margins = (0, -width % multiple, 0, -height % multiple)
        x = F.pad(x, margins, mode="replicate") if any(margins) else x
        x = self.conv_in(x)
        skips = []
        for level, blocks in enumerate(lists(self.down_blocks)):
            if level > 0:
                x = self.downsamples[level - 1](x)  # half the size
            for block in blocks:
                x = block(x, embedding)
                skips.append(x)
        x = self.middle(x, embedding)
        for step, blocks in enumerate(lists(self.up_blocks)):
            for block in blocks:
                x = block(torch.cat([x, skips.pop()], dim=1), embedding)
            if step < len(self.upsamples):
                x = self.upsamples[step](x)
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")  # twice the size
        return self.conv_out(F.silu(self.norm_out(x))).float()[..., :height, :width]
