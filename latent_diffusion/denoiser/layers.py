"""Small parts that the networks share."""

import math

import torch
from torch import Tensor, nn


class FourierFeatures(nn.Module):
    """Numbers (N,) -> their sines and cosines at fixed frequencies (Vaswani et al. 2017)."""

    frequencies: Tensor

    def __init__(self, width: int):
        super().__init__()
        frequencies = torch.exp(torch.linspace(0, math.log(1000), width // 2))
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        angles = x.float()[:, None] * self.frequencies  # (N, width / 2)
        return torch.cat([angles.sin(), angles.cos()], dim=1)


def begin_at_zero(layer: nn.Conv2d | nn.Linear) -> None:
    """Make a layer give nothing at first, so that the block it ends begins as the identity."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
