"""Noise between two noises: along the arc, so that what lies between is as large as its ends."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from latent_diffusion.sampling.noise import PerSeedNoise

# Sine of the angle below which an arc is computed as a line: parallel ends, or opposite ones.
STRAIGHT = 1e-4


def slerp(first: Tensor, second: Tensor, fractions: Tensor) -> Tensor:
    """Return what lies on the arc (Shoemake 1985) between rows (N, …), at fractions (N,) in [0, 1].

    0 gives `first` and 1 gives `second`, bit for bit. Independent standard normal ends stay
    standard normal all the way, where a straight line would lose up to 30% of the deviation (Song,
    Meng & Ermon 2021, section 5.3).
    """
    cosine = F.cosine_similarity(first.flatten(1), second.flatten(1), dim=1)
    angle = cosine.clamp(-1, 1).acos()
    sine = angle.sin()
    line = torch.stack([1 - fractions, fractions])  # (2, N)
    weights = torch.where(sine < STRAIGHT, line, (line * angle).sin() / sine)
    shape = (2, -1, *[1] * (first.dim() - 1))
    return (weights.view(shape) * torch.stack([first, second])).sum(dim=0)


class NoiseBetween:
    """Noise of rows at fractions (N,) of the way between two seeds.

    Every draw lies on the arc between theirs, so that walks of stochastic samplers are smooth and
    end at the seeds, too.
    """

    def __init__(self, seeds: Sequence[int], fractions: Tensor, temperature: float):
        self.fractions = fractions
        self.ends = [PerSeedNoise([seed], fractions.device, temperature) for seed in seeds]

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """Return noise (N, *shape) for the N fractions."""
        rows = len(self.fractions)
        first, second = (end.draw(shape).expand(rows, *shape) for end in self.ends)
        return slerp(first, second, self.fractions)

    def like(self, x: Tensor) -> Tensor:
        """Return noise of the shape of x (N, …)."""
        return self.draw(tuple(x.shape[1:]))
