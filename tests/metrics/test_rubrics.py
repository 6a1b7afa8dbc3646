import numpy as np
import pytest

from metrics import class_coverage, diversity_points, linear_points


@pytest.mark.parametrize(
    ("value", "zero_at", "full_at", "points", "expected"),
    [
        (1400, 1400, 500, 30, 0),  # a distance of the synth-cute project
        (950, 1400, 500, 30, 15),
        (500, 1400, 500, 30, 30),
        (12, 1400, 500, 30, 30),
        (5000, 1400, 500, 30, 0),
        (1, 1, 9, 30, 0),  # its Inception score
        (5, 1, 9, 30, 15),
        (9, 1, 9, 30, 30),
        (11, 1, 9, 30, 30),
        (40, 100, 40, 100, 100),  # the MNIST homework
        (39.9, 100, 40, 100, 100),
        (70, 100, 40, 100, 50),
        (100, 100, 40, 100, 0),
        (np.inf, 100, 40, 100, 0),
    ],
)
def test_points_of_two_courses(value, zero_at, full_at, points, expected):
    assert linear_points(value, zero_at, full_at, points) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("counts", "by_probability", "by_class", "low"),
    [
        ([10] * 10 + [1], 30 * (10 * 0.05 + 1 / 101) / 0.55, 30 * 10 / 11, (10,)),
        ([1] * 11, 30, 30, ()),
        ([100] + [0] * 10, 30 / 11, 30 / 11, tuple(range(1, 11))),
        ([8, 8, 8, 8, 7, 1] + [0] * 5, 15, 30 * 5 / 11, tuple(range(5, 11))),
        ([50, 50] + [0] * 9, 60 / 11, 60 / 11, tuple(range(2, 11))),
        (
            [75, 5, 5, 5, 2, 2, 2, 2, 2, 0, 0],
            30 * (4 * 0.05 + 5 * 0.02) / 0.55,
            30 * 4 / 11,
            tuple(range(4, 11)),
        ),
    ],
)
def test_class_diversity_of_eleven_classes(counts, by_probability, by_class, low):
    coverage = class_coverage(np.repeat(np.eye(11), counts, axis=0), threshold=0.05)
    result = diversity_points(coverage, points=30)
    assert result.by_probability == pytest.approx(by_probability)
    assert result.by_class == pytest.approx(by_class)
    assert result.low == low
