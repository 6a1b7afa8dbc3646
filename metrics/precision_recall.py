"""Fidelity and diversity apart: precision and recall, density and coverage, from balls around the rows of a set.

Called by evaluation on the features of samples and of the reference. All four depend on the numbers of rows: compare
them at one N, beside the values of as many held-out real images.
"""

from dataclasses import dataclass

import numpy as np

from metrics import checks
from metrics.neighbours import centre, squared_distances

# A squared distance counts as equal to a radius within this much of the squared norms. Rounding errs by 1e-14 at most
# for thousands of features, and features of float32 networks differ by 1e-14 for one image in two batches.
ROUNDING = 1e-13


@dataclass(frozen=True)
class PrecisionRecall:
    """precision: share of samples among the reference, 0 .. 1; recall: share of the reference among the samples."""

    precision: float
    recall: float


@dataclass(frozen=True)
class DensityCoverage:
    """density: mean number of reference balls around a sample over k, 0 .. M / k, about 1 for real images;
    coverage: share of reference balls that hold a sample, 0 .. 1, about 1 - 2^-k for as many real images.
    """

    density: float
    coverage: float


def precision_recall(samples, reference, k: int = 3) -> PrecisionRecall:
    """Improved precision and recall (Kynkäänniemi et al. 2019, eq. 1 and 2) of samples (N, D) and reference (M, D).

    A row is among a set if it lies in the ball of one of its rows, which reaches to that row's k-th nearest neighbour
    (itself not counted; the rim belongs to the ball, so duplicates are among each other). Scale and shift of the
    features do not matter. Raises ValueError unless both sets have more than k rows, for other arrays, NaN, infinity.
    """
    samples, reference = _prepared(samples, reference)
    precision = _hits(samples, reference, k, "reference")[0] > 0
    recall = _hits(reference, samples, k, "samples")[0] > 0
    return PrecisionRecall(float(precision.mean()), float(recall.mean()))


def density_coverage(samples, reference, k: int = 5) -> DensityCoverage:
    """Density and coverage (Naeem et al. 2020) of samples (N, D), N >= 1, in a reference (M, D).

    Balls are those of `precision_recall`, rim included, of the reference only, so outliers among the samples claim
    nothing. Raises ValueError unless the reference has more than k rows, for other arrays, NaN and infinity.
    """
    around_samples, in_balls = _hits(*_prepared(samples, reference), k, "reference")
    return DensityCoverage(float(around_samples.mean() / k), float((in_balls > 0).mean()))


def _prepared(samples, reference) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64, times one power of two that brings the largest value to 0.5 .. 1: no square can overflow."""
    pair = checks.feature_pair(samples, reference, ("samples", "reference"))
    exponent = np.frexp(max(np.abs(features).max() for features in pair))[1]
    return tuple(np.ldexp(features, -exponent) for features in pair)


def _hits(points: np.ndarray, rows: np.ndarray, k: int, name: str) -> tuple[np.ndarray, np.ndarray]:
    """How many balls of `rows` hold each point (N,), and how many points each ball holds (M,)."""
    if len(rows) <= checks.count(k, "k", 1):
        raise ValueError(
            f"a {k}-th nearest neighbour needs more than {k} rows in {name}, got {len(rows)}"
        )
    origin = centre(rows)
    own = squared_distances(rows, rows, origin)
    radii = np.concatenate(
        [np.partition(d, k, axis=1)[:, k].copy() for _, d in own]
    )  # [:, 0] is the row itself
    radii += ROUNDING * (radii + np.square(rows - origin).sum(axis=1))
    of_points, of_balls = np.zeros(len(points), np.int64), np.zeros(len(rows), np.int64)
    for block, distances in squared_distances(points, rows, origin):
        inside = distances <= radii
        of_points[block] = inside.sum(axis=1)
        of_balls += inside.sum(axis=0)
    return of_points, of_balls
