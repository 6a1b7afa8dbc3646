"""Conditional accuracy: is a sample of the class that was asked for?

Called by evaluation with the labels asked of the sampler and those the judge saw (argmax of its probabilities).
"""

import numpy as np

from metrics import checks


def class_counts(labels, num_classes: int) -> np.ndarray:
    """How often each class occurs in labels (N,), N >= 0: int64 (K,). Raises ValueError for labels out of range."""
    return np.bincount(checks.labels(labels, num_classes), minlength=num_classes)


def confusion_matrix(asked, predicted, num_classes: int) -> np.ndarray:
    """Counts (K, K), int64: row = asked label, column = predicted label; a class never asked for has a row of 0.

    asked, predicted: integers (N,) in 0 .. K - 1. Raises ValueError for other labels and for lengths that differ.
    """
    asked = checks.labels(asked, num_classes, "asked")
    predicted = checks.labels(predicted, num_classes, "predicted")
    if len(asked) != len(predicted):
        raise ValueError(
            f"asked and predicted must pair up, got {len(asked)} and {len(predicted)} labels"
        )
    pairs = np.bincount(asked * num_classes + predicted, minlength=num_classes**2)
    return pairs.reshape(num_classes, num_classes)


def conditional_accuracy(confusion: np.ndarray) -> float:
    """Share of samples predicted as asked, 0 .. 1, from a `confusion_matrix`. Raises ValueError if it is empty."""
    total = confusion.sum()
    if total == 0:
        raise ValueError("conditional accuracy needs at least one sample, got none")
    return float(np.trace(confusion) / total)
