"""Inception score: is each image classified surely, and do all classes come up?

Called by evaluation with the class probabilities of a judge. Blind to copies of the training set and to a single
perfect image a class.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import entr

from metrics import checks


@dataclass(frozen=True)
class InceptionScore:
    """score = exp(marginal_entropy - conditional_entropy), 1 .. K; entropies in nats, 0 .. ln K.

    marginal_entropy is H(y), high when all classes come up; conditional_entropy is H(y|x), low when images are clear.
    """

    score: float
    marginal_entropy: float
    conditional_entropy: float


def inception_score(probabilities) -> InceptionScore:
    """exp(mean_i KL(p(y|x_i) || p(y))) of probabilities (N, K), in one split (Salimans et al. 2016, section 4).

    Defined for every N >= 1 (one image scores 1) and for probabilities of exactly 0 (0 ln 0 = 0, without an epsilon).
    Raises ValueError for rows that do not sum to 1 within 1e-3, negative values, NaN and N = 0.
    """
    p = checks.probabilities(probabilities)
    marginal = float(entr(p.mean(axis=0)).sum())
    conditional = float(entr(p).sum(axis=1).mean())
    # The mean divergence is H(y) - H(y|x), which rounding may leave a hair under 0.
    return InceptionScore(float(np.exp(max(0.0, marginal - conditional))), marginal, conditional)
