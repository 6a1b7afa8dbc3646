"""What the metrics accept: each check returns the array ready for use, or raises ValueError in one line.

Called by every metric on its own arguments; nothing here computes a score.
"""

from collections.abc import Iterator

import numpy as np

ROW_SUM_TOLERANCE = (
    1e-3  # float32 softmax is 1e-6 off, float16 under 1e-3; logits are off by far more
)


def real(values, name: str, shape: str) -> np.ndarray:
    """Integers or floats with as many axes as `shape` names, e.g. "(N, D)"; a memory map is not read."""
    array = np.asanyarray(values)
    if array.dtype.kind not in "fiu" or array.ndim != len(shape.strip("(,)").split(",")):
        raise ValueError(
            f"{name} must be real numbers of shape {shape}, got {array.dtype} of shape {array.shape}"
        )
    return array


def finite(values: np.ndarray, name: str) -> np.ndarray:
    """`values` as float64, refused if one of them is NaN or infinite."""
    array = np.asarray(values, dtype=np.float64)
    bad = array.size - np.count_nonzero(np.isfinite(array))
    if bad:
        raise ValueError(f"{name} must be finite, got {bad} of {array.size} values NaN or infinite")
    return array


def feature_pair(first, second, names: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of rows (N, D) and (M, D) as float64, with N, M and D >= 1."""
    pair = [
        finite(real(values, name, "(N, D)"), name)
        for values, name in zip((first, second), names, strict=True)
    ]
    shapes = [array.shape for array in pair]
    if 0 in shapes[0] + shapes[1] or shapes[0][1] != shapes[1][1]:
        raise ValueError(
            f"{' and '.join(names)} need rows of one dimension, got shapes {shapes[0]} and {shapes[1]}"
        )
    return tuple(pair)


def count(value: int, name: str, least: int) -> int:
    """A whole number of at least `least`."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value}")
    return int(value)


def share(value: float, name: str) -> float:
    """A number strictly between 0 and 1."""
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie between 0 and 1, got {value}")
    return float(value)


def probabilities(values) -> np.ndarray:
    """(N, K) as float64; rows that sum to 1 within 1e-3 are rescaled to sum to 1 in float64, others refused."""
    array = finite(real(values, "probabilities", "(N, K)"), "probabilities")
    if array.size == 0:
        raise ValueError(
            f"probabilities need at least one row and one class, got shape {array.shape}"
        )
    sums = array.sum(axis=1, keepdims=True)
    if array.min() < 0 or np.abs(sums - 1).max() > ROW_SUM_TOLERANCE:
        raise ValueError(
            "probabilities must be >= 0 and each row must sum to 1 (apply a softmax to logits), "
            f"got a least value of {array.min():.4g} and rows that sum to {sums.min():.4g} .. {sums.max():.4g}"
        )
    return array / sums


def images(values, name: str = "images") -> np.ndarray:
    """uint8 (N, H, W, 3) with N, H, W >= 1, returned as it is: a memory map is not read."""
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


def labels(values, num_classes: int, name: str = "labels") -> np.ndarray:
    """int64 (N,) in 0 .. num_classes - 1, N >= 0."""
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


def blocks(array: np.ndarray, values: int) -> Iterator[slice]:
    """Slices along the first axis of about `values` values each, so that float64 copies stay small."""
    rows = max(1, values * len(array) // max(1, array.size))
    return (slice(start, start + rows) for start in range(0, len(array), rows))
