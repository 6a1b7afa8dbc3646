import numpy as np
import pytest

from metrics import Statistics, frechet_distance, frechet_extrapolation, statistics

DIM = 4
REFERENCE = Statistics(np.zeros(DIM), np.eye(DIM), 1000)
REFERENCE_3 = Statistics(np.zeros(3), np.eye(3), 10)


def true_distance(shift, spread):
    """Of rows normal(shift, spread) in every dimension from REFERENCE, in closed form."""
    return DIM * (shift**2 + (spread - 1) ** 2)


@pytest.mark.parametrize("degree", [1, 2])
@pytest.mark.parametrize(("shift", "spread"), [(0.5, 1.3), (0, 1.5), (0.15, 1.0)])
def test_the_limit_is_covered_and_the_distance_at_n_is_not(shift, spread, degree):
    random, true = np.random.default_rng(0), true_distance(shift, spread)

    def result():
        rows = random.normal(shift, spread, size=(100, DIM))
        return frechet_extrapolation(rows, REFERENCE, random, 8, degree=degree)

    results = [result() for _ in range(120)]
    assert 0.88 <= np.mean([r.limit.low <= true <= r.limit.high for r in results])
    limits = np.array([r.limit.value for r in results])
    at_n = np.array([r.points[0].mean for r in results])
    assert abs(limits.mean() - true) < 4 * limits.std() / len(limits) ** 0.5
    bias = at_n - limits
    assert bias.mean() > 10 * bias.std() / len(bias) ** 0.5
    assert 0.75 * limits.std() < np.mean([r.limit.deviation for r in results]) < 1.9 * limits.std()
    assert 0.75 * at_n.std() < np.mean([r.points[0].deviation for r in results]) < 1.5 * at_n.std()


def test_a_bent_trend_is_covered():
    random, dim = np.random.default_rng(1), 16  # n / 4 is under dim
    reference = Statistics(np.zeros(dim), np.eye(dim), 1000)
    results = [
        frechet_extrapolation(random.normal(0.3, 1.1, size=(60, dim)), reference, random, 6)
        for _ in range(60)
    ]
    assert np.mean([r.limit.low <= 1.6 <= r.limit.high for r in results]) >= 0.88


def test_points_fit_and_interval_agree():
    features = np.random.default_rng(1).normal(0.4, 1.2, size=(1003, DIM))
    result = frechet_extrapolation(features, REFERENCE, np.random.default_rng(2), draws=5)
    assert [point.n for point in result.points] == [1003, 500, 250, 125]
    assert result.points[0].mean == frechet_distance(statistics(features), REFERENCE)
    means = np.array([point.mean for point in result.points])
    deviations = np.array([point.deviation for point in result.points])
    assert (np.diff(means) > 0).all() and (np.diff(deviations) > 0).all()
    x = 1 / np.array([1003, 500, 250])
    fitted = result.limit.value + result.slope * x + result.bend * x**2
    np.testing.assert_allclose(fitted, means[:3], rtol=1e-12)
    half_width = result.limit.high - result.limit.value
    student = 2.5706  # of 5 draws
    assert half_width == pytest.approx(student * result.limit.deviation, rel=1e-4)
    line = frechet_extrapolation(features, REFERENCE, np.random.default_rng(2), draws=5, degree=1)
    assert (line.points, line.bend) == (result.points, 0)
    limit, slope = np.linalg.lstsq(np.stack([np.ones(3), x], axis=1), means[:3], rcond=None)[0]
    assert (line.limit.value, line.slope) == (pytest.approx(limit), pytest.approx(slope))


def test_the_bias_of_equal_distributions_is_taken_away():
    random = np.random.default_rng(2)
    reference = Statistics(np.zeros(16), np.eye(16), 10**6)
    results = [
        frechet_extrapolation(random.normal(size=(400, 16)), reference, random, draws=4)
        for _ in range(20)
    ]
    at_n = np.mean([r.points[0].mean for r in results])
    limit = np.mean([r.limit.value for r in results])
    assert abs(limit) < 0.1 * at_n


def test_the_smallest_set_and_identical_rows():
    random = np.random.default_rng(3)
    smallest = frechet_extrapolation(random.normal(size=(16, 3)), REFERENCE_3, random, 1)
    assert np.isfinite(smallest.limit.deviation)
    constant = frechet_extrapolation(np.ones((20, 3)), REFERENCE_3, random, 2)
    assert constant.limit.value == pytest.approx(6)
    assert constant.limit.deviation == pytest.approx(0, abs=1e-12)
