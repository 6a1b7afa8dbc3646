"""A transformer in latent space: DiT with adaptive layer norm (Peebles & Xie 2023, "adaLN-Zero").

Tokens stay a map (N, width, h / patch, w / patch) and their matrices are 1x1 convolutions, so that
attention, optimizer and probes meet the same shapes as in the UNet.
"""

import math
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from latent_diffusion.denoiser.attention import HEAD_DIMENSION, AttentionBackend, attend_map
from latent_diffusion.denoiser.layers import FourierFeatures, Further, begin_at_zero

FOURIER_WIDTH = 64  # numbers that a noise level becomes before the embedding


class DiTConfig(BaseModel):
    """Shape of the transformer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["dit"] = "dit"
    patch: int = Field(2, ge=1, description="latents a side that become one token")
    width: int = Field(
        256, ge=HEAD_DIMENSION, multiple_of=HEAD_DIMENSION, description="numbers a token has"
    )
    depth: int = Field(6, ge=1, description="blocks, one after the other")
    mlp_ratio: int = Field(4, ge=1, description="hidden width of a block's two layers, in widths")
    embedding_width: int = Field(
        256, ge=16, description="numbers that carry the noise level and the label"
    )
    attention: AttentionBackend = Field("auto", description="auto, sdpa, xformers or math")

    def build(self, latent_channels: int, num_classes: int, further: int = 0) -> "DiT":
        """Return a new network of this shape, which is told so many further numbers."""
        return DiT(self, latent_channels, num_classes, further)


def layer_norm(x: Tensor) -> Tensor:
    """Normalise every token of a map (N, C, h, w) over its channels, without learnt scales."""
    return F.layer_norm(x.permute(0, 2, 3, 1), x.shape[1:2], eps=1e-6).permute(0, 3, 1, 2)


def modulated(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Scale and shift the normalised tokens (N, C, h, w) by (N, C, 1, 1) each."""
    return torch.addcmul(shift, layer_norm(x), 1 + scale)


def positions(width: int, height: int, across: int, device: torch.device) -> Tensor:
    """Return sines and cosines of the row and the column of every token: (1, width, h, w)."""
    frequencies = torch.exp(torch.linspace(0, -math.log(10_000), width // 4, device=device))
    rows = torch.arange(height, device=device)[:, None] * frequencies  # (h, width / 4)
    columns = torch.arange(across, device=device)[:, None] * frequencies  # (w, width / 4)
    vertical = torch.cat([rows.sin(), rows.cos()], dim=1)[:, None].expand(-1, across, -1)
    horizontal = torch.cat([columns.sin(), columns.cos()], dim=1)[None].expand(height, -1, -1)
    return torch.cat([vertical, horizontal], dim=2).permute(2, 0, 1)[None]


class Block(nn.Module):
    """Self-attention and two layers, scaled, shifted and gated by the embedding; 0 at first."""

    def __init__(self, config: DiTConfig):
        super().__init__()
        width, hidden = config.width, config.mlp_ratio * config.width
        self.heads, self.backend = width // HEAD_DIMENSION, config.attention
        self.modulation = nn.Linear(config.embedding_width, 6 * width)
        self.qkv = nn.Conv2d(width, 3 * width, 1)
        self.out = nn.Conv2d(width, width, 1)
        self.mlp = nn.Sequential(
            nn.Conv2d(width, hidden, 1), nn.GELU(approximate="tanh"), nn.Conv2d(hidden, width, 1)
        )
        begin_at_zero(self.modulation)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        modulation = self.modulation(embedding)[:, :, None, None]  # (N, 6 width, 1, 1)
        scale1, shift1, gate1, scale2, shift2, gate2 = modulation.chunk(6, dim=1)
        attended = attend_map(self.qkv(modulated(x, scale1, shift1)), self.heads, self.backend)
        x = x + gate1 * self.out(attended)
        return x + gate2 * self.mlp(modulated(x, scale2, shift2))


class DiT(nn.Module):
    """(latents (N, C, h, w), noise condition (N,), labels (N,) in 0..num_classes) -> (N, C, h, w).

    Label num_classes is the null label of classifier-free guidance. A network that is told more
    gets `further` numbers (N, K). Any h and w: edges are repeated up to a size that the
    patch divides, and cut off again.
    """

    def __init__(self, config: DiTConfig, latent_channels: int, num_classes: int, further: int = 0):
        super().__init__()
        self.config, self.num_classes = config, num_classes
        width, embedding, patch = config.width, config.embedding_width, config.patch
        self.fourier = FourierFeatures(FOURIER_WIDTH)
        self.noise_embedding = nn.Sequential(
            nn.Linear(FOURIER_WIDTH, embedding), nn.SiLU(), nn.Linear(embedding, embedding)
        )
        self.label_embedding = nn.Embedding(num_classes + 1, embedding)
        self.further = Further(further, embedding) if further else None
        self.patches_in = nn.Conv2d(latent_channels * patch**2, width, 1)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.modulation_out = nn.Linear(embedding, 2 * width)
        self.patches_out = nn.Conv2d(width, latent_channels * patch**2, 1)
        for layer in (self.modulation_out, self.patches_out):
            begin_at_zero(layer)

    def layers(self) -> dict[str, nn.Module]:
        """Return the parts, by name, whose outputs (N, C, h, w) a study may look at."""
        return {f"block {number}": block for number, block in enumerate(self.blocks, 1)}

    def forward(
        self, x: Tensor, noise_condition: Tensor, labels: Tensor, further: Tensor | None = None
    ) -> Tensor:
        embedding = self.noise_embedding(self.fourier(noise_condition))
        embedding = embedding + self.label_embedding(labels)
        if self.further is not None:
            embedding = embedding + self.further(further)
        embedding = F.silu(embedding)
        height, width = x.shape[2:]
        patch = self.config.patch
        margins = (0, -width % patch, 0, -height % patch)
        x = F.pad(x, margins, mode="replicate") if any(margins) else x
        x = self.patches_in(F.pixel_unshuffle(x, patch))  # (N, width, h / patch, w / patch)
        x = x + positions(self.config.width, x.shape[2], x.shape[3], x.device).to(x.dtype)
        for block in self.blocks:
            x = block(x, embedding)
        scale, shift = self.modulation_out(embedding)[:, :, None, None].chunk(2, dim=1)
        x = F.pixel_shuffle(self.patches_out(modulated(x, scale, shift)), patch)  # (N, C, h, w)
        return x.float()[..., :height, :width]
