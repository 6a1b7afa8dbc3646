"""Which of many rows: evenly spread, or at random, for whoever looks at some of a data set."""

import numpy as np


def spread(count: int, most: int) -> np.ndarray:
    """Return at most `most` of the numbers 0 .. count - 1, evenly spread and ascending (int64)."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def some(count: int, most: int) -> np.ndarray:
    """Return at most `most` of the numbers 0 .. count - 1, at random, ascending (int64).

    They are the same each time. At random, because samples often come class by class or in turns,
    and even steps could meet a few classes only.
    """
    return np.sort(np.random.default_rng(0).permutation(count)[:most])
