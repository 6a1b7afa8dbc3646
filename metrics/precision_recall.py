"""Fidelity and diversity apart: precision and recall, density and coverage, from balls around rows.

Called by evaluation on the features of samples and of the reference. All four depend on the numbers
of rows: compare them at one N, beside the values of as many held-out real images.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics import checks
from metrics.checks import Floats
from metrics.neighbours import centre, squared_distances

# A squared distance counts as equal to a radius within this much of the squared norms. Rounding
# errs by 1e-14 at most for thousands of features, and features of float32 networks differ by 1e-14
# for one image in two batches.
ROUNDING = 1e-13


@dataclass(frozen=True)
class PrecisionRecall:
    """Both 0 .. 1.

    precision: share of samples among the reference; recall: share of the reference among the
    samples.
    """

    precision: float
    recall: float


@dataclass(frozen=True)
class DensityCoverage:
    """What balls around the rows of the reference hold.

    density: mean number of reference balls around a sample over k, 0 .. M / k, about 1 for real
    images; coverage: share of reference balls that hold a sample, 0 .. 1, about 1 - 2^-k for as
    many real images.
    """

    density: float
    coverage: float


def precision_recall(samples: ArrayLike, reference: ArrayLike, k: int = 3) -> PrecisionRecall:
    """Return the improved precision and recall of samples (N, D) and reference (M, D).

    (Kynkäänniemi et al. 2019, eq. 1 and 2.) A row is among a set if it lies in the ball of one of
    its rows, which reaches to that row's k-th nearest neighbour (itself not counted; the rim
    belongs to the ball, so duplicates are among each other). Scale and shift of the features do not
    matter. Raise ValueError unless both sets have more than k rows, for other arrays, NaN and
    infinity.
    """
    samples, reference = _prepared(samples, reference)
    precision = _hits(samples, reference, k, "reference")[0] > 0
    recall = _hits(reference, samples, k, "samples")[0] > 0
    return PrecisionRecall(float(precision.mean()), float(recall.mean()))


def density_coverage(samples: ArrayLike, reference: ArrayLike, k: int = 5) -> DensityCoverage:
    """Return the density and coverage of samples (N, D), N >= 1, in a reference (M, D).

    (Naeem et al. 2020.) Balls are those of `precision_recall`, rim included, of the reference only,
    so outliers among the samples claim nothing. Raise ValueError unless the reference has more than
    k rows, for other arrays, NaN and infinity.
    """
    around_samples, in_balls = _hits(*_prepared(samples, reference), k, "reference")
    return DensityCoverage(float(around_samples.mean() / k), float((in_balls > 0).mean()))


def _prepared(samples: ArrayLike, reference: ArrayLike) -> tuple[Floats, Floats]:
    """Return both as float64, times one power of two, so that no square can overflow.

    It brings the largest value to 0.5 .. 1.
    """
    a, b = checks.feature_pair(samples, reference, ("samples", "reference"))
    exponent = np.frexp(max(np.abs(a).max(), np.abs(b).max()))[1]
    return np.ldexp(a, -exponent), np.ldexp(b, -exponent)


def _hits(
    points: Floats, rows: Floats, k: int, name: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many balls of `rows` hold each point (N,), and how many points each holds (M,)."""
    if len(rows) <= checks.count(k, "k", 1):
        raise ValueError(
            f"a {k}-th nearest neighbour needs more than {k} rows in {name}, got {len(rows)}"
        )
    origin = centre(rows)
    radii = np.concatenate(
        [
            np.partition(distances, k, axis=1)[:, k].copy()  # [:, 0] is the row itself
            for _, distances in squared_distances(rows, rows, origin)
        ]
    )
    radii += ROUNDING * (radii + np.square(rows - origin).sum(axis=1))
    of_points = np.zeros(len(points), np.int64)
    of_balls = np.zeros(len(rows), np.int64)
    for block, distances in squared_distances(points, rows, origin):
        inside = distances <= radii
        of_points[block] = inside.sum(axis=1)
        of_balls += inside.sum(axis=0)
    return of_points, of_balls
