"""Memorization: are samples copies of training images?

Called by the audit: the nearest training image of each sample, and of held-out real images as the
yardstick.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta

from metrics import checks
from metrics.checks import Floats
from metrics.neighbours import BLOCK, centre, squared_distances
from metrics.uncertainty import binomial_interval


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest training row of each sample.

    index: of that row, int64 (N,); distance: Euclidean, in units of the values, float64 (N,).
    """

    index: NDArray[np.int64]
    distance: Floats


@dataclass(frozen=True)
class NearCopies:
    """How many samples lie nearer to the training set than held-out real images do.

    share: of the samples at most `threshold` from a training row; low, high: its exact binomial
    interval. rate: the share to expect of held-out real images; rate_low, rate_high: where that may
    lie, as they are finite, too. excess: share - rate. Copies are beyond doubt if low is above
    rate_high.
    """

    threshold: float
    share: float
    low: float
    high: float
    rate: float
    rate_low: float
    rate_high: float
    excess: float


@np.errstate(over="ignore", invalid="ignore")  # an overflow is refused at the end
def nearest_neighbours(samples: ArrayLike, training: ArrayLike) -> Neighbours:
    """Return the nearest of the training rows (M, ...) to each of the samples (N, ...).

    Of several it is the first. Features or pixels, of any real type; the axes after the first are
    one vector. They are converted to float64 in blocks, so uint8 images, also memory-mapped, never
    stand in memory as floats. Pixel distances find what is copied pixel by pixel, and are small for
    any two smooth images; features also find what is shifted or recoloured.
    Raise ValueError for no rows, shapes that differ, NaN and infinity, and on overflow.
    """
    samples, training = _rows(samples, "samples"), _rows(training, "training")
    if samples.shape[1] != training.shape[1]:
        raise ValueError(
            f"rows must have one size, "
            f"got {samples.shape[1]} values a sample and {training.shape[1]}"
        )
    origin = centre(training)
    least = np.full(len(samples), np.inf)
    index = np.zeros(len(samples), np.int64)
    for block in checks.blocks(training, BLOCK):
        for rows, distances in squared_distances(samples, training[block], origin):
            found = distances.argmin(axis=1)
            here = distances[np.arange(len(found)), found]
            nearer = here < least[rows]
            least[rows] = np.where(nearer, here, least[rows])
            index[rows] = np.where(nearer, block.start + found, index[rows])
    # From differences, not from the matrix product: a copy is at exactly 0.
    distance = [
        np.linalg.norm(samples[rows].astype(float) - training[index[rows]], axis=1)
        for rows in checks.blocks(samples, BLOCK)
    ]
    return Neighbours(index, checks.finite(np.concatenate(distance), "distances"))


def near_copies(
    sample_distances: ArrayLike,
    held_out_distances: ArrayLike,
    rate: float = 0.01,
    level: float = 0.95,
) -> NearCopies:
    """Return the share of samples nearer to the training set than all but few held-out images are.

    `rate` says how few. The arguments are distances (N,) and (M,) of `nearest_neighbours` to the
    same training set; equal ones count as near. The threshold is the k-th least held-out distance,
    k = floor(rate (M + 1)), at least 1: other real images are at it or under it with a chance of
    k / (M + 1) on average, whatever the distribution of distances; that is the `rate` of the
    result, above the one asked for if M < 1 / rate - 1. No scale enters: held-out images measure
    it.
    Raise ValueError for no distances, NaN, infinity, and for a rate or level outside 0 .. 1.
    """
    samples = _distances(sample_distances, "sample_distances")
    held_out = _distances(held_out_distances, "held_out_distances")
    k = int(np.clip(checks.share(rate, "rate") * (len(held_out) + 1) + 1e-9, 1, len(held_out)))
    threshold = np.partition(held_out, k - 1)[k - 1]
    near = int(np.count_nonzero(samples <= threshold))
    low, high = binomial_interval(near, len(samples), level)
    # The chance of a distance up to the k-th of M is distributed as Beta(k, M + 1 - k).
    rate_low, rate_high = beta.ppf([(1 - level) / 2, (1 + level) / 2], k, len(held_out) + 1 - k)
    share = near / len(samples)
    expected = k / (len(held_out) + 1)
    return NearCopies(
        threshold=float(threshold),
        share=share,
        low=low,
        high=high,
        rate=expected,
        rate_low=float(rate_low),
        rate_high=float(rate_high),
        excess=share - expected,
    )


def _rows(values: ArrayLike, name: str) -> NDArray[Any]:
    """Return one vector a row, (N, D), of the type given; raise ValueError as the caller says."""
    array = np.asanyarray(values)
    if array.ndim < 2 or array.size == 0 or array.dtype.kind not in "fiu":
        raise ValueError(
            f"{name} must be real numbers of shape (N, ...), N >= 1, "
            f"got {array.dtype} of {array.shape}"
        )
    array = array.reshape(len(array), -1)
    if array.dtype.kind == "f":
        for block in checks.blocks(array, BLOCK):
            checks.finite(array[block], name)
    return array


def _distances(values: ArrayLike, name: str) -> Floats:
    """Return float64 (N,); raise ValueError unless there is at least one and all are >= 0."""
    array = checks.finite(checks.real(values, name, "(N,)"), name)
    if len(array) == 0 or array.min() < 0:
        raise ValueError(f"{name} must be at least one distance, >= 0, got {len(array)} values")
    return array
