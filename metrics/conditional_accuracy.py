"""Conditional accuracy: is a sample of the class that was asked for?

Called by evaluation with the labels asked of the sampler and those the judge saw (argmax of its
probabilities).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics import checks


def conditional_accuracy(asked: ArrayLike, predicted: ArrayLike, num_classes: int) -> float:
    """Return the share of samples predicted as asked, 0 .. 1.

    asked, predicted: integers (N,) in 0 .. K - 1, N >= 1. Raise ValueError for other labels, for
    lengths that differ, and for no samples.
    """
    asked, predicted = _pair(asked, predicted, num_classes)
    if len(asked) == 0:
        raise ValueError("conditional accuracy needs at least one sample, got none")
    return float((asked == predicted).mean())


def confusion_matrix(asked: ArrayLike, predicted: ArrayLike, num_classes: int) -> NDArray[np.int64]:
    """Return counts (K, K), int64, by asked label (row) and predicted label (column).

    asked, predicted: integers (N,) in 0 .. K - 1. A class never asked for has a row of 0. Raise
    ValueError for other labels and for lengths that differ.
    """
    asked, predicted = _pair(asked, predicted, num_classes)
    pairs = np.bincount(asked * num_classes + predicted, minlength=num_classes**2)
    return pairs.reshape(num_classes, num_classes)


def _pair(
    asked: ArrayLike, predicted: ArrayLike, num_classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return both as int64 (N,); raise ValueError for other labels or lengths that differ."""
    first = checks.labels(asked, num_classes, "asked")
    second = checks.labels(predicted, num_classes, "predicted")
    if len(first) != len(second):
        raise ValueError(
            f"asked and predicted must pair up, got {len(first)} and {len(second)} labels"
        )
    return first, second
