"""Fréchet distance at infinitely many samples, from its trend with N: an FID without its bias.

Called by evaluation on the features of samples and the statistics of the reference.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics import checks
from metrics.checks import Floats, Random
from metrics.frechet import frechet_distance
from metrics.statistics import Statistics, statistics
from metrics.uncertainty import Interval

HALVINGS = 3  # sizes n, n / 2, n / 4 and n / 8: each fit has three of them


@dataclass(frozen=True)
class TrendPoint:
    """The distance of n samples.

    mean: over the subsets; deviation: from one set of n samples to the next.
    """

    n: int
    mean: float
    deviation: float


@dataclass(frozen=True)
class Extrapolation:
    """The curve limit + slope / n + bend / n^2, fitted to the first three of the points.

    The n of the points fall by halves from all samples. The fourth point serves the interval of the
    limit, and shows what the fit did not see.
    """

    limit: Interval
    slope: float
    bend: float
    points: tuple[TrendPoint, ...]


def frechet_extrapolation(
    features: ArrayLike,
    reference: Statistics,
    random: Random,
    draws: int = 20,
    level: float = 0.95,
    degree: int = 2,
) -> Extrapolation:
    """Return the Fréchet distance of N samples, extrapolated in 1 / N to 0 (Chong & Forsyth 2020).

    features: (N, D), N >= 16. It costs 14 draws + 1 distances: each draw cuts a shuffle of the rows
    into 2, 4 and 8 parts (without the last N % 8 rows), so that each size has used nearly every
    row. degree 1 is the line of the paper, right where N / 4 is well above D. Below, the trend
    bends: at N = 8 D the limits of lines lay 1.4 deviations too low, at N = 4 D 5. Those of
    parabolas, degree 2, lay 0.2 and 1.1 too high, and vary hardly more. A limit may lie under 0.

    Of 95% intervals of parabolas, 92 to 99% held the true distance (D of 4 to 64, N of 4 D and
    more), all where it was 0 (see `uncertainty.interval`). The interval knows nothing of a finite
    reference, whose own bias stays in the limit.
    Raise ValueError for fewer rows, draws < 1, a level outside 0 .. 1, another degree, and as
    `frechet_distance` does.
    """
    features = checks.finite(checks.real(features, "features", "(N, D)"), "features")
    total = checks.count(len(features), "the number of features", 2 ** (HALVINGS + 1))
    if degree not in (1, 2):
        raise ValueError(f"degree must be 1 (a line) or 2 (a parabola), got {degree}")
    draws = checks.count(draws, "draws", 1)

    def distance(rows: Floats) -> float:
        return frechet_distance(statistics(rows), reference)

    smallest = total // 2**HALVINGS
    sizes = np.array([total, *(smallest << i for i in reversed(range(HALVINGS)))])
    parts = _scores_of_parts(distance, features, sizes[1:], draws, random)
    points = _trend(sizes, distance(features), parts)
    means = np.array([point.mean for point in points])
    coefficients = _fit(total / sizes[:-1], means[:-1], degree)
    limit, slope, bend = np.append(coefficients, 0)[:3]
    deviation = _deviation_of_limit(total / sizes[1:], parts, degree)
    interval = Interval.of(limit, deviation, draws, level)
    return Extrapolation(interval, float(slope * total), float(bend * total**2), points)


def _scores_of_parts(
    distance: Callable[[Floats], float],
    features: Floats,
    sizes: NDArray[np.int64],
    draws: int,
    random: Random,
) -> list[Floats]:
    """Return, for each size, the distances (draws, parts) of the parts, in the shuffle's order."""
    scores: list[list[list[float]]] = [[] for _ in sizes]
    for _ in range(draws):
        shuffled = features[random.permutation(len(features))[: 2 * sizes[0]]]
        for size, rows in zip(sizes, scores, strict=True):
            parts = shuffled.reshape(-1, size, features.shape[1])
            rows.append([distance(part) for part in parts])
    return [np.array(rows) for rows in scores]


def _trend(sizes: NDArray[np.int64], of_all: float, parts: list[Floats]) -> tuple[TrendPoint, ...]:
    """Return a point for all rows, then one for each size of parts."""
    means = [of_all, *(scores.mean() for scores in parts)]
    # The parts of one shuffle are independent sets.
    variances = [scores.var(axis=1, ddof=1).mean() for scores in parts]
    deviations = np.sqrt([variances[0] / 2, *variances])
    return tuple(
        TrendPoint(int(n), float(mean), float(deviation))
        for n, mean, deviation in zip(sizes, means, deviations, strict=True)
    )


def _deviation_of_limit(x: Floats, parts: list[Floats], degree: int) -> float:
    """Return the standard deviation of the limit from N rows, by half-sampling.

    The same fit to a half and its own halves and quarters is a limit from N / 2 rows; the two
    halves of a shuffle are independent sets, so the mean square of half their difference is the
    variance of the limit from N rows. The error of the fit, which takes the points for independent
    though they share their rows, is no substitute: where lines were right, 8 to 84% of its
    intervals held.
    """
    draws = len(parts[0])
    halves = [scores.reshape(draws, 2, -1).mean(axis=2) for scores in parts]  # (draws, 2) each
    limits = _fit(x, np.stack(halves).reshape(len(parts), -1), degree)[0].reshape(draws, 2)
    return float(np.sqrt(np.square((limits[:, 0] - limits[:, 1]) / 2).mean()))


def _fit(x: Floats, scores: Floats, degree: int) -> NDArray[Any]:
    """Return the coefficients of 1, x and, for a parabola, its square."""
    return np.polynomial.polynomial.polyfit(x, scores, degree)
