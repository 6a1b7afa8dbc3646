"""Inception score: is each image classified surely, and do all classes come up?

Called by evaluation with the class probabilities of a judge. Blind to copies of the training set
and to a single perfect image a class.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr

from metrics import checks


@dataclass(frozen=True)
class InceptionScore:
    """score = exp(marginal_entropy - conditional_entropy), 1 .. K; entropies in nats, 0 .. ln K.

    marginal_entropy is H(y), high when all classes come up; conditional_entropy is H(y|x), low when
    images are clear.
    """

    score: float
    marginal_entropy: float
    conditional_entropy: float


def inception_score(probabilities: ArrayLike) -> InceptionScore:
    """Return exp(mean_i KL(p(y|x_i) || p(y))) of probabilities (N, K), in one split.

    (Salimans et al. 2016, section 4.) Defined for every N >= 1 (one image scores 1) and for
    probabilities of exactly 0 (0 ln 0 = 0, without an epsilon). Raise ValueError for rows that do
    not sum to 1 within 1e-3, negative values, NaN and N = 0.
    """
    p = checks.probabilities(probabilities)
    marginal = float(entr(p.mean(axis=0)).sum())
    conditional = float(entr(p).sum(axis=1).mean())
    # The mean divergence is H(y) - H(y|x), which rounding may leave a hair under 0.
    return InceptionScore(float(np.exp(max(0.0, marginal - conditional))), marginal, conditional)


@dataclass(frozen=True)
class SplitScore:
    """Mean and deviation of the Inception scores of the splits.

    The deviation is that of the population: divided by the number of splits.
    """

    mean: float
    deviation: float


def inception_score_over_splits(probabilities: ArrayLike, splits: int = 10) -> SplitScore:
    """Return the mean score of `splits` runs of rows of probabilities (N, K), and its deviation.

    This is what Salimans et al. 2016 report. Split i holds rows i N // splits ..
    (i + 1) N // splits - 1, in their order: shuffle rows that come class by class. A tenth of the
    images scores lower than all of them, so compare scores of one N and one number of splits, and
    take `inception_score` for few images. The deviation is that of a tenth of the images, not the
    error of the score. With N < splits every image is a split of its own, and scores 1. Raise
    ValueError as `inception_score` does, and for splits < 1.
    """
    p = checks.probabilities(probabilities)
    splits = min(checks.count(splits, "splits", 1), len(p))
    edges = np.arange(splits + 1) * len(p) // splits
    scores = [inception_score(p[start:end]).score for start, end in pairwise(edges)]
    return SplitScore(float(np.mean(scores)), float(np.std(scores)))
