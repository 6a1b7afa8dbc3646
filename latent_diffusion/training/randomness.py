"""Randomness as a function of (seed, step): a training that resumes needs no saved generator to draw the same numbers."""

import numpy as np
import torch
from torch import Tensor


def stream_seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


class StepRandom:
    """The random numbers of one step of one process."""

    def __init__(self, seed: int, step: int, rank: int, device: torch.device):
        self.device = device
        self.generator = torch.Generator(device).manual_seed(stream_seed(seed, step, rank))

    def normal_like(self, x: Tensor) -> Tensor:
        return torch.randn(x.shape, generator=self.generator, device=self.device)

    def uniform_like(self, x: Tensor) -> Tensor:
        return torch.rand(x.shape, generator=self.generator, device=self.device)

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator, device=self.device)


class Shuffle:
    """Which rows of a data set form the batch of a step: epochs of seeded permutations, one after the other."""

    def __init__(self, rows: int, batch_size: int, seed: int):
        self.rows, self.batch_size, self.seed = rows, batch_size, seed
        self.epoch, self.order = -1, np.empty(0, np.int64)

    def batch(self, step: int, rank: int = 0, size: int = 1) -> np.ndarray:
        """Row numbers of this process's share, batch_size // size of them; steps count from 0."""
        positions = step * self.batch_size + np.arange(rank, self.batch_size, size)
        epochs, places = np.divmod(positions, self.rows)
        chosen = np.empty(len(positions), np.int64)
        for epoch in np.unique(epochs):
            if epoch != self.epoch:
                self.epoch, self.order = (
                    epoch,
                    np.random.default_rng([self.seed, int(epoch)]).permutation(self.rows),
                )
            chosen[epochs == epoch] = self.order[places[epochs == epoch]]
        return chosen
