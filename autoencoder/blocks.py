"""The convolutional parts that model.py builds encoder and decoder of.

GroupNorm is the normalisation of the denoiser and the classifier, too.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Few channels a group make bf16 GroupNorm slow, and gain nothing in quality.
CHANNELS_PER_GROUP = 16


class GroupNorm(nn.GroupNorm):
    """Normalise groups of CHANNELS_PER_GROUP channels (Wu & He 2018) in the input's precision.

    CUDA's autocast would copy the input to float32 and the output back, although the kernel adds up
    in float32 anyway.
    """

    def __init__(self, channels: int):
        super().__init__(max(1, channels // CHANNELS_PER_GROUP), channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return x (N, channels, ...) normalised, of the same shape and dtype."""
        if x.device.type != "cuda" or x.dtype == torch.float32:
            return super().forward(x)
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        with torch.autocast("cuda", enabled=False):
            return F.group_norm(x, self.num_groups, weight, bias, self.eps)


def zero(module: nn.Module) -> nn.Module:
    """Return the module with zeros for parameters, so that at first only what surrounds it acts.

    What surrounds it is a skip or a linear path.
    """
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


class ResidualBlock(nn.Module):
    """Two normalised 3x3 convolutions around a skip (He et al. 2016, pre-activation)."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm1 = GroupNorm(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = GroupNorm(channels)
        self.conv2 = zero(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of x, (N, channels, h, w)."""
        h = self.conv1(F.silu(self.norm1(x)))
        residual: Tensor = self.conv2(F.silu(self.norm2(h)))
        return x + residual


def downward(
    patch: int, widths: tuple[int, ...], blocks: int, channels_in: int, channels_out: int
) -> nn.Sequential:
    """Build (N, channels_in, H, W) -> (N, channels_out, H/f, W/f), f = patch * 2^(len(widths) - 1).

    The first step only rearranges pixels, so that no convolution ever runs at full resolution. The
    last one starts at zero.
    """
    layers: list[nn.Module] = [
        nn.PixelUnshuffle(patch),
        nn.Conv2d(channels_in * patch**2, widths[0], 3, padding=1),
    ]
    for level, width in enumerate(widths):
        if level > 0:
            layers.append(nn.Conv2d(widths[level - 1], width, 3, stride=2, padding=1))
        layers += [ResidualBlock(width) for _ in range(blocks)]
    head = zero(nn.Conv2d(widths[-1], channels_out, 3, padding=1))
    return nn.Sequential(*layers, GroupNorm(widths[-1]), nn.SiLU(), head)


def upward(
    patch: int, widths: tuple[int, ...], blocks: int, channels_in: int, channels_out: int
) -> nn.Sequential:
    """Build the mirror of `downward`: (N, channels_in, h, w) -> (N, channels_out, h * f, w * f)."""
    layers: list[nn.Module] = [nn.Conv2d(channels_in, widths[-1], 3, padding=1)]
    for level in reversed(range(len(widths))):
        layers += [ResidualBlock(widths[level]) for _ in range(blocks)]
        if level > 0:
            layers.append(nn.Conv2d(widths[level], 4 * widths[level - 1], 3, padding=1))
            layers.append(nn.PixelShuffle(2))
    head = zero(nn.Conv2d(widths[0], channels_out * patch**2, 3, padding=1))
    return nn.Sequential(*layers, GroupNorm(widths[0]), nn.SiLU(), head, nn.PixelShuffle(patch))
