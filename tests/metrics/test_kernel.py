import numpy as np
import pytest

from metrics import kernel_distance


def test_two_rows_by_hand():
    # Kernel (x y + 1)^3: k(0, 1) = 1 and k(2, 3) = 343 within; across 1, 1, 27, 64, of mean 93 / 4.
    result = kernel_distance([[0.0], [1.0]], [[2.0], [3.0]], np.random.default_rng(0))
    assert result.mean == pytest.approx(1 + 343 - 2 * 93 / 4, rel=1e-14)
    assert result.subset_size == 2
    assert result.deviation == pytest.approx(0, abs=1e-12)  # every subset is the whole set


def test_no_bias_where_the_distributions_agree():
    random = np.random.default_rng(1)
    values = [
        kernel_distance(*random.normal(size=(2, 10, 4)), random, subsets=1).mean
        for _ in range(1000)
    ]
    assert abs(np.mean(values)) < 4 * np.std(values) / 1000**0.5
    assert min(values) < 0 < max(values)


def test_expected_value_of_shifted_coins():
    # x = -1 or 1, y = 0 or 2, so the kernel is by hand 0 or 8 within x, 1, 1, 1 or 125 within y,
    # and 1, -1, 1 or 27 across: means of 4, 32 and 7.
    random = np.random.default_rng(2)
    x = random.choice([-1.0, 1.0], size=(4000, 1))
    y = random.choice([0.0, 2.0], size=(4000, 1))
    distance = kernel_distance(x, y, random, subset_size=4000, subsets=1).mean
    assert distance == pytest.approx(4 + 32 - 2 * 7, rel=0.05)


def test_the_smaller_set_sets_the_subset_size():
    random = np.random.default_rng(3)
    few, many = random.normal(size=(7, 3)), random.normal(size=(50, 3))
    result = kernel_distance(few, many, random, subset_size=20)
    assert result.subset_size == 7
    assert result.deviation > 0


def test_same_draws_for_the_same_seed():
    x, y = np.random.default_rng(4).normal(size=(2, 40, 3))
    first, second = (kernel_distance(x, y, np.random.RandomState(7), 5, 10) for _ in range(2))
    assert first == second != kernel_distance(x, y, np.random.RandomState(8), 5, 10)
