"""Conditional accuracy: is a sample of the class that was asked for?

Called by evaluation with the labels asked of the sampler and those the judge saw (argmax of its
probabilities).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics import checks


def confusion_matrix(asked: ArrayLike, predicted: ArrayLike, num_classes: int) -> NDArray[np.int64]:
    """Return counts (K, K), int64, by asked label (row) and predicted label (column).

    asked, predicted: integers (N,) in 0 .. K - 1. A class never asked for has a row of 0. Raise
    ValueError for other labels and for lengths that differ.
    """
    asked = checks.labels(asked, num_classes, "asked")
    predicted = checks.labels(predicted, num_classes, "predicted")
    if len(asked) != len(predicted):
        raise ValueError(
            f"asked and predicted must pair up, got {len(asked)} and {len(predicted)} labels"
        )
    pairs = np.bincount(asked * num_classes + predicted, minlength=num_classes**2)
    return pairs.reshape(num_classes, num_classes)


def conditional_accuracy(asked: ArrayLike, predicted: ArrayLike, num_classes: int) -> float:
    """Return the share of samples predicted as asked, 0 .. 1.

    The arguments are those of `confusion_matrix`. Raise ValueError as it does, and for no samples.
    """
    confusion = confusion_matrix(asked, predicted, num_classes)
    total = confusion.sum()
    if total == 0:
        raise ValueError("conditional accuracy needs at least one sample, got none")
    return float(np.trace(confusion) / total)
