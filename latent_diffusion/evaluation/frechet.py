"""Fréchet distances beside the headline FID: matched floor, by class, by place, of ever more.

scoring.py calls these.
"""

import numpy as np

from latent_diffusion.data.reference import Reference
from latent_diffusion.evaluation import reals
from latent_diffusion.evaluation.features import FEWEST, FeatureNetwork, Seen, look
from latent_diffusion.evaluation.intervals import FEWEST_FOR_INTERVALS
from latent_diffusion.evaluation.references import ReferenceStatistics
from latent_diffusion.evaluation.scores import ClassFid, Score, TrendPoint
from latent_diffusion.evaluation.sources import ImageSource, of_array
from latent_diffusion.evaluation.targets import choose_target
from metrics import Statistics, frechet_distance, frechet_extrapolation, interval, statistics

FEWEST_FOR_TREND = 4  # times the number of features: with less, the trend of FID is no line
TREND_DRAWS = 5
SPATIAL_DRAWS = 10  # of halves, for the interval of the spatial FID
SMALL_DIMENSION = 512  # of features; beyond it a Fréchet distance takes about a second


def matched_floor(
    real: Seen, real_labels: np.ndarray, counts: np.ndarray, target: Statistics
) -> float | None:
    """Return the FID of held-out images with these class counts (K,).

    The floor is of images drawn at random, whose counts vary; where samples have theirs in fixed
    proportions, they can score less than it without being perfect. None where too few are held out.
    """
    distances = [
        frechet_distance(statistics(real.features[rows]), target)
        for rows in reals.matched_sets(real_labels, counts)
    ]
    return float(np.mean(distances)) if distances else None


def extrapolate(
    seen: Seen, target: Statistics, real: Seen | None
) -> tuple[Score, list[TrendPoint]] | None:
    """Return FID at infinitely many samples, and FID by number of samples.

    real: as many real images, whose limit stands beside it. None for too few samples.
    """
    dim = seen.features.shape[1]
    if seen.n < FEWEST_FOR_TREND * dim:
        return None
    draws = TREND_DRAWS if dim <= SMALL_DIMENSION else 1
    found = frechet_extrapolation(seen.features, target, np.random.default_rng(0), draws)
    limit = found.limit
    score = Score(value=limit.value, low=limit.low, high=limit.high)
    if real:
        of_real = frechet_extrapolation(real.features, target, np.random.default_rng(0), draws)
        score.real = of_real.limit.value
    trend = [
        TrendPoint(n=point.n, fid=point.mean, deviation=point.deviation) for point in found.points
    ]
    return score, trend


def fid_by_class(
    seen: Seen,
    asked: np.ndarray,
    classes: tuple[Statistics, ...],
    names: list[str],
    real: Seen | None,
    real_labels: np.ndarray,
) -> dict[str, ClassFid]:
    """Return by name the FID of the samples of each class, and its floor.

    classes: the statistics of the training images class by class. real, real_labels: the held-out
    images. Classes with less than two samples are left out.
    """
    found = {}
    for label, name in enumerate(names):
        features = seen.features[asked[seen.rows] == label]
        if len(features) < FEWEST:
            continue
        held_out = features[:0] if real is None else real.features[real_labels == label]
        found[name] = ClassFid(
            n=len(features),
            fid=frechet_distance(statistics(features), classes[label]),
            floor=class_floor(held_out, len(features), classes[label]),
        )
    return found


def class_floor(held_out: np.ndarray, n: int, target: Statistics) -> float | None:
    """Return the mean FID of sets of n held-out images of one class, of features (M, D)."""
    if not len(held_out):
        return None
    sets = reals.random_sets(np.zeros(len(held_out), np.int64), np.ones(1), n)
    distances = [frechet_distance(statistics(held_out[rows]), target) for rows in sets]
    return float(np.mean(distances)) if distances else None


def spatial_distance(
    network: FeatureNetwork,
    against: ReferenceStatistics,
    images: ImageSource,
    asked: np.ndarray | None,
    reference: Reference,
    real_sets: list[np.ndarray],
) -> Score:
    """Return the Fréchet distance of a middle layer's features, beside that of sets of real images.

    real_sets: uint8 (n, S, S, 3) each.
    """
    target = choose_target(asked, reference, against).statistics

    seen = look(network, images.batches(), images.count)
    assert seen.statistics is not None  # of two images or more
    score = Score(value=frechet_distance(seen.statistics, target))
    if seen.features.shape[1] <= SMALL_DIMENSION and seen.n >= FEWEST_FOR_INTERVALS:
        strata = None if asked is None else asked[seen.rows]
        found = interval(
            lambda rows: frechet_distance(statistics(seen.features[rows]), target),
            len(seen.rows),
            np.random.default_rng(0),
            SPATIAL_DRAWS,
            strata=strata,
        )
        half = (found.high - found.low) / 2
        score.low, score.high = max(0.0, score.value - half), score.value + half
    real = []
    for pixels in real_sets:
        of_real = look(network, of_array(pixels).batches(), len(pixels)).statistics
        assert of_real is not None
        real.append(frechet_distance(of_real, target))
    if real:
        score.real, score.real_range = float(np.mean(real)), (min(real), max(real))
    return score
