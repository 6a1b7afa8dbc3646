"""Randomness as a function of (seed, step).

A training that resumes needs no saved generator to draw the same numbers.
"""

import numpy as np
import torch
from torch import Tensor


def stream_seed(*numbers: int) -> int:
    """Return a seed of 63 bits for a tuple of numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


class StepRandom:
    """The random numbers of one step of one process, on its device."""

    def __init__(self, seed: int, step: int, rank: int, device: torch.device):
        self.device = device
        self.generator = torch.Generator(device).manual_seed(stream_seed(seed, step, rank))

    def normal_like(self, x: Tensor) -> Tensor:
        """Return standard normal numbers in the shape of x."""
        return torch.randn(x.shape, generator=self.generator, device=self.device)

    def uniform_like(self, x: Tensor) -> Tensor:
        """Return numbers in [0, 1) in the shape of x."""
        return torch.rand(x.shape, generator=self.generator, device=self.device)

    def uniform(self, *shape: int) -> Tensor:
        """Return numbers in [0, 1)."""
        return torch.rand(shape, generator=self.generator, device=self.device)


class Shuffle:
    """Which rows of a data set form the batch of a step: epochs of seeded permutations."""

    def __init__(self, rows: int, batch_size: int, seed: int):
        self.rows, self.batch_size, self.seed = rows, batch_size, seed
        self.epoch, self.order = -1, np.empty(0, np.int64)

    def batch(self, step: int, rank: int = 0, size: int = 1) -> np.ndarray:
        """Return the row numbers of this process's share, batch_size // size of them.

        Steps count from 0.
        """
        positions = step * self.batch_size + np.arange(rank, self.batch_size, size)
        epochs, within = np.divmod(positions, self.rows)
        chosen = np.empty(len(positions), np.int64)
        for epoch in np.unique(epochs):
            if epoch != self.epoch:
                self.epoch = epoch
                self.order = np.random.default_rng([self.seed, int(epoch)]).permutation(self.rows)
            chosen[epochs == epoch] = self.order[within[epochs == epoch]]
        return chosen
