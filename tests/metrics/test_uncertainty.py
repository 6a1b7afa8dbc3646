"""Coverage: how often the interval of one set holds the expected score over sets.

It is counted over many sets drawn anew.
"""

import numpy as np
import pytest
from scipy.stats import binom

from metrics import (
    Statistics,
    binomial_interval,
    frechet_distance,
    inception_score,
    interval,
    intervals,
    statistics,
)

REPETITIONS = 200
DIM = 4


def frechet_of(rows):
    reference = Statistics(np.zeros(rows.shape[1]), np.eye(rows.shape[1]), 1000)
    return lambda index: frechet_distance(statistics(rows[index]), reference)


def gaussian_rows(random, n=60, shift=0.5):
    return random.normal(shift, 1.3, size=(n, DIM))


def coverage(score_of, draw_rows, expected, random, **options):
    """Share of sets whose interval holds the expected score."""
    hits = 0
    for _ in range(REPETITIONS):
        rows = draw_rows(random)
        result = interval(score_of(rows), len(rows), random, draws=40, **options)
        hits += result.low <= expected <= result.high
    return hits / REPETITIONS


def expected_score(score_of, draw_rows, random, sets=3000):
    rows = (draw_rows(random) for _ in range(sets))
    return np.mean([score_of(x)(np.arange(len(x))) for x in rows])


@pytest.mark.parametrize("shift", [0.5, 2.0])
def test_frechet_distance_is_covered_at_its_n(shift):
    random = np.random.default_rng(0)

    def draw_rows(random):
        return gaussian_rows(random, shift=shift)

    expected = expected_score(frechet_of, draw_rows, random)
    assert 0.88 <= coverage(frechet_of, draw_rows, expected, random) <= 0.99


def test_the_bootstrap_misses_what_halves_cover():
    def draw_rows(random):
        return random.normal(0.2, 1.1, size=(60, 10))

    random = np.random.default_rng(1)
    expected = expected_score(frechet_of, draw_rows, random)
    assert coverage(frechet_of, draw_rows, expected, random) >= 0.88
    hits = 0
    for _ in range(REPETITIONS):
        score = frechet_of(draw_rows(random))
        scores = [score(random.integers(0, 60, size=60)) for _ in range(50)]
        hits += np.quantile(scores, 0.025) <= expected <= np.quantile(scores, 0.975)
    assert hits / REPETITIONS < 0.5


def test_inception_score_is_covered():
    def score_of(p):
        return lambda index: inception_score(p[index]).score

    def draw_rows(random):
        return random.dirichlet(np.full(5, 0.2), size=80)

    random = np.random.default_rng(2)
    expected = expected_score(score_of, draw_rows, random)
    assert 0.88 <= coverage(score_of, draw_rows, expected, random) <= 0.99


def test_accuracy_is_covered_and_has_the_binomial_deviation():
    def score_of(hits):
        return lambda index: hits[index].mean()

    def draw_rows(random):
        return random.random(150) < 0.7

    random = np.random.default_rng(3)
    assert 0.88 <= coverage(score_of, draw_rows, 0.7, random) <= 0.99
    hits = np.arange(100) < 80
    result = interval(score_of(hits), 100, random, draws=4000)
    assert result.value == 0.8
    assert result.deviation == pytest.approx((0.8 * 0.2 / 99) ** 0.5, rel=0.04)


@pytest.mark.parametrize("n", [2, 5, 101])
def test_an_odd_number_of_rows_keeps_the_variance_of_the_mean(n):
    x = np.random.default_rng(4).normal(size=n)
    result = interval(lambda index: x[index].mean(), n, np.random.default_rng(5), draws=4000)
    assert result.deviation == pytest.approx(x.std(ddof=1) / n**0.5, rel=0.05)


def test_strata_keep_the_shares_of_classes():
    labels = np.random.default_rng(6).permutation(np.repeat([0, 1, 2], [40, 20, 1]))
    counts = []

    def score(index):
        counts.append(np.bincount(labels[index], minlength=3))
        assert (np.diff(index) > 0).all()
        return counts[-1][0] / len(index)

    result = interval(score, 61, np.random.default_rng(7), draws=50, strata=labels)
    assert counts[0].tolist() == [40, 20, 1]
    assert all(count[:2].tolist() == [20, 10] for count in counts[1:])
    assert result.deviation < 1e-12  # without strata the shares themselves would vary
    assert interval(score, 61, np.random.default_rng(7), draws=50).deviation > 0.02


def test_strata_narrow_the_interval_of_a_set_with_fixed_class_counts():
    labels = np.repeat([0, 1], 50)

    def draw_rows(random):
        return random.normal(5 * labels, 1)

    def score_of(x):
        return lambda index: x[index].mean()

    random = np.random.default_rng(8)
    assert 0.88 <= coverage(score_of, draw_rows, 2.5, random, strata=labels) <= 0.99
    assert coverage(score_of, draw_rows, 2.5, random) == 1


@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState])
def test_both_kinds_of_generators(make):
    x = np.arange(10.0)
    first, again = (interval(lambda index: x[index].mean(), 10, make(0)) for _ in range(2))
    assert first == again


def test_level_widens():
    x = np.arange(10.0)

    def of_level(level):
        return interval(lambda i: x[i].mean(), 10, np.random.default_rng(0), level=level)

    narrow, wide = of_level(0.5), of_level(0.99)
    assert wide.low < narrow.low < 4.5 == narrow.value < narrow.high < wide.high


def test_exact_binomial_interval():
    assert binomial_interval(0, 10) == (0, pytest.approx(1 - 0.025**0.1))
    assert binomial_interval(10, 10) == (pytest.approx(0.025**0.1), 1)
    low, high = binomial_interval(8, 20, level=0.9)
    assert binom.sf(7, 20, low) == pytest.approx(0.05)
    assert binom.cdf(8, 20, high) == pytest.approx(0.05)
    every = [binomial_interval(successes, 30) for successes in range(31)]
    for share in (0.02, 0.5, 0.9):  # never under its level
        covered = [low <= share <= high for low, high in every]
        assert binom.pmf(np.arange(31), 30, share)[covered].sum() >= 0.95


def test_several_scores_share_their_halves_and_one_that_a_half_lacks_is_left_out():
    x = np.random.default_rng(9).normal(size=30)

    def scores(index):
        found = {"mean": x[index].mean(), "twice": 2 * x[index].mean()}
        if len(index) == 30:
            found["whole"] = 1.0
        return found

    found = intervals(scores, 30, np.random.default_rng(10))
    assert list(found) == ["mean", "twice"]
    assert found["mean"] == interval(lambda index: x[index].mean(), 30, np.random.default_rng(10))
    assert found["twice"].deviation == pytest.approx(2 * found["mean"].deviation)
