import numpy as np
import pytest

from metrics import StatisticsAccumulator, frechet_distance, mixture, statistics


def accumulate(blocks):
    accumulator = StatisticsAccumulator()
    for block in blocks:
        accumulator.update(block)
    return accumulator.result()


@pytest.mark.parametrize(
    "cuts", [[], [1], [0, 1, 2, 3], [250], [7, 7, 300, 499], list(range(1, 500))]
)
def test_any_split_equals_numpy_cov(cuts):
    features = np.random.default_rng(0).normal(3, 2, size=(500, 12)) @ np.diag(np.arange(1, 13))
    result = accumulate(np.split(features, cuts))
    assert result.n == 500
    np.testing.assert_allclose(result.mean, features.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(
        result.covariance, np.cov(features, rowvar=False), rtol=1e-11, atol=1e-11
    )
    assert (result.covariance == result.covariance.T).all()


@pytest.mark.parametrize("block", [1, 13, 400])
def test_large_offsets_do_not_cancel(block):
    # Whole numbers are exact also after the shift.
    small = np.random.default_rng(1).integers(-8, 9, size=(400, 5)).astype(float)
    result = accumulate(small[i : i + block] + 1e6 for i in range(0, 400, block))
    np.testing.assert_allclose(result.covariance, np.cov(small, rowvar=False), rtol=0, atol=1e-9)
    np.testing.assert_allclose(result.mean, small.mean(axis=0) + 1e6, rtol=1e-15)


def test_rows_that_fill_several_internal_blocks():
    features = np.random.default_rng(2).normal(5, 1, size=(3300, 700))  # more than 2^21 values
    np.testing.assert_allclose(
        statistics(features).covariance, np.cov(features, rowvar=False), atol=1e-12
    )


def test_float32_is_accumulated_in_float64():
    features = (np.random.default_rng(3).normal(size=(3000, 3)) + 100).astype(np.float32)
    result = statistics(features)
    assert result.covariance.dtype == np.float64
    np.testing.assert_allclose(
        result.covariance, np.cov(features.astype(float), rowvar=False), rtol=1e-11, atol=1e-12
    )


def test_more_rows_may_follow_a_result():
    features = np.random.default_rng(4).normal(size=(20, 3))
    accumulator = StatisticsAccumulator()
    accumulator.update(features[:10])
    first = accumulator.result()
    accumulator.update(features[10:])
    np.testing.assert_allclose(first.covariance, np.cov(features[:10], rowvar=False))
    np.testing.assert_allclose(accumulator.result().covariance, np.cov(features, rowvar=False))


def classes(seed, counts=(2, 30, 7, 101), dim=6):
    random = np.random.default_rng(seed)
    return [
        random.normal(3 * c + 50, c + 1, size=(n, dim)) @ random.normal(size=(dim, dim))
        for c, n in enumerate(counts)
    ]


@pytest.mark.parametrize("factor", [1, 1e-3, 1e300])
def test_a_mixture_in_proportion_is_all_rows_together(factor):
    rows = classes(5)
    pooled = statistics(np.concatenate(rows))
    mixed = mixture([statistics(part) for part in rows], [factor * len(part) for part in rows])
    assert mixed.n == pooled.n == 140
    np.testing.assert_allclose(mixed.mean, pooled.mean, rtol=1e-13, atol=1e-11)
    scale = np.trace(pooled.covariance)
    np.testing.assert_allclose(mixed.covariance, pooled.covariance, rtol=0, atol=1e-14 * scale)
    assert frechet_distance(mixed, pooled) < 1e-11 * scale


def test_another_mixture_is_numpys_weighted_covariance():
    rows, weights = classes(6), np.array([0.1, 0, 0.6, 0.3])
    mixed = mixture([statistics(part) for part in rows], weights)
    of_rows = np.concatenate(
        [np.full(len(part), w / len(part)) for part, w in zip(rows, weights, strict=True)]
    )
    pooled = np.concatenate(rows)
    np.testing.assert_allclose(
        mixed.mean, np.average(pooled, axis=0, weights=of_rows), rtol=1e-12, atol=1e-11
    )
    expected = np.cov(pooled, rowvar=False, aweights=of_rows)
    np.testing.assert_allclose(mixed.covariance, expected, rtol=0, atol=1e-13 * np.trace(expected))
    assert mixed.n == round(1 / np.square(of_rows).sum())


def test_one_class_alone_is_itself():
    rows = classes(7)
    alone = mixture([statistics(part) for part in rows], [0, 0, 5, 0])
    part = statistics(rows[2])
    assert alone.n == 7
    np.testing.assert_allclose(alone.mean, part.mean, rtol=1e-15)
    np.testing.assert_allclose(alone.covariance, part.covariance, rtol=1e-13, atol=1e-11)
