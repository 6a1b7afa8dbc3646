"""What a caller gets wrong ends in a ValueError of one line that names the argument.

What is merely odd ends in a score.
"""

import numpy as np
import pytest

import metrics

NAN = np.array([[0.5, 0.5], [np.nan, 1.0]])
IMAGES = np.zeros((2, 8, 8, 3), np.uint8)
ROWS = np.random.default_rng(0).normal(size=(20, 3))
HOLED = np.where(np.arange(60).reshape(20, 3) == 7, np.nan, ROWS)
GENERATOR = np.random.default_rng(0)


def two_dimensions():
    accumulator = metrics.StatisticsAccumulator()
    accumulator.update(np.ones((3, 4)))
    accumulator.update(np.ones((3, 5)))


def gaussian(dim):
    return metrics.Statistics(np.zeros(dim), np.eye(dim), 10)


CASES = {
    "no features at all": (lambda: metrics.StatisticsAccumulator().result(), "at least 2"),
    "no rows": (lambda: metrics.statistics(np.ones((0, 4))), "at least 2"),
    "one row": (lambda: metrics.statistics(np.ones((1, 4))), "at least 2"),
    "no columns": (lambda: metrics.statistics(np.ones((4, 0))), "agree"),
    "NaN features": (lambda: metrics.statistics(NAN), "1 of 4 values NaN"),
    "infinite features": (lambda: metrics.statistics([[1.0], [np.inf]]), "NaN or infinite"),
    "features that overflow": (
        lambda: metrics.statistics([[1e300], [-1e300]]),
        "covariance must be finite",
    ),
    "a vector as features": (lambda: metrics.statistics(np.ones(4)), r"\(N, D\)"),
    "words as features": (lambda: metrics.statistics([["a", "b"]]), "real numbers"),
    "complex features": (lambda: metrics.statistics(np.ones((3, 3)) * 1j), "real numbers"),
    "two dimensions in one accumulator": (two_dimensions, "dimension 4"),
    "mean and covariance of two sizes": (
        lambda: metrics.Statistics(np.zeros(3), np.eye(4), 10),
        "agree",
    ),
    "NaN covariance": (
        lambda: metrics.Statistics(np.zeros(2), NAN, 10),
        "covariance must be finite",
    ),
    "statistics of two networks": (
        lambda: metrics.frechet_distance(gaussian(3), gaussian(4)),
        "got 3 and 4",
    ),
    "logits": (lambda: metrics.inception_score([[3.0, -1.0]]), "softmax"),
    "rows that sum to 0.9": (lambda: metrics.inception_score([[0.5, 0.4]]), "sum to 0.9"),
    "negative probability": (lambda: metrics.inception_score([[1.2, -0.2]]), ">= 0"),
    "NaN probability": (lambda: metrics.inception_score(NAN), "finite"),
    "no probabilities": (lambda: metrics.inception_score(np.ones((0, 3))), "at least one row"),
    "no classes": (lambda: metrics.class_coverage(np.ones((3, 0))), "one class"),
    "labels as probabilities": (lambda: metrics.class_coverage([0, 1, 2]), r"\(N, K\)"),
    "threshold out of reach": (
        lambda: metrics.class_coverage([[0.5, 0.5]], threshold=0.6),
        "1 / K",
    ),
    "threshold of zero": (lambda: metrics.class_coverage([[0.5, 0.5]], threshold=0), "1 / K"),
    "label out of range": (
        lambda: metrics.confusion_matrix([0, 3], [0, 0], 3),
        r"0 \.\. 2, got 0 \.\. 3",
    ),
    "negative label": (lambda: metrics.confusion_matrix([0, -1], [0, 0], 3), "asked"),
    "labels as floats": (
        lambda: metrics.confusion_matrix([0, 1], [0.0, 1.0], 3),
        "predicted must be integers",
    ),
    "labels of two lengths": (lambda: metrics.confusion_matrix([0, 1], [0], 3), "pair up"),
    "accuracy of nothing": (
        lambda: metrics.conditional_accuracy([], [], 3),
        "got none",
    ),
    "float images": (lambda: metrics.psnr(IMAGES / 255, IMAGES / 255), "originals must be uint8"),
    "channels first": (lambda: metrics.ssim(IMAGES.swapaxes(1, 3), IMAGES), r"\(N, H, W, 3\)"),
    "images of two sizes": (lambda: metrics.ssim(IMAGES, IMAGES[:, :4]), "pair up"),
    "images of two counts": (lambda: metrics.psnr(IMAGES, IMAGES[:1]), "pair up"),
    "no images": (lambda: metrics.psnr(IMAGES[:0], IMAGES[:0]), "at least one image"),
    "one image without its axis": (
        lambda: metrics.edge_energies(IMAGES[0]),
        "images must be uint8",
    ),
    "a single row of pixels": (lambda: metrics.edge_energies(IMAGES[:, :1]), "2 x 2"),
    "mixture of two dimensions": (
        lambda: metrics.mixture([gaussian(2), gaussian(3)], [1, 1]),
        "got .2, 3. features",
    ),
    "mixture of nothing": (lambda: metrics.mixture([], []), "0 parts"),
    "mixture without weight": (lambda: metrics.mixture([gaussian(2)], [0]), "one above it"),
    "mixture with a negative weight": (lambda: metrics.mixture([gaussian(2)] * 2, [2, -1]), ">= 0"),
    "mixture with a weight too few": (lambda: metrics.mixture([gaussian(2)] * 2, [1]), "2 parts"),
    "half a split": (
        lambda: metrics.inception_score_over_splits(np.eye(3), 0.5),
        "splits must be a whole number",
    ),
    "no splits": (lambda: metrics.inception_score_over_splits(np.eye(3), 0), "at least 1, got 0"),
    "splits of logits": (lambda: metrics.inception_score_over_splits([[2.0, 3.0]]), "softmax"),
    "kernel distance of one row": (
        lambda: metrics.kernel_distance(ROWS[:1], ROWS, GENERATOR),
        "at least 2 rows",
    ),
    "kernel distance of no rows": (
        lambda: metrics.kernel_distance(ROWS, ROWS[:0], GENERATOR),
        r"\(0, 3\)",
    ),
    "kernel distance of NaN": (
        lambda: metrics.kernel_distance(HOLED, ROWS, GENERATOR),
        "samples must be finite",
    ),
    "kernel distance of two dimensions": (
        lambda: metrics.kernel_distance(ROWS, ROWS[:, :2], GENERATOR),
        "one dim",
    ),
    "kernel distance that overflows": (
        lambda: metrics.kernel_distance(ROWS * 1e200, ROWS, GENERATOR),
        "distances must",
    ),
    "kernel distance of one-row subsets": (
        lambda: metrics.kernel_distance(ROWS, ROWS, GENERATOR, 5, 1),
        "subset_size",
    ),
    "no subsets": (lambda: metrics.kernel_distance(ROWS, ROWS, GENERATOR, 0), "subsets must"),
    "three samples for k = 3": (
        lambda: metrics.precision_recall(ROWS[:3], ROWS),
        "3 rows in samples, got 3",
    ),
    "three reals for k = 3": (
        lambda: metrics.precision_recall(ROWS, ROWS[:3]),
        "3 rows in reference, got 3",
    ),
    "k of zero": (lambda: metrics.precision_recall(ROWS, ROWS, 0), "k must"),
    "precision of infinity": (
        lambda: metrics.precision_recall(ROWS, np.full((9, 3), np.inf)),
        "reference must be finite",
    ),
    "no samples": (lambda: metrics.density_coverage(ROWS[:0], ROWS), r"\(0, 3\)"),
    "five reals for k = 5": (lambda: metrics.density_coverage(ROWS, ROWS[:5]), "more than 5"),
    "coverage of two dimensions": (
        lambda: metrics.density_coverage(ROWS[:, :2], ROWS),
        "one dimension",
    ),
    "15 rows to extrapolate from": (
        lambda: metrics.frechet_extrapolation(ROWS[:15], gaussian(3), GENERATOR),
        "16",
    ),
    "extrapolation of NaN": (
        lambda: metrics.frechet_extrapolation(HOLED, gaussian(3), GENERATOR),
        "1 of 60",
    ),
    "extrapolation of two dimensions": (
        lambda: metrics.frechet_extrapolation(ROWS, gaussian(4), GENERATOR),
        "dimension",
    ),
    "extrapolation without draws": (
        lambda: metrics.frechet_extrapolation(ROWS, gaussian(3), GENERATOR, 0),
        "draws",
    ),
    "extrapolation by a cubic": (
        lambda: metrics.frechet_extrapolation(ROWS, gaussian(3), GENERATOR, degree=3),
        "degree must be 1",
    ),
    "interval of one row": (lambda: metrics.interval(len, 1, GENERATOR), "n must be"),
    "interval of a NaN score": (
        lambda: metrics.interval(lambda rows: np.nan, 9, GENERATOR),
        "scores must be finite",
    ),
    "interval of one draw": (lambda: metrics.interval(len, 9, GENERATOR, draws=1), "draws"),
    "interval of level 1": (lambda: metrics.interval(len, 9, GENERATOR, level=1), "level"),
    "strata too few": (lambda: metrics.interval(len, 9, GENERATOR, strata=[0, 1]), r"shape \(9,\)"),
    "interval that leaves too few rows": (
        lambda: metrics.interval(lambda rows: metrics.statistics(ROWS[rows]).n, 3, GENERATOR),
        "at least 2",
    ),
    "share of nothing": (lambda: metrics.binomial_interval(0, 0), "n must"),
    "more than all": (lambda: metrics.binomial_interval(4, 3), "at most n = 3"),
    "neighbours in no training set": (
        lambda: metrics.nearest_neighbours(IMAGES, IMAGES[:0]),
        "training must",
    ),
    "neighbours of another size": (
        lambda: metrics.nearest_neighbours(IMAGES[:, :4], IMAGES),
        "96 values a sample and 192",
    ),
    "neighbours of NaN": (
        lambda: metrics.nearest_neighbours(ROWS, HOLED),
        "training must be finite",
    ),
    "neighbours too far to square": (
        lambda: metrics.nearest_neighbours(ROWS, 1e200 * ROWS),
        "distances must be finite",
    ),
    "neighbours of a vector": (lambda: metrics.nearest_neighbours(ROWS[0], ROWS), "samples must"),
    "no held-out distances": (lambda: metrics.near_copies([1.0], []), "held_out_distances"),
    "negative distances": (lambda: metrics.near_copies([-1.0], [1.0]), ">= 0"),
    "NaN distances": (lambda: metrics.near_copies([np.nan], [1.0]), "sample_distances"),
    "rate of zero": (lambda: metrics.near_copies([1.0], [1.0], rate=0), "rate"),
    "points for NaN": (lambda: metrics.linear_points(np.nan, 0, 1, 30), "value nan"),
    "points on no scale": (lambda: metrics.linear_points(3, 1, 1, 30), "different"),
    "samples and reals of two sizes": (
        lambda: metrics.sharpness(IMAGES[:, :4], IMAGES),
        "one size",
    ),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", CASES)
def test_one_line(name):
    call, message = CASES[name]
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


CONSTANT = np.full((20, 3), 7.5)
NEVER = np.tile([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], (6, 1))  # class 2 never comes up
ODD = {
    "Fréchet distance of constant features": (
        lambda: metrics.frechet_distance(
            metrics.statistics(CONSTANT), metrics.statistics(CONSTANT + 1)
        ),
        3,
    ),
    "Fréchet distance of two rows": (
        lambda: metrics.frechet_distance(*2 * [metrics.statistics(ROWS[:2])]),
        0,
    ),
    "kernel distance of constant features": (
        lambda: metrics.kernel_distance(CONSTANT, CONSTANT, GENERATOR).mean,
        0,
    ),
    "kernel distance of two rows": (
        lambda: metrics.kernel_distance(ROWS[:2], ROWS[:2], GENERATOR).subset_size,
        2,
    ),
    "precision of constant features": (
        lambda: metrics.precision_recall(CONSTANT, CONSTANT).precision,
        1,
    ),
    "recall of constant samples": (lambda: metrics.precision_recall(CONSTANT, ROWS).recall, 0),
    "coverage of constant features": (
        lambda: metrics.density_coverage(CONSTANT, CONSTANT).coverage,
        1,
    ),
    "density of one row": (lambda: metrics.density_coverage(ROWS[:1] + 99, ROWS).density, 0),
    "extrapolation of constant features": (
        lambda: metrics.frechet_extrapolation(CONSTANT, gaussian(3), GENERATOR, 1).slope,
        0,
    ),
    "score of one image": (lambda: metrics.inception_score([[0.2, 0.8]]).score, 1),
    "score of a class never generated": (lambda: metrics.inception_score(NEVER).score, 2),
    "splits of one image": (lambda: metrics.inception_score_over_splits([[0.2, 0.8]]).mean, 1),
    "coverage of a class never generated": (
        lambda: metrics.class_coverage(NEVER).share_of_classes,
        2 / 3,
    ),
    "interval of a constant score": (
        lambda: metrics.interval(lambda rows: 4.0, 9, GENERATOR).deviation,
        0,
    ),
    "all near copies": (lambda: metrics.near_copies(np.zeros(3), np.zeros(3)).share, 1),
    "one training row": (lambda: metrics.nearest_neighbours(IMAGES, IMAGES[:1]).distance.sum(), 0),
    "points for an infinite distance": (lambda: metrics.linear_points(np.inf, 100, 40, 100), 0),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ODD)
def test_defined_score(name):
    call, expected = ODD[name]
    assert call() == pytest.approx(expected, abs=1e-9)
