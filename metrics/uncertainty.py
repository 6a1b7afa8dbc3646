"""How sure is a score? Intervals from random halves of the images, and exact ones for shares.

Called by evaluation with a function that computes a score from some of the rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta, t

from metrics import checks
from metrics.checks import Random

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Interval:
    """A score with its interval.

    value: the score of all rows; deviation: its standard deviation from one set of N images to the
    next; low, high: value -/+ Student's quantile x deviation. They may leave the range of the
    score: cut them for display.
    """

    value: float
    low: float
    high: float
    deviation: float

    @classmethod
    def of(cls, value: float, deviation: float, freedom: int, level: float) -> "Interval":
        """Return Student's interval for a deviation of so many degrees of freedom.

        Raise ValueError for a level outside 0 .. 1.
        """
        width = deviation * t.ppf((1 + checks.share(level, "level")) / 2, freedom)
        return cls(float(value), float(value - width), float(value + width), float(deviation))


def interval(
    score: Callable[[Rows], float],
    n: int,
    random: Random,
    draws: int = 100,
    level: float = 0.95,
    strata: ArrayLike | None = None,
) -> Interval:
    """Return an interval for the expected score of n images, by half-sampling.

    score: takes the numbers of some rows, int64 (b,), in increasing order, and returns a number; it
    must be defined for n // 2 rows. strata: labels (n,); halves then keep the shares of the labels,
    as they must when a set holds each class in a fixed number (its images differ less than images
    of any class).

    Given the data, the score of b rows without replacement varies by (s^2 / b) (1 - b / n), where
    s^2 / n is the variance asked for: that is the variance of halves times b / (n - b), for even n
    times 1 (Politis, Romano and Wolf 1999, chapter 2). It holds for scores that are smooth in the
    distribution, up to s^2 / n; where two distributions agree fully, a Fréchet distance is not, and
    the interval is too wide by up to a factor of 1.7. README.md has how often such
    intervals hold, and why they are not the bootstrap's.

    The interval is for the score at this n, with its bias: for that of infinitely many images see
    `extrapolation`. It knows nothing of the finite reference or of other trainings. A score that is
    the same in every half has no width.
    Raise ValueError for n or draws < 2, a level outside 0 .. 1, strata of another length, and a
    score not finite.
    """
    return intervals(lambda rows: {"": score(rows)}, n, random, draws, level, strata)[""]


def intervals(
    scores: Callable[[Rows], Mapping[str, float]],
    n: int,
    random: Random,
    draws: int = 100,
    level: float = 0.95,
    strata: ArrayLike | None = None,
) -> dict[str, Interval]:
    """Return intervals as `interval` does, for several scores of the same halves.

    Those that some half lacks are left out.
    """
    n, draws = checks.count(n, "n", 2), checks.count(draws, "draws", 2)
    labels = np.zeros(n, np.int64) if strata is None else np.asarray(strata)
    if labels.shape != (n,):
        raise ValueError(f"strata must be labels of shape ({n},), got shape {labels.shape}")
    values = scores(np.arange(n))
    halves = [scores(_half(labels, random)) for _ in range(draws)]
    found = {}
    for name, value in values.items():
        if any(name not in half for half in halves):
            continue
        of_halves = np.array([half[name] for half in halves], dtype=np.float64)
        checks.finite(np.append(of_halves, value), "scores")
        deviation = np.std(of_halves, ddof=1) * np.sqrt((n // 2) / (n - n // 2))
        found[name] = Interval.of(value, float(deviation), draws - 1, level)
    return found


def _half(strata: NDArray[np.generic], random: Random) -> Rows:
    """Return n // 2 rows: one of each two neighbours after a shuffle that keeps strata together."""
    order = random.permutation(len(strata))
    order = order[np.argsort(strata[order], kind="stable")]
    first = np.arange(0, len(order) - 1, 2)
    second_instead = random.random(len(first)) < 0.5
    return np.sort(order[first + second_instead])


def binomial_interval(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return an exact interval (low, high) for a share, 0 .. 1, from `successes` of n.

    (Clopper and Pearson 1934.) For accuracies and other shares of independent images; unlike halves
    it knows that 10 of 10 is not certainty. Raise ValueError unless 0 <= successes <= n, n >= 1 and
    level lies in 0 .. 1.
    """
    n, successes = checks.count(n, "n", 1), checks.count(successes, "successes", 0)
    if successes > n:
        raise ValueError(f"successes must be at most n = {n}, got {successes}")
    tail = (1 - checks.share(level, "level")) / 2
    low = beta.ppf(tail, successes, n - successes + 1) if successes else 0.0
    high = beta.ppf(1 - tail, successes + 1, n - successes) if successes < n else 1.0
    return float(low), float(high)
