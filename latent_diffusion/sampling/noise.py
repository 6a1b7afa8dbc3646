"""Noise of samples: every seed has a random generator of its own."""

from collections.abc import Sequence

import torch
from torch import Tensor


class PerSeedNoise:
    """Normal noise of deviation `temperature` in which row i depends on seeds[i] alone.

    Each call draws on.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device, temperature: float = 1.0):
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.device, self.temperature = device, temperature

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """Return noise (N, *shape) for the N seeds, on the device."""
        rows = [torch.randn(shape, generator=generator) for generator in self.generators]
        return self.temperature * torch.stack(rows).to(self.device)

    def like(self, x: Tensor) -> Tensor:
        """Return noise of the shape of x (N, …)."""
        return self.draw(tuple(x.shape[1:]))
