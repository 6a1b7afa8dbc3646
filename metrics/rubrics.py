"""Points for scores, by the rules of a course; the rules' numbers are arguments.

Called by grading, with the numbers of a rubric file.
"""

from dataclasses import dataclass

import numpy as np

from metrics.class_coverage import ClassCoverage


@dataclass(frozen=True)
class DiversityPoints:
    """Points for class coverage.

    by_probability: in proportion to sum_y min(p_y, threshold) / (K threshold); by_class: in
    proportion to the share of classes that are not LOW; low: the labels of the LOW classes.
    """

    by_probability: float
    by_class: float
    low: tuple[int, ...]


def linear_points(value: float, zero_at: float, full_at: float, points: float) -> float:
    """Return 0 for a value at `zero_at` or beyond, `points` at `full_at` or beyond.

    In between they are in proportion. zero_at may lie above full_at, as for a distance, or below.
    Raise ValueError if they are equal and for NaN and infinite numbers other than the value.
    """
    if np.isnan(value) or not np.isfinite([zero_at, full_at, points]).all() or zero_at == full_at:
        raise ValueError(
            "points need a value and a scale with two different finite ends, "
            f"got value {value}, {points} points, zero at {zero_at}, full at {full_at}"
        )
    return float(points * np.clip((value - zero_at) / (full_at - zero_at), 0, 1))


def diversity_points(coverage: ClassCoverage, points: float) -> DiversityPoints:
    """Return points, 0 .. `points`, for a class coverage in a course's two wordings.

    `class_coverage(probabilities, threshold)` has both.
    """
    return DiversityPoints(
        by_probability=points * coverage.score,
        by_class=points * coverage.share_of_classes,
        low=coverage.low,
    )
