"""Class coverage: does the output hold enough of every class?

Called by evaluation and by grading, with the class probabilities of a judge.
"""

from dataclasses import dataclass

import numpy as np

from metrics import checks

# A class is LOW under 55% of its even share, 1 / K. For the 11 classes of the synth-cute course that is its threshold
# of 0.05; a fixed 0.05 would be out of reach for more than 20 classes and would ask next to nothing of two.
SHARE_OF_EVEN = 0.55


@dataclass(frozen=True, eq=False)
class ClassCoverage:
    """score and share_of_classes are the course's two wordings: 0 .. 1, and 1 when no class is LOW.

    score = sum_y min(p_y, threshold) / (K * threshold): a class just under the threshold costs little;
    share_of_classes = (classes with p_y >= threshold) / K: it costs a whole class;
    mean_probability: p, float64 (K,); low: the labels of the LOW classes, those with p_y under the threshold.
    """

    score: float
    share_of_classes: float
    low: tuple[int, ...]
    mean_probability: np.ndarray
    threshold: float


def class_coverage(probabilities, threshold: float | None = None) -> ClassCoverage:
    """Coverage of the K classes by probabilities (N, K), N >= 1 (EVALUATION.md, "Class diversity").

    threshold: the mean probability that covers a class, in (0, 1 / K]; without one 0.55 / K, which is 0.05 for K = 11.
    Raises ValueError for another threshold, rows that do not sum to 1 within 1e-3, negative values, NaN and N = 0.
    """
    mean = checks.probabilities(probabilities).mean(axis=0)  # (K,)
    num_classes = len(mean)
    threshold = SHARE_OF_EVEN / num_classes if threshold is None else threshold
    if not 0 < threshold <= 1 / num_classes:
        raise ValueError(
            f"threshold must lie in (0, 1 / K], here K = {num_classes} classes, got {threshold:.4g}"
        )
    low = np.flatnonzero(
        mean < threshold * (1 - 1e-6)
    )  # exactly the threshold is not LOW, float32 rounding aside
    return ClassCoverage(
        score=float(np.minimum(mean, threshold).sum() / (num_classes * threshold)),
        share_of_classes=1 - len(low) / num_classes,
        low=tuple(low.tolist()),
        mean_probability=mean,
        threshold=threshold,
    )
