"""The detector: its AUC and its interval against what is known, its fit by another optimiser."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import mannwhitneyu, norm

from metrics import area, detectability
from metrics.detectability import _fit, _gram, _spread, linear_detector


def test_an_area_is_that_of_mann_and_whitney_and_ties_count_half():
    random = np.random.default_rng(0)
    a, b = random.integers(0, 6, 40), random.integers(1, 8, 30)
    expected = mannwhitneyu(b, a).statistic / (len(a) * len(b))
    assert area(a, b)[0] == pytest.approx(expected, abs=1e-12)
    assert area([0, 1], [2, 3]) == (1.0, 0.0) and area([2, 3], [0, 1])[0] == 0.0
    assert area([1, 1], [1, 1])[0] == 0.5


def test_the_variance_of_an_area_is_that_of_repeated_draws():
    """Of two Gaussians a deviation apart, whose area is known, and whose variance is simulated."""
    random = np.random.default_rng(1)
    found = [area(random.normal(size=80), random.normal(1, 1, size=120)) for _ in range(2000)]
    areas, variances = np.array(found).T
    assert areas.mean() == pytest.approx(norm.cdf(1 / 2**0.5), abs=0.002)
    assert variances.mean() == pytest.approx(areas.var(), rel=0.08)


def test_the_fit_is_that_of_another_optimiser():
    random = np.random.default_rng(2)
    rows = np.concatenate([random.normal(size=(60, 5)), random.normal(0.7, 1, size=(40, 5))])
    target, penalty = np.repeat([0.0, 1.0], [60, 40]), 0.03
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)

    def loss(weights):
        shown = scaled @ weights[:5] + weights[5]
        fit = np.mean(np.logaddexp(0, shown) - target * shown)
        return fit + penalty / 2 * (weights[:5] ** 2).sum()

    best = minimize(loss, np.zeros(6), options={"gtol": 1e-9}).x
    dual, offset = _fit(_gram(rows), target, penalty)
    np.testing.assert_allclose([*(scaled.T @ dual), offset], best, atol=1e-5)


def test_what_is_alike_is_not_told_and_the_interval_says_so():
    random = np.random.default_rng(3)
    found = []
    for _ in range(200):
        rows = random.normal(size=(120, 8))
        found.append(detectability(rows[:60], rows[60:], random))
    aucs = np.array([one.auc for one in found])
    assert aucs.mean() == pytest.approx(0.5, abs=0.015)
    holds = np.mean([one.low <= 0.5 <= one.high for one in found])
    assert 0.9 < holds <= 0.99


@pytest.mark.parametrize("shift", [0.3, 1.0])
def test_a_known_difference_is_told_as_well_as_it_can_be(shift):
    """The best detector of Gaussians a shift apart has the area Phi(shift / sqrt 2)."""
    random = np.random.default_rng(4)
    a, b = random.normal(size=(800, 10)), random.normal(size=(800, 10))
    b[:, 3] += shift
    found = detectability(a, b, random)
    assert found.auc == pytest.approx(norm.cdf(shift / 2**0.5), abs=0.035)
    assert found.low < found.auc < found.high
    assert area(found.first, found.second)[0] == pytest.approx(found.auc, abs=0.02)


def test_more_features_than_rows_and_features_that_never_vary():
    random = np.random.default_rng(5)
    a, b = random.normal(size=(100, 500)), random.normal(size=(80, 500))
    b[:, :60] += 0.8
    a[:, 499] = b[:, 499] = 3.0
    assert detectability(a, b, random).auc > 0.9
    assert detectability(a[:, 499:], b[:, 499:], random).auc == 0.5


def test_scale_and_offset_of_features_change_nothing():
    a, b = np.random.default_rng(6).normal(size=(2, 60, 4))
    b = b + 0.5
    first = detectability(a, b, np.random.default_rng(0))
    again = detectability(1000 * a + 7, 1000 * b + 7, np.random.default_rng(0))
    assert again.auc == pytest.approx(first.auc, abs=1e-9)


def test_every_stratum_is_spread_over_the_folds():
    labels = np.repeat([0, 1, 2], [10, 25, 5])
    fold = _spread(labels, 5, np.random.default_rng(0))
    for label, count in ((0, 2), (1, 5), (2, 1)):
        assert np.bincount(fold[labels == label]).tolist() == [count] * 5


def test_what_cannot_be_compared_is_refused_in_one_line():
    random, a = np.random.default_rng(0), np.zeros((20, 3))
    for wrong, said in (
        ((a[:9], a), "first has 9 rows"),
        ((a, a[:, :2]), "need rows of one dimension"),
        ((a, np.full((20, 3), np.nan)), "must be finite"),
    ):
        with pytest.raises(ValueError, match=said) as refusal:
            detectability(*wrong, random)
        assert "\n" not in str(refusal.value)
    with pytest.raises(ValueError, match="strata are of 21 rows"):
        detectability(a, a, random, (np.zeros(20), np.zeros(1)))
    with pytest.raises(ValueError, match="folds must be a whole number"):
        detectability(a, a, random, folds=1)


def test_parts_weigh_what_they_should_however_many_columns_they_have():
    """One column that tells, beside 400 of noise that drown it."""
    random = np.random.default_rng(4)
    noise = random.normal(size=(2, 60, 400))
    telling = random.normal(size=(2, 60, 1)) + np.array([0.0, 1.5])[:, None, None]
    first, second = np.concatenate([telling, noise], axis=2)

    def auc(parts):
        return detectability(first, second, np.random.default_rng(0), parts=parts).auc

    alone = detectability(telling[0], telling[1], np.random.default_rng(0)).auc
    alike = [(1, 1.0), (400, 1.0)]
    assert auc(alike) > auc(None) + 0.1 and auc(alike) > alone - 0.1
    assert auc([(401, 3.0)]) == auc(None)
    assert auc([(1, 1.0), (400, 400.0)]) == pytest.approx(auc(None), abs=1e-3)
    for wrong in ([(1, 1.0), (399, 1.0)], [(0, 1.0), (401, 1.0)], [(1, 0.0), (400, 1.0)]):
        with pytest.raises(ValueError, match=r"parts .* are not numbers of columns that make 401"):
            auc(wrong)


def test_the_fitted_detector_is_the_one_that_sees_its_own_rows():
    random = np.random.default_rng(5)
    first, second = random.normal(size=(40, 6)), random.normal(0.8, 1, size=(30, 6))
    fitted = linear_detector(first, second, parts=[(2, 1.0), (4, 2.0)])
    evidence = [(rows - fitted.mean) @ fitted.weights + fitted.offset for rows in (first, second)]
    assert area(*evidence)[0] > 0.8
    # At the optimum the chances add up to the number of rows of the second set.
    chances = 1 / (1 + np.exp(-np.concatenate(evidence)))
    assert chances.sum() == pytest.approx(30, abs=0.01)


def test_paired_rows_stay_in_one_fold():
    """Of each row a copy: whoever was fitted to the one would know the other."""
    rows = np.random.default_rng(6).normal(size=(60, 200))
    nearly = rows + 1e-3 * np.random.default_rng(7).normal(size=rows.shape)
    apart = detectability(rows, nearly, np.random.default_rng(0)).auc
    together = detectability(rows, nearly, np.random.default_rng(0), paired=True).auc
    assert apart < 0.3 and 0.4 < together < 0.6
