"""Squared distances between the rows of two sets, a block at a time, so that memory stays bounded.

Called by precision_recall and memorization.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.checks import Floats

BLOCK = 2**21  # float64 values at a time: 16 MiB


def centre(rows: NDArray[Any]) -> Floats:
    """Return a point amid rows (N, D), float64 (D,): the median of some, which no outlier moves.

    Distances from a matrix product err by about 1e-16 of the squared norms, so that norms should be
    small.
    """
    median: Floats = np.median(rows[:: 1 + len(rows) // 256].astype(np.float64), axis=0)
    return median


def squared_distances(
    x: NDArray[Any], y: NDArray[Any], origin: Floats
) -> Iterator[tuple[slice, Floats]]:
    """Yield blocks of rows of x (N, D) with their squared distances to all y (M, D).

    Distances are float64 (rows, M), >= 0. Both sets are taken relative to `origin` (D,), and may be
    of any real type. Exact for 8-bit integers.
    """
    shifted = y - origin
    squares = np.square(shifted).sum(axis=1)
    step = max(1, BLOCK // max(shifted.shape))
    for start in range(0, len(x), step):
        rows = slice(start, start + step)
        block = x[rows] - origin
        distances = block @ (-2 * shifted.T)
        distances += np.square(block).sum(axis=1)[:, None]
        distances += squares
        yield rows, np.maximum(distances, 0, out=distances)
