import numpy as np
import pytest

from metrics import class_coverage


def one_hot(counts):
    return np.repeat(np.eye(len(counts)), counts, axis=0)


def test_the_courses_rule_for_eleven_classes():
    # Shares of 100 images: two classes LOW (0.03, 0.00), one at exactly 0.05.
    result = class_coverage(one_hot([12, 12, 12, 12, 12, 12, 10, 10, 5, 3, 0]))
    assert result.threshold == 0.05
    assert result.score == pytest.approx((9 * 0.05 + 0.03) / 0.55)
    assert result.share_of_classes == pytest.approx(9 / 11)
    assert result.low == (9, 10)
    np.testing.assert_allclose(result.mean_probability[8:], [0.05, 0.03, 0], atol=1e-15)


@pytest.mark.parametrize("num_classes", [1, 2, 10, 11, 100, 1000])
def test_even_output_is_complete_and_one_class_alone_is_not(num_classes):
    even = class_coverage(np.full((3, num_classes), 1 / num_classes))
    assert (even.score, even.share_of_classes, even.low) == (pytest.approx(1), 1, ())
    alone = class_coverage(one_hot([5] + [0] * (num_classes - 1)))
    assert alone.score == pytest.approx(1 / num_classes)
    assert alone.share_of_classes == pytest.approx(1 / num_classes)
    assert len(alone.low) == num_classes - 1


def test_mean_probabilities_count_not_decisions():
    result = class_coverage(np.full((8, 2), [0.6, 0.4]))
    assert result.low == ()  # though every image would be decided for class 0


def test_own_threshold():
    assert class_coverage(one_hot([9, 1]), threshold=0.05).low == ()
    assert class_coverage(one_hot([9, 1]), threshold=0.5).score == pytest.approx(0.6)


@pytest.mark.parametrize("share", [0.1, 1 / 3, 0.05])
def test_exactly_the_threshold_is_not_low_in_float32(share):
    rows = np.tile(np.array([share, 1 - share], dtype=np.float32), (101, 1))
    assert class_coverage(rows, threshold=share).low == ()
