"""Scores with their 95% intervals, found by scoring halves of the samples, and with those of reals.

scoring.py calls this.
"""

import numpy as np

from latent_diffusion.evaluation.features import Seen
from latent_diffusion.evaluation.scores import Score
from latent_diffusion.evaluation.yardstick import MOST_NEIGHBOURS, Yardstick
from latent_diffusion.subsets import some
from metrics import binomial_interval, intervals

FEWEST_FOR_INTERVALS = 8
INTERVAL_DRAWS = 30
# The least and the greatest that a score can be, where that is not 0 and infinity.
BOUNDS: dict[str, tuple[float | None, float | None]] = {
    "precision": (0.0, 1.0),
    "recall": (0.0, 1.0),
    "coverage": (0.0, 1.0),
    "class_coverage": (0.0, 1.0),
    "class_share": (0.0, 1.0),
    "kid": (None, None),
}


def scores_with_intervals(
    yardstick: Yardstick,
    seen: Seen,
    asked: np.ndarray | None,
    real_scores: list[dict[str, float]],
) -> dict[str, Score]:
    """Return the scores of samples, each with its interval and what real images have.

    asked (n,): the labels asked for, where known. real_scores: of each set of real images.
    """
    widths = half_widths(yardstick, seen, asked)
    scores = {}
    for name, value in yardstick.scores(seen, asked).items():
        score = Score(value=value)
        real = [values[name] for values in real_scores if name in values]
        if real:
            score.real = float(np.mean(real))
            score.real_range = (min(real), max(real))
        if name == "accuracy":  # exact: a share of independent images
            score.low, score.high = binomial_interval(round(value * seen.n), seen.n)
        elif name in widths:
            least, most = BOUNDS.get(name, (0.0, None))
            low, high = value - widths[name], value + widths[name]
            score.low = low if least is None else max(least, low)
            score.high = high if most is None else min(most, high)
        scores[name] = score
    return scores


def half_widths(yardstick: Yardstick, seen: Seen, asked: np.ndarray | None) -> dict[str, float]:
    """Return half the width of each score's 95% interval; empty for too few samples.

    Halves are drawn class by class, where labels are known.
    """
    kept = len(seen.rows)
    if kept < FEWEST_FOR_INTERVALS:
        return {}
    labels = np.zeros(kept, np.int64) if asked is None else asked[seen.rows]
    random = np.random.default_rng(0)
    of_distribution = intervals(
        lambda rows: yardstick.of_distribution(seen, asked, rows),
        kept,
        random,
        INTERVAL_DRAWS,
        strata=labels,
    )
    compared = some(kept, MOST_NEIGHBOURS)
    of_pairs = intervals(
        lambda rows: yardstick.of_pairs(seen.features[compared[rows]]),
        len(compared),
        random,
        INTERVAL_DRAWS,
        strata=labels[compared],
    )
    shrunk = (kept / seen.n) ** 0.5  # the score is of all samples, the halves are of the kept
    widths = {name: (one.high - one.low) / 2 * shrunk for name, one in of_distribution.items()}
    return widths | {name: (one.high - one.low) / 2 for name, one in of_pairs.items()}
