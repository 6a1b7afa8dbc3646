"""The chance in a cartoon: every choice of a species or a scene is drawn from one `Dice`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Dice:
    """Choices fixed by (species, seed).

    They are the same on every machine: only `Generator.random` of a hashed seed is used.
    """

    def __init__(self, species: str, seed: int):
        digest = hashlib.sha256(f"{species} {seed}".encode()).digest()
        self._random = np.random.default_rng(int.from_bytes(digest[:16], "big")).random

    def uniform(self, low: float, high: float) -> float:
        """Return a number from `low` up to `high`."""
        return low + (high - low) * float(self._random())

    def chance(self, probability: float) -> bool:
        """Return True with this probability, 0..1."""
        return float(self._random()) < probability

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options, equally likely each; repeat one to make it more likely."""
        return options[int(float(self._random()) * len(options))]
