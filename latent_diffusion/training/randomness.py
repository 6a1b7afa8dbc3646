"""Randomness as a function of (seed, step).

A training that resumes needs no saved generator to draw the same numbers, and one in several
processes, or in several parts, draws those of one process in one part.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from latent_diffusion.distributed import ALONE, World


def stream_seed(*numbers: int) -> int:
    """Return a seed of 63 bits for a tuple of numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


@dataclass(frozen=True)
class Share:
    """Which rows of a step's batch are computed together: every `of`-th, from `first` on."""

    first: int = 0
    of: int = 1


ALL = Share()


class StepRandom:
    """What a step draws for its share of the batch, on its device.

    The numbers of the whole batch are drawn, and those of the share's rows kept. `world` are the
    processes that compute the other rows at the same time.
    """

    def __init__(
        self,
        seed: int,
        step: int,
        device: torch.device,
        share: Share = ALL,
        world: World = ALONE,
    ):
        self.device, self.share, self.world = device, share, world
        self.generator = torch.Generator(device).manual_seed(stream_seed(seed, step, 0))

    def normal_like(self, x: Tensor) -> Tensor:
        """Return standard normal numbers in the shape of x (N, …)."""
        shape = (len(x) * self.share.of, *x.shape[1:])
        return self.own(torch.randn(shape, generator=self.generator, device=self.device))

    def uniform_like(self, x: Tensor) -> Tensor:
        """Return numbers in [0, 1) in the shape of x (N, …)."""
        shape = (len(x) * self.share.of, *x.shape[1:])
        return self.own(torch.rand(shape, generator=self.generator, device=self.device))

    def uniform(self, *shape: int) -> Tensor:
        """Return numbers in [0, 1), (…, N)."""
        return self.uniform_of_batch(*shape)[..., self.share.first :: self.share.of]

    def uniform_of_batch(self, *shape: int) -> Tensor:
        """Return numbers in [0, 1) for all rows of the batch, (…, B), given the share's (…, N)."""
        *others, rows = shape
        whole = (*others, rows * self.share.of)
        return torch.rand(whole, generator=self.generator, device=self.device)

    def own(self, batch: Tensor) -> Tensor:
        """Return the share's rows (N, …) of what all rows of the batch have, (B, …)."""
        return batch[self.share.first :: self.share.of]


class Shuffle:
    """Which rows of a data set form the batch of a step: epochs of seeded permutations."""

    def __init__(self, rows: int, batch_size: int, seed: int):
        self.rows, self.batch_size, self.seed = rows, batch_size, seed
        self.epoch, self.order = -1, np.empty(0, np.int64)

    def batch(self, step: int, share: Share = ALL) -> np.ndarray:
        """Return the row numbers of a share of the batch of a step; steps count from 0."""
        positions = step * self.batch_size + np.arange(share.first, self.batch_size, share.of)
        epochs, within = np.divmod(positions, self.rows)
        chosen = np.empty(len(positions), np.int64)
        for epoch in np.unique(epochs):
            if epoch != self.epoch:
                self.epoch = epoch
                self.order = np.random.default_rng([self.seed, int(epoch)]).permutation(self.rows)
            chosen[epochs == epoch] = self.order[within[epochs == epoch]]
        return chosen
