import tracemalloc

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from metrics import density_coverage, neighbours, precision_recall


def by_definition(samples, reference, k):
    """(precision, recall, density, coverage), from distances that scipy takes by differences."""
    across = cdist(samples, reference)
    radii_of_samples = np.sort(cdist(samples, samples), axis=1)[:, k]
    radii_of_reference = np.sort(cdist(reference, reference), axis=1)[:, k]
    inside = across <= radii_of_reference
    precision = inside.any(axis=1).mean()
    recall = (across <= radii_of_samples[:, None]).any(axis=0).mean()
    density = inside.sum() / (k * len(samples))
    coverage = inside.any(axis=0).mean()
    return precision, recall, density, coverage


def both(samples, reference, k):
    first = precision_recall(samples, reference, k)
    second = density_coverage(samples, reference, k)
    return first.precision, first.recall, second.density, second.coverage


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("block", [1, 1000, 2**21])
@pytest.mark.parametrize("offset", [0, 1e6])
def test_equals_the_definition(monkeypatch, k, block, offset):
    monkeypatch.setattr(neighbours, "BLOCK", block)
    random = np.random.default_rng(k)
    samples, reference = random.normal(0.3, 0.8, size=(90, 4)), random.normal(size=(130, 4))
    expected = by_definition(samples, reference, k)
    assert both(samples + offset, reference + offset, k) == pytest.approx(expected)


def test_the_rim_counts_also_where_products_round():
    # Integer points far from 0: many distances are equal, and sums of squares there are past 2^53.
    random = np.random.default_rng(0)
    samples, reference = random.integers(-3, 4, size=(60, 3)), random.integers(-3, 4, size=(70, 3))
    expected = by_definition(samples, reference, 3)
    assert both(samples + 2.0**28, reference + 2.0**28, 3) == pytest.approx(expected)
    assert both(samples / 7, reference / 7, 3) == pytest.approx(expected)


@pytest.mark.parametrize("scale", [1e-300, 1e-100, 1e200, 1e307])
def test_scale_does_not_matter(scale):
    samples, reference = np.random.default_rng(1).normal(size=(2, 50, 3))
    assert both(samples * scale, reference * scale, 3) == both(samples, reference, 3)


def test_an_outlier_does_not_blur_the_rest():
    samples, reference = np.random.default_rng(2).normal(size=(2, 100, 2))
    samples[0] = 1e9
    expected = by_definition(samples, reference, 3)
    assert both(samples, reference, 3)[2:] == pytest.approx(expected[2:])
    reference[0] = -1e9
    assert both(samples, reference, 3) == pytest.approx(by_definition(samples, reference, 3))


def test_identical_duplicate_and_constant_sets():
    rows = np.random.default_rng(3).normal(size=(40, 6)) + 100
    assert both(rows, rows, 3) == pytest.approx((1, 1, by_definition(rows, rows, 3)[2], 1))
    tripled = np.repeat(rows, 6, axis=0)  # every ball has radius 0
    assert both(tripled, tripled, 5) == pytest.approx((1, 1, 6 / 5, 1))
    assert both(tripled + 0.01, tripled, 5) == (0, 0, 0, 0)
    constant = np.full((10, 3), 0.1)
    assert both(constant, constant, 3) == pytest.approx((1, 1, 10 / 3, 1))
    assert both(constant, constant + 1, 3) == (0, 0, 0, 0)
    assert both(np.zeros((5, 2)), np.zeros((6, 2)), 3) == pytest.approx((1, 1, 2, 1))


def test_collapse_costs_recall_and_noise_costs_precision():
    random = np.random.default_rng(4)
    reference = random.normal(size=(500, 5))
    collapsed = precision_recall(0.05 * random.normal(size=(500, 5)), reference)
    assert collapsed.precision > 0.99 and collapsed.recall < 0.01
    noisy = precision_recall(4 * random.normal(size=(500, 5)), reference)
    assert noisy.precision < 0.3
    reals = precision_recall(random.normal(size=(500, 5)), reference)
    assert reals.precision > 0.8 and reals.recall > 0.8


def test_density_and_coverage_of_real_images():
    # Where, of M - 1 + N equally likely neighbours, the k nearest are all of the reference, no
    # sample is in the ball.
    n, m, k = 30, 40, 3
    random = np.random.default_rng(5)
    results = [
        density_coverage(random.normal(size=(n, 2)), random.normal(size=(m, 2)), k)
        for _ in range(400)
    ]
    missed = np.prod([(m - 1 - j) / (m - 1 + n - j) for j in range(k)])
    assert np.mean([r.coverage for r in results]) == pytest.approx(1 - missed, abs=0.01)
    assert np.mean([r.density for r in results]) == pytest.approx(1, abs=0.02)


def test_one_sample_has_a_density():
    result = density_coverage([[4.0]], np.arange(10.0)[:, None], k=2)
    assert result.density == pytest.approx(3 / 2)  # in the balls of 3, 4 and 5
    assert result.coverage == pytest.approx(3 / 10)


def test_memory_is_bounded():
    samples, reference = np.random.default_rng(6).normal(size=(2, 5000, 2)).astype(np.float32)
    tracemalloc.start()
    precision_recall(samples, reference)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6 < 8 * 5000**2
