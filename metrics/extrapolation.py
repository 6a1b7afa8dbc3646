"""Fréchet distance at infinitely many samples, from its trend with N: what is left of an FID without its bias.

Called by evaluation on the features of samples and the statistics of the reference.
"""

from dataclasses import dataclass

import numpy as np

from metrics import checks
from metrics.frechet import frechet_distance
from metrics.statistics import Statistics, statistics
from metrics.uncertainty import Interval

HALVINGS = 3  # sizes n, n / 2, n / 4 and n / 8: each fit has three of them


@dataclass(frozen=True)
class TrendPoint:
    """The distance of n samples: mean over the subsets, and deviation from one set of n samples to the next."""

    n: int
    mean: float
    deviation: float


@dataclass(frozen=True)
class Extrapolation:
    """limit + slope / n + bend / n^2, fitted to the first three of the points; n falls by halves from all samples.

    The fourth point serves the interval, and shows what the fit did not see.
    """

    limit: Interval
    slope: float
    bend: float
    points: tuple[TrendPoint, ...]


def frechet_extrapolation(
    features, reference: Statistics, random, draws: int = 20, level: float = 0.95, degree: int = 2
) -> Extrapolation:
    """The Fréchet distance of N samples, extrapolated in 1 / N to 0 (Chong and Forsyth 2020).

    features (N, D), N >= 16; random: a Generator or RandomState; costs 14 draws + 1 distances. Each draw cuts a shuffle
    of the rows into 2, 4 and 8 parts (without the last N % 8 rows), so that each size has used nearly every row.
    degree 1 is the line of the paper, right where N / 4 is well above D. Below, the trend bends: at N = 8 D the limits
    of lines lay 1.4 deviations too low, at N = 4 D 5. Those of parabolas, degree 2, lay 0.2 and 1.1 too high, and vary
    hardly more. A limit may lie under 0.

    The interval is that of half-sampling: the same fit to a half and its own halves and quarters is a limit from N / 2
    rows; the two halves of a shuffle are independent sets, so the mean square of half their difference is the variance
    of the limit from N rows. Of 95% intervals of parabolas, 92 to 99% held the true distance (D of 4 to 64, N of 4 D
    and more), all where it was 0 (see `uncertainty.interval`). The error of the fit, which takes the points for
    independent though they share their rows, is no substitute: where lines were right, 8 to 84% of its intervals held.
    The interval knows nothing of a finite reference, whose own bias stays in the limit.
    Raises ValueError for fewer rows, draws < 1, a level outside 0 .. 1, another degree, and as `frechet_distance` does.
    """
    features = checks.finite(checks.real(features, "features", "(N, D)"), "features")
    total = checks.count(len(features), "the number of features", 2 ** (HALVINGS + 1))
    if degree not in (1, 2):
        raise ValueError(f"degree must be 1 (a line) or 2 (a parabola), got {degree}")

    def distance(rows: np.ndarray) -> float:
        return frechet_distance(statistics(rows), reference)

    smallest = total // 2**HALVINGS
    sizes = np.array([total] + [smallest << i for i in reversed(range(HALVINGS))])
    scores = [
        [] for _ in sizes[1:]
    ]  # by size, (draws, 2), (draws, 4), (draws, 8): parts in the order of the shuffle
    for _ in range(checks.count(draws, "draws", 1)):
        shuffled = features[random.permutation(total)[: 2 * sizes[1]]]
        for size, rows in zip(sizes[1:], scores, strict=True):
            rows.append([distance(part) for part in shuffled.reshape(-1, size, features.shape[1])])
    scores = [np.array(rows) for rows in scores]
    means = np.array([distance(features)] + [rows.mean() for rows in scores])
    variances = [
        rows.var(axis=1, ddof=1).mean() for rows in scores
    ]  # parts of one shuffle are independent sets
    deviations = np.sqrt([variances[0] / 2, *variances])
    points = [
        TrendPoint(int(n), float(m), float(d))
        for n, m, d in zip(sizes, means, deviations, strict=True)
    ]

    def fit(sizes: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Coefficients of 1, total / n and, for a parabola, its square."""
        return np.polynomial.polynomial.polyfit(total / sizes, scores, degree)

    limit, slope, bend = np.append(fit(sizes[:-1], means[:-1]), 0)[:3]
    halves = np.stack(
        [rows.reshape(draws, 2, -1).mean(axis=2) for rows in scores]
    )  # (sizes, draws, 2)
    limits = fit(sizes[1:], halves.reshape(HALVINGS, -1))[0].reshape(draws, 2)
    deviation = np.sqrt(np.square((limits[:, 0] - limits[:, 1]) / 2).mean())
    interval = Interval.of(limit, deviation, draws, level)
    return Extrapolation(interval, float(slope * total), float(bend * total**2), tuple(points))
