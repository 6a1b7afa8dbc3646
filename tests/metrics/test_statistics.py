import numpy as np
import pytest

from metrics import StatisticsAccumulator, statistics


def accumulate(blocks):
    accumulator = StatisticsAccumulator()
    for block in blocks:
        accumulator.update(block)
    return accumulator.result()


@pytest.mark.parametrize("cuts", [[], [1], [0, 1, 2, 3], [250], [7, 7, 300, 499], list(range(1, 500))])
def test_any_split_equals_numpy_cov(cuts):
    features = np.random.default_rng(0).normal(3, 2, size=(500, 12)) @ np.diag(np.arange(1, 13))
    result = accumulate(np.split(features, cuts))
    assert result.n == 500
    np.testing.assert_allclose(result.mean, features.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(result.covariance, np.cov(features, rowvar=False), rtol=1e-11, atol=1e-11)
    assert (result.covariance == result.covariance.T).all()


@pytest.mark.parametrize("block", [1, 13, 400])
def test_large_offsets_do_not_cancel(block):
    small = np.random.default_rng(1).integers(-8, 9, size=(400, 5)).astype(float)  # exact also after the shift
    result = accumulate(small[i : i + block] + 1e6 for i in range(0, 400, block))
    np.testing.assert_allclose(result.covariance, np.cov(small, rowvar=False), rtol=0, atol=1e-9)
    np.testing.assert_allclose(result.mean, small.mean(axis=0) + 1e6, rtol=1e-15)


def test_rows_that_fill_several_internal_blocks():
    features = np.random.default_rng(2).normal(5, 1, size=(3300, 700))  # more than 2^21 values
    np.testing.assert_allclose(statistics(features).covariance, np.cov(features, rowvar=False), atol=1e-12)


def test_float32_is_accumulated_in_float64():
    features = (np.random.default_rng(3).normal(size=(3000, 3)) + 100).astype(np.float32)
    result = statistics(features)
    assert result.covariance.dtype == np.float64
    np.testing.assert_allclose(result.covariance, np.cov(features.astype(float), rowvar=False), rtol=1e-11, atol=1e-12)


def test_more_rows_may_follow_a_result():
    features = np.random.default_rng(4).normal(size=(20, 3))
    accumulator = StatisticsAccumulator()
    accumulator.update(features[:10])
    first = accumulator.result()
    accumulator.update(features[10:])
    np.testing.assert_allclose(first.covariance, np.cov(features[:10], rowvar=False))
    np.testing.assert_allclose(accumulator.result().covariance, np.cov(features, rowvar=False))
