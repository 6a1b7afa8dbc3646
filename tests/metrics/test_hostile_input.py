"""What a caller can get wrong ends in a ValueError of one line that names the argument."""

import numpy as np
import pytest

import metrics

NAN = np.array([[0.5, 0.5], [np.nan, 1.0]])
IMAGES = np.zeros((2, 8, 8, 3), np.uint8)


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
    "features that overflow": (lambda: metrics.statistics([[1e300], [-1e300]]), "covariance must be finite"),
    "a vector as features": (lambda: metrics.statistics(np.ones(4)), r"\(N, D\)"),
    "words as features": (lambda: metrics.statistics([["a", "b"]]), "real numbers"),
    "complex features": (lambda: metrics.statistics(np.ones((3, 3)) * 1j), "real numbers"),
    "two dimensions in one accumulator": (two_dimensions, "dimension 4"),
    "mean and covariance of two sizes": (lambda: metrics.Statistics(np.zeros(3), np.eye(4), 10), "agree"),
    "NaN covariance": (lambda: metrics.Statistics(np.zeros(2), NAN, 10), "covariance must be finite"),
    "statistics of two networks": (lambda: metrics.frechet_distance(gaussian(3), gaussian(4)), "got 3 and 4"),
    "logits": (lambda: metrics.inception_score([[3.0, -1.0]]), "softmax"),
    "rows that sum to 0.9": (lambda: metrics.inception_score([[0.5, 0.4]]), "sum to 0.9"),
    "negative probability": (lambda: metrics.inception_score([[1.2, -0.2]]), ">= 0"),
    "NaN probability": (lambda: metrics.inception_score(NAN), "finite"),
    "no probabilities": (lambda: metrics.inception_score(np.ones((0, 3))), "at least one row"),
    "no classes": (lambda: metrics.class_coverage(np.ones((3, 0))), "one class"),
    "labels as probabilities": (lambda: metrics.class_coverage([0, 1, 2]), r"\(N, K\)"),
    "threshold out of reach": (lambda: metrics.class_coverage([[0.5, 0.5]], threshold=0.6), "1 / K"),
    "threshold of zero": (lambda: metrics.class_coverage([[0.5, 0.5]], threshold=0), "1 / K"),
    "label out of range": (lambda: metrics.class_counts([0, 3], 3), r"0 \.\. 2"),
    "negative label": (lambda: metrics.confusion_matrix([0, -1], [0, 0], 3), "asked"),
    "labels as floats": (lambda: metrics.confusion_matrix([0, 1], [0.0, 1.0], 3), "predicted must be integers"),
    "labels of two lengths": (lambda: metrics.confusion_matrix([0, 1], [0], 3), "pair up"),
    "accuracy of nothing": (lambda: metrics.conditional_accuracy(metrics.confusion_matrix([], [], 3)), "got none"),
    "float images": (lambda: metrics.psnr(IMAGES / 255, IMAGES / 255), "originals must be uint8"),
    "channels first": (lambda: metrics.ssim(IMAGES.swapaxes(1, 3), IMAGES), r"\(N, H, W, 3\)"),
    "images of two sizes": (lambda: metrics.ssim(IMAGES, IMAGES[:, :4]), "pair up"),
    "images of two counts": (lambda: metrics.psnr(IMAGES, IMAGES[:1]), "pair up"),
    "no images": (lambda: metrics.psnr(IMAGES[:0], IMAGES[:0]), "at least one image"),
    "one image without its axis": (lambda: metrics.edge_energy(IMAGES[0]), "images must be uint8"),
    "a single row of pixels": (lambda: metrics.edge_energy(IMAGES[:, :1]), "2 x 2"),
    "samples and reals of two sizes": (lambda: metrics.sharpness(IMAGES[:, :4], IMAGES), "one size"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", CASES)
def test_one_line(name):
    call, message = CASES[name]
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
