"""Class coverage: does the output hold enough of every class?

Called by evaluation and by grading, with the class probabilities of a judge.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from metrics import checks
from metrics.checks import Floats

# A class is LOW under 55% of its even share, 1 / K. For the 11 classes of the synth-cute course
# that is its threshold of 0.05; a fixed 0.05 would be out of reach for more than 20 classes and
# would ask next to nothing of two.
SHARE_OF_EVEN = 0.55


@dataclass(frozen=True, eq=False)
class ClassCoverage:
    """The coverage of K classes in the course's two wordings: 0 .. 1, and 1 if no class is LOW.

    score = sum_y min(p_y, threshold) / (K * threshold): a class just under the threshold costs
    little. share_of_classes = (classes with p_y >= threshold) / K: it costs a whole class.
    mean_probability is p, float64 (K,); low holds the labels of the LOW classes, those with p_y
    under the threshold.
    """

    score: float
    share_of_classes: float
    low: tuple[int, ...]
    mean_probability: Floats
    threshold: float


def class_coverage(probabilities: ArrayLike, threshold: float | None = None) -> ClassCoverage:
    """Return the coverage of K classes by probabilities (N, K), N >= 1.

    threshold: the mean probability that covers a class, in (0, 1 / K]; without one 0.55 / K, which
    is 0.05 for K = 11 (the course's EVALUATION.md, "Class diversity").
    Raise ValueError for another threshold, rows that do not sum to 1 within 1e-3, negative values,
    NaN and N = 0.
    """
    mean: Floats = checks.probabilities(probabilities).mean(axis=0)  # (K,)
    num_classes = len(mean)
    if threshold is None:
        threshold = SHARE_OF_EVEN / num_classes
    if not 0 < threshold <= 1 / num_classes:
        raise ValueError(
            f"threshold must lie in (0, 1 / K], here K = {num_classes} classes, got {threshold:.4g}"
        )
    # Exactly the threshold is not LOW, float32 rounding aside.
    low = np.flatnonzero(mean < threshold * (1 - 1e-6))
    return ClassCoverage(
        score=float(np.minimum(mean, threshold).sum() / (num_classes * threshold)),
        share_of_classes=1 - len(low) / num_classes,
        low=tuple(low.tolist()),
        mean_probability=mean,
        threshold=threshold,
    )
