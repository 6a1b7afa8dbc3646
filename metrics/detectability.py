"""Detectability: can one set of images be told from another by its features?

A detector is fitted on the spot, cross-validated, and its AUC is the score: 0.5 is right, 1 is told
every time. Called by evaluation with the features of samples and of real images.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit
from scipy.stats import norm, rankdata

from metrics import checks
from metrics.checks import Floats

Part = tuple[int, float]  # a number of columns, and what they weigh
FOLDS = 5
PENALTY = 0.03  # of the squared weights, beside the mean loss of an image
STEPS = 50  # of Newton, at most; a handful is enough
PRECISE = 1e-7  # of the gradient, relative to that of one row
FLATTEST = 1e-9  # second derivative of a row that is told for certain


class Detectability(NamedTuple):
    """The AUC of the detector, its 95% interval, and how it saw every image.

    `first` (N,) and `second` (M,) are the detector's evidence, in nats, for the second set: each
    image was seen by a detector that was fitted without it.
    """

    auc: float
    low: float
    high: float
    first: Floats
    second: Floats


def detectability(
    first: ArrayLike,
    second: ArrayLike,
    random: np.random.Generator,
    strata: tuple[ArrayLike, ArrayLike] | None = None,
    folds: int = FOLDS,
    penalty: float = PENALTY,
    paired: bool = False,
    parts: Sequence[Part] | None = None,
) -> Detectability:
    """Return how well logistic regression tells features (N, D) from features (M, D).

    Features are centred and scaled over both sets, which takes no account of who is who. `parts`
    are numbers of columns, D in all, each with what they weigh together, however many they are.
    `strata` (N,) and (M,), such as labels, are spread evenly over the folds. `paired` rows, of
    which the second was made of the first, stay in one fold, for a detector knows those it was
    fitted to. The AUC is the mean over the folds, each of images that its detector did not see;
    the interval takes in other images and the other detectors that they would give.

    Raise ValueError unless both sets have at least 2 rows a fold, D is the same and all is finite.
    """
    a, b = checks.feature_pair(first, second, ("first", "second"))
    _check_rows(len(a), len(b), checks.count(folds, "folds", 2))
    gram = _gram(np.concatenate([a, b]), parts)
    target = np.repeat([0.0, 1.0], [len(a), len(b)])
    groups = strata if strata is not None else (np.zeros(len(a)), np.zeros(len(b)))
    if paired:
        fold = np.tile(_spread(np.asarray(groups[0]), folds, random), 2)
    else:
        fold = np.concatenate([_spread(np.asarray(group), folds, random) for group in groups])
    if len(fold) != len(target):
        raise ValueError(f"strata are of {len(fold)} rows, and there are {len(target)}")
    evidence = np.empty(len(target))
    aucs, variances = [], []
    for k in range(folds):
        train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        dual, offset = _fit(gram[np.ix_(train, train)], target[train], penalty)
        evidence[test] = gram[np.ix_(test, train)] @ dual + offset
        told = target[test] == 1
        auc, variance = area(evidence[test][~told], evidence[test][told])
        aucs.append(auc)
        variances.append(variance)
    mean = float(np.mean(aucs))
    # Folds share their detectors' images: corrected by Nadeau & Bengio (2003), equation 4.
    variance = float(np.mean(variances)) * (1 / folds + 1 / (folds - 1))
    half = float(norm.ppf(0.975)) * variance**0.5
    return Detectability(
        mean,
        max(0.0, mean - half),
        min(1.0, mean + half),
        evidence[: len(a)],
        evidence[len(a) :],
    )


class LinearDetector(NamedTuple):
    """A fitted detector: its evidence for the second set is (x - mean) @ weights + offset."""

    mean: Floats  # (D,)
    weights: Floats  # (D,)
    offset: float


def linear_detector(
    first: ArrayLike,
    second: ArrayLike,
    penalty: float = PENALTY,
    parts: Sequence[Part] | None = None,
) -> LinearDetector:
    """Return the detector of features (N, D) and (M, D) that is fitted to all of both.

    Its evidence on these same rows says what it goes by, not how well it tells. Raise ValueError as
    `detectability` does.
    """
    a, b = checks.feature_pair(first, second, ("first", "second"))
    features = np.concatenate([a, b])
    scaled, deviations = _scaled(features, parts)
    dual, offset = _fit(scaled @ scaled.T, np.repeat([0.0, 1.0], [len(a), len(b)]), penalty)
    varying = deviations > 0
    weights = np.zeros(features.shape[1])
    weights[varying] = (scaled.T @ dual) / deviations[varying]
    return LinearDetector(features.mean(axis=0), weights, offset)


def _check_rows(first: int, second: int, folds: int) -> None:
    """Raise ValueError unless there are two rows of either set in every fold."""
    for name, rows in (("first", first), ("second", second)):
        if rows < 2 * folds:
            raise ValueError(
                f"{name} has {rows} rows: a detector in {folds} folds needs {2 * folds}"
            )


def area(first: ArrayLike, second: ArrayLike) -> tuple[float, float]:
    """Return the AUC of values (N,) and (M,), and the variance of it (DeLong et al. 1988).

    It is the chance that one of the second is larger than one of the first; ties count half. Raise
    ValueError unless both have at least 2 finite values.
    """
    a = checks.finite(checks.real(first, "first", "(N,)"), "first")
    b = checks.finite(checks.real(second, "second", "(N,)"), "second")
    n, m = len(a), len(b)
    if min(n, m) < 2:
        raise ValueError(f"an AUC needs at least 2 values of either kind, got {n} and {m}")
    ranks = rankdata(np.concatenate([a, b]))
    above = (ranks[n:] - rankdata(b)) / n  # (M,): share of the first that lie below each
    below = 1 - (ranks[:n] - rankdata(a)) / m  # (N,): share of the second that lie above each
    variance = above.var(ddof=1) / m + below.var(ddof=1) / n
    return float(above.mean()), float(variance)


def _gram(features: Floats, parts: Sequence[Part] | None = None) -> Floats:
    """Return the products (N, N) of rows whose columns have mean 0 and deviation 1.

    With `parts` the deviations are those by which each part weighs what it should.
    """
    scaled = _scaled(features, parts)[0]
    single = scaled.astype(np.float32)  # a third of the time, the same six digits
    products: Floats = (single @ single.T).astype(np.float64)
    return products


def _scaled(features: Floats, parts: Sequence[Part] | None = None) -> tuple[Floats, Floats]:
    """Return the columns that vary with mean 0, and what all columns (D,) were divided by.

    That is 0 for columns that do not vary, which are left out.
    """
    columns = features.shape[1]
    counts, weights = zip(*(parts or [(columns, 1.0)]), strict=True)
    if sum(counts) != columns or min(counts) < 1 or min(weights) <= 0:
        raise ValueError(
            f"parts {parts} are not numbers of columns that make {columns}, each with a weight"
        )
    centred = features - features.mean(axis=0)
    deviations = centred.std(axis=0)
    varying = deviations > 1e-9 * max(1e-300, float(deviations.max(initial=0.0)))
    each = columns * np.array(weights) / sum(weights) / np.array(counts)
    divisors = np.where(varying, deviations / np.repeat(np.sqrt(each), counts), 0.0)
    return centred[:, varying] / divisors[varying], divisors


def _spread(
    strata: NDArray[np.generic], folds: int, random: np.random.Generator
) -> NDArray[np.intp]:
    """Return the fold of each row: strata one after the other, each in random order, dealt out."""
    order = np.lexsort((random.random(len(strata)), strata))
    fold = np.empty(len(strata), np.intp)
    fold[order] = np.arange(len(strata)) % folds
    return fold


def _fit(gram: Floats, target: Floats, penalty: float) -> tuple[Floats, float]:
    """Return weights of the rows (N,) and an offset that minimise the penalised logistic loss.

    The loss is the mean over the rows plus penalty / 2 times the squared norm of the weights of the
    features, which are sums of the rows (N, D) by these: there are fewer rows than features.
    Newton's method, whose step solves (S G + penalty) step + S offset = -gradient, where G is the
    gram matrix and S the second derivative of each row's loss.
    """
    n = len(target)
    dual, offset = np.zeros(n), 0.0
    for _ in range(STEPS):
        chance = expit(gram @ dual + offset)
        gradient = (chance - target) / n + penalty * dual
        slope = float((chance - target).mean())
        if max(float(np.abs(gradient).max()) * n, abs(slope)) < PRECISE:
            break
        second = np.maximum(chance * (1 - chance), FLATTEST) / n
        root = np.sqrt(second)
        factor = cho_factor(root[:, None] * gram * root + penalty * np.eye(n), overwrite_a=True)
        by_gradient = root * cho_solve(factor, gradient / root)
        by_offset = root * cho_solve(factor, root)
        curved = second @ gram
        offset_step = (curved @ by_gradient - slope) / (second.sum() - curved @ by_offset)
        dual = dual - by_gradient - offset_step * by_offset
        offset += offset_step
    return dual, offset
