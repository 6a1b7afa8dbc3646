"""Squared distances between the rows of two sets, a block at a time, so that memory stays bounded.

Called by precision_recall and memorization.
"""

from collections.abc import Iterator

import numpy as np

BLOCK = 2**21  # float64 values at a time: 16 MiB


def centre(rows: np.ndarray) -> np.ndarray:
    """A point amid rows (N, D), float64 (D,): the median of some of them, which no outlier moves.

    Distances from a matrix product err by about 1e-16 of the squared norms, so that norms should be small.
    """
    return np.median(rows[:: 1 + len(rows) // 256].astype(np.float64), axis=0)


def squared_distances(
    x: np.ndarray, y: np.ndarray, origin: np.ndarray
) -> Iterator[tuple[slice, np.ndarray]]:
    """Blocks of rows of x (N, D) with their squared distances to all y (M, D), float64 (rows, M), >= 0.

    Both are taken relative to `origin` (D,); x may be of any real type. Exact for 8-bit integers.
    """
    y = y - origin
    squares = np.square(y).sum(axis=1)
    step = max(1, BLOCK // max(y.shape))
    for start in range(0, len(x), step):
        rows = slice(start, start + step)
        block = x[rows] - origin
        distances = block @ (-2 * y.T)
        distances += np.square(block).sum(axis=1)[:, None]
        distances += squares
        yield rows, np.maximum(distances, 0, out=distances)
