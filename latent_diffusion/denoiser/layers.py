"""Small parts that the networks share."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FURTHER_WIDTH = 32  # numbers that each further number becomes before the embedding
FURTHER_HIGHEST = 30  # frequency: what lies between two numbers that were learnt is like them


class FourierFeatures(nn.Module):
    """Numbers (N,) -> their sines and cosines at fixed frequencies (Vaswani et al. 2017)."""

    frequencies: Tensor

    def __init__(self, width: int, highest: float = 1000):
        super().__init__()
        frequencies = torch.exp(torch.linspace(0, math.log(highest), width // 2))
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        angles = x.float()[:, None] * self.frequencies  # (N, width / 2)
        return torch.cat([angles.sin(), angles.cos()], dim=1)


class Further(nn.Module):
    """More numbers (N, K), of about 0 .. 1, that a network is told -> (N, width); zeros at first.

    So a network that begins from the weights of one that was not told them begins as that one.
    """

    def __init__(self, numbers: int, width: int):
        super().__init__()
        self.fourier = FourierFeatures(FURTHER_WIDTH, FURTHER_HIGHEST)
        self.first = nn.Linear(numbers * FURTHER_WIDTH, width)
        self.last = nn.Linear(width, width)
        begin_at_zero(self.last)

    def forward(self, x: Tensor) -> Tensor:
        each = [self.fourier(number) for number in x.unbind(dim=1)]
        features = torch.cat(each, dim=1)  # (N, K FURTHER_WIDTH)
        embedding: Tensor = self.last(F.silu(self.first(features)))
        return embedding


def begin_at_zero(layer: nn.Conv2d | nn.Linear) -> None:
    """Make a layer give nothing at first, so that the block it ends begins as the identity."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
