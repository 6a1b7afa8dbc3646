"""Mean and covariance of features, accumulated in one pass: what the Fréchet distance compares.

Called by evaluation, block by block, so that memory does not grow with the number of images.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from metrics import checks
from metrics.checks import Floats

BLOCK = 2**21  # values converted to float64 at a time: 1,024 rows of 2,048 features


@dataclass(frozen=True, eq=False)
class Statistics:
    """A Gaussian fitted to `n` feature vectors.

    mean (D,) and covariance (D, D), float64, in units of the features and their squares. The
    covariance is unbiased (ddof=1, divided by n - 1), as numpy.cov and the reference FID
    implementations have it. Raise ValueError if the shapes disagree, D < 1, n < 2, or a value is
    not finite.
    """

    mean: Floats
    covariance: Floats
    n: int

    def __post_init__(self) -> None:
        if self.n < 2:
            raise ValueError(f"statistics need at least 2 feature vectors, got {self.n}")
        mean = checks.finite(checks.real(self.mean, "mean", "(D,)"), "mean")
        covariance = checks.finite(
            checks.real(self.covariance, "covariance", "(D, D)"), "covariance"
        )
        if mean.size == 0 or covariance.shape != 2 * mean.shape:
            raise ValueError(
                "mean (D,) and covariance (D, D) must agree, "
                f"got {mean.shape} and {covariance.shape}"
            )
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "covariance", covariance)


class StatisticsAccumulator:
    """Running mean and scatter matrix, the same for any split into blocks; memory O(D^2).

    Blocks are merged by deviations from their means (Chan, Golub and LeVeque 1983, eq. 2.1), never
    as sums of squares, which would cancel when the mean is large beside the spread.
    """

    def __init__(self) -> None:
        self._n = 0
        self._mean: Floats = np.zeros(0)  # (D,)
        # (D, D): sum of the outer products of deviations from the mean
        self._scatter: Floats = np.zeros((0, 0))

    def update(self, features: ArrayLike) -> None:
        """Add features (N, D), any real type, N >= 0.

        A call costs a pass over D x D: prefer many rows at a time. Raise ValueError for another
        shape or D, NaN and infinity.
        """
        features = checks.real(features, "features", "(N, D)")
        if self._n == 0:
            dim = features.shape[1]
            self._mean = np.zeros(dim)
            self._scatter = np.zeros((dim, dim))
        if features.shape[1] != len(self._mean):
            raise ValueError(
                f"features must keep their dimension {len(self._mean)}, got shape {features.shape}"
            )
        for block in checks.blocks(features, BLOCK):
            self._merge(checks.finite(features[block], "features"))

    def _merge(self, rows: Floats) -> None:
        total = self._n + len(rows)
        with np.errstate(over="ignore", invalid="ignore"):  # an overflow is refused by Statistics
            mean = rows.mean(axis=0)
            shift = mean - self._mean
            # The distance of the two means is one more deviation: as a last row it costs no second
            # D x D product.
            deviations = np.vstack([rows - mean, shift * np.sqrt(self._n * len(rows) / total)])
            self._scatter += deviations.T @ deviations
            self._mean = self._mean + shift * (len(rows) / total)
        self._n = total

    def result(self) -> Statistics:
        """Return the statistics of all rows so far; more may follow.

        Raise ValueError for fewer than 2 rows and on overflow.
        """
        return Statistics(self._mean.copy(), self._scatter / max(1, self._n - 1), self._n)


def statistics(features: ArrayLike) -> Statistics:
    """Return the statistics of features (N, D), N >= 2.

    Raise ValueError as `StatisticsAccumulator` does.
    """
    accumulator = StatisticsAccumulator()
    accumulator.update(features)
    return accumulator.result()


def mixture(parts: Sequence[Statistics], weights: ArrayLike) -> Statistics:
    """Return the statistics of a mixture of classes, part c with the share weights[c].

    That is a reference with another class histogram: the weighted mean, and the covariance of rows
    that each weigh w_c / n_c, made unbiased as numpy.cov(aweights=...) does:
    sum_c w_c ((n_c - 1) / n_c S_c + d_c d_c^T) / (1 - sum_c w_c^2 / n_c) with d_c = mean_c - mean.
    Weights in proportion to n_c so give the statistics of all rows together. n is the number of
    rows of equal weight that would tell as much, 1 / (sum_c w_c^2 / n_c), rounded; with those
    weights, the number of all rows.
    weights (C,): >= 0, of any sum above 0. Raise ValueError for others and for parts of several
    dimensions.
    """
    shares = _shares(weights, len(parts))
    dimensions = sorted({len(part.mean) for part in parts})
    if len(dimensions) > 1:
        raise ValueError(f"parts must share their dimension, got {dimensions} features")
    weighted = list(zip(shares, parts, strict=True))
    mean: Floats = sum((w * part.mean for w, part in weighted), start=np.zeros(dimensions[0]))
    covariance = np.zeros(2 * mean.shape)
    for w, part in weighted:
        shift = part.mean - mean
        covariance += w * ((part.n - 1) / part.n * part.covariance + np.outer(shift, shift))
    squares = sum(w * w / part.n for w, part in weighted)  # 1 / the effective number of rows
    return Statistics(mean, covariance / (1 - squares), round(1 / squares))


def _shares(weights: ArrayLike, parts: int) -> list[float]:
    """Return the weights (C,) divided by their sum; raise ValueError as `mixture` says."""
    given = checks.finite(checks.real(weights, "weights", "(C,)"), "weights")
    if len(given) != parts or not given.any() or given.min() < 0:
        raise ValueError(
            f"weights must be >= 0, one above it, and one for each of {parts} parts, got {given}"
        )
    scaled = given / given.max()  # first, so that neither a sum nor a square overflows
    shares: list[float] = (scaled / scaled.sum()).tolist()
    return shares
