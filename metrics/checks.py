"""What the metrics accept: each check returns the array ready for use, or raises ValueError.

Every metric calls them on its own arguments; nothing here computes a score. The message is one line
that names the argument.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Random = np.random.Generator | np.random.RandomState

# float32 softmax is 1e-6 off, float16 under 1e-3; logits are off by far more.
ROW_SUM_TOLERANCE = 1e-3


def real(values: ArrayLike, name: str, shape: str) -> NDArray[Any]:
    """Return integers or floats with as many axes as `shape` names, e.g. "(N, D)".

    Any real type is left as it is, and a memory map is not read. Raise ValueError for another type
    or number of axes.
    """
    array = np.asanyarray(values)
    axes = len(shape.strip("(,)").split(","))
    if array.dtype.kind not in "fiu" or array.ndim != axes:
        raise ValueError(
            f"{name} must be real numbers of shape {shape}, "
            f"got {array.dtype} of shape {array.shape}"
        )
    return array


def finite(values: ArrayLike, name: str) -> Floats:
    """Return `values` as float64; raise ValueError if one of them is NaN or infinite."""
    array: Floats = np.asarray(values, dtype=np.float64)
    bad = array.size - np.count_nonzero(np.isfinite(array))
    if bad:
        raise ValueError(f"{name} must be finite, got {bad} of {array.size} values NaN or infinite")
    return array


def feature_pair(
    first: ArrayLike, second: ArrayLike, names: tuple[str, str]
) -> tuple[Floats, Floats]:
    """Return two sets of rows, (N, D) and (M, D), as float64.

    Raise ValueError unless N, M and D are at least 1, D is the same and all values are finite.
    """
    a = finite(real(first, names[0], "(N, D)"), names[0])
    b = finite(real(second, names[1], "(N, D)"), names[1])
    if 0 in a.shape + b.shape or a.shape[1] != b.shape[1]:
        raise ValueError(
            f"{' and '.join(names)} need rows of one dimension, got shapes {a.shape} and {b.shape}"
        )
    return a, b


def count(value: int, name: str, least: int) -> int:
    """Return `value`; raise ValueError unless it is a whole number of at least `least`."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value}")
    return int(value)


def share(value: float, name: str) -> float:
    """Return `value`; raise ValueError unless it lies strictly between 0 and 1."""
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie between 0 and 1, got {value}")
    return float(value)


def probabilities(values: ArrayLike) -> Floats:
    """Return probabilities (N, K) as float64, each row rescaled to sum to 1 in that precision.

    Raise ValueError for rows that are more than 1e-3 off, negative values, NaN, N = 0 and K = 0.
    """
    array = finite(real(values, "probabilities", "(N, K)"), "probabilities")
    if array.size == 0:
        raise ValueError(
            f"probabilities need at least one row and one class, got shape {array.shape}"
        )
    sums = array.sum(axis=1, keepdims=True)
    if array.min() < 0 or np.abs(sums - 1).max() > ROW_SUM_TOLERANCE:
        raise ValueError(
            "probabilities must be >= 0 and each row must sum to 1 (apply a softmax to logits), "
            f"got a least value of {array.min():.4g} "
            f"and rows that sum to {sums.min():.4g} .. {sums.max():.4g}"
        )
    rescaled: Floats = array / sums
    return rescaled


def images(values: ArrayLike, name: str = "images") -> NDArray[np.uint8]:
    """Return uint8 images (N, H, W, 3) as they are: a memory map is not read.

    Raise ValueError for another type or shape, and unless N, H and W are at least 1.
    """
    array = np.asanyarray(values)
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[-1] != 3:
        raise ValueError(
            f"{name} must be uint8 of shape (N, H, W, 3), got {array.dtype} of shape {array.shape}"
        )
    if array.size == 0:
        raise ValueError(
            f"{name} must hold at least one image of at least one pixel, got shape {array.shape}"
        )
    return array


def labels(values: ArrayLike, num_classes: int, name: str = "labels") -> NDArray[np.int64]:
    """Return labels as int64 (N,), N >= 0.

    Raise ValueError for other types and unless all lie in 0 .. num_classes - 1.
    """
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(
            f"{name} must be integers of shape (N,), got {array.dtype} of shape {array.shape}"
        )
    if array.size and not 0 <= array.min() <= array.max() < num_classes:
        raise ValueError(
            f"{name} must lie in 0 .. {num_classes - 1}, got {array.min()} .. {array.max()}"
        )
    return array.astype(np.int64)


def blocks(array: NDArray[Any], values: int) -> Iterator[slice]:
    """Yield slices along the first axis of about `values` values each.

    Blocks converted to float64 so stay small.
    """
    rows = max(1, values * len(array) // max(1, array.size))
    for start in range(0, len(array), rows):
        yield slice(start, start + rows)
