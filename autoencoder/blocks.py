"""Convolutional parts of the encoder and the decoder, of which model.py builds; and the normalisation of all our networks."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHANNELS_PER_GROUP = (
    16  # few channels a group make bf16 GroupNorm slow, and gain nothing in quality
)


class GroupNorm(nn.GroupNorm):
    """Of groups of CHANNELS_PER_GROUP channels (Wu & He 2018), on every device in the precision of its input.

    (CUDA's autocast would copy its input to float32 and its output back. The kernel adds up in float32 anyway.)
    """

    def __init__(self, channels: int):
        super().__init__(max(1, channels // CHANNELS_PER_GROUP), channels)

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cuda" or x.dtype == torch.float32:
            return super().forward(x)
        with torch.autocast("cuda", enabled=False):
            return F.group_norm(
                x, self.num_groups, self.weight.to(x.dtype), self.bias.to(x.dtype), self.eps
            )


def zero(module: nn.Module) -> nn.Module:
    """Start at zero, so that what surrounds the module (a skip, a linear path) is all there is at first."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


class ResidualBlock(nn.Module):
    """Two normalised 3x3 convolutions around a skip (He et al. 2016, pre-activation)."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm1, self.conv1 = GroupNorm(channels), nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2, self.conv2 = (
            GroupNorm(channels),
            zero(nn.Conv2d(channels, channels, 3, padding=1)),
        )

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h)))


def downward(
    patch: int, widths: tuple[int, ...], blocks: int, channels_in: int, channels_out: int
) -> nn.Sequential:
    """(N, channels_in, H, W) -> (N, channels_out, H/f, W/f), f = patch * 2 ** (len(widths) - 1).

    The first step only rearranges pixels, so that no convolution ever runs at full resolution.
    """
    layers = [nn.PixelUnshuffle(patch), nn.Conv2d(channels_in * patch**2, widths[0], 3, padding=1)]
    for level, width in enumerate(widths):
        if level > 0:
            layers.append(nn.Conv2d(widths[level - 1], width, 3, stride=2, padding=1))
        layers += [ResidualBlock(width) for _ in range(blocks)]
    return nn.Sequential(
        *layers,
        GroupNorm(widths[-1]),
        nn.SiLU(),
        zero(nn.Conv2d(widths[-1], channels_out, 3, padding=1)),
    )


def upward(
    patch: int, widths: tuple[int, ...], blocks: int, channels_in: int, channels_out: int
) -> nn.Sequential:
    """The mirror of `downward`: (N, channels_in, h, w) -> (N, channels_out, h * f, w * f)."""
    layers = [nn.Conv2d(channels_in, widths[-1], 3, padding=1)]
    for level in reversed(range(len(widths))):
        layers += [ResidualBlock(widths[level]) for _ in range(blocks)]
        if level > 0:
            layers += [
                nn.Conv2d(widths[level], 4 * widths[level - 1], 3, padding=1),
                nn.PixelShuffle(2),
            ]
    head = zero(nn.Conv2d(widths[0], channels_out * patch**2, 3, padding=1))
    return nn.Sequential(*layers, GroupNorm(widths[0]), nn.SiLU(), head, nn.PixelShuffle(patch))
