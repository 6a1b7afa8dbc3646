import numpy as np
import pytest

from metrics import SplitScore, inception_score, inception_score_over_splits


@pytest.mark.parametrize("num_classes", [1, 2, 11, 1000])
def test_a_perfect_uniform_generator_scores_k(num_classes):
    sure = np.tile(np.eye(num_classes), (3, 1))  # zeros everywhere but in one class
    result = inception_score(sure)
    assert result.score == pytest.approx(num_classes, rel=1e-12)
    assert result.marginal_entropy == pytest.approx(np.log(num_classes), abs=1e-12)
    assert result.conditional_entropy == 0


def test_one_class_or_no_opinion_scores_one():
    assert inception_score(np.tile([0.0, 1.0, 0.0], (5, 1))).score == 1
    unsure = inception_score(np.full((5, 4), 0.25))
    assert unsure.score == pytest.approx(1)
    assert unsure.conditional_entropy == pytest.approx(np.log(4))
    assert inception_score([[0.3, 0.7]]).score == 1


def test_known_divergences():
    # p(y) = (1/2, 1/2); KL((1, 0) || p) = ln 2 and KL((1/4, 3/4) || p) = ln 2 - H(1/4), here with
    # weights 1/3 and 2/3.
    entropy = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))
    result = inception_score([[1, 0], [0.25, 0.75], [0.25, 0.75]])
    divergence = np.log(2) / 3 + 2 / 3 * (np.log(2) - entropy)
    assert np.log(result.score) == pytest.approx(divergence, abs=1e-14)
    assert result.marginal_entropy == pytest.approx(np.log(2))
    assert result.conditional_entropy == pytest.approx(2 / 3 * entropy)


def test_equals_the_mean_divergence_of_the_definition():
    p = np.random.default_rng(0).dirichlet(np.full(7, 0.3), size=200)
    divergences = (p * np.log(p / p.mean(axis=0))).sum(axis=1)
    assert inception_score(p).score == pytest.approx(np.exp(divergences.mean()), rel=1e-12)


def test_rows_that_sum_to_one_but_for_rounding_are_rescaled():
    assert inception_score(1.0005 * np.eye(3)).score == pytest.approx(3, rel=1e-12)


def test_float32_rows_never_score_under_one():
    rows = np.random.default_rng(1).dirichlet(np.ones(11), size=1).astype(np.float32)
    assert 1 <= inception_score(np.tile(rows, (1000, 1))).score < 1 + 1e-6


def test_splits_are_runs_of_rows():
    p = np.random.default_rng(2).dirichlet(np.full(5, 0.4), size=103)
    result = inception_score_over_splits(p, splits=4)
    scores = [inception_score(p[a:b]).score for a, b in [(0, 25), (25, 51), (51, 77), (77, 103)]]
    assert result.mean == pytest.approx(np.mean(scores))
    assert result.deviation == pytest.approx(np.std(scores))


def test_one_split_is_the_score():
    p = np.random.default_rng(3).dirichlet(np.ones(5), size=20)
    assert inception_score_over_splits(p, 1) == SplitScore(inception_score(p).score, 0)


def test_rows_in_class_order_need_a_shuffle():
    ordered = np.repeat(np.eye(10), 20, axis=0)
    assert inception_score_over_splits(ordered).mean == 1
    shuffled = ordered[np.random.default_rng(4).permutation(200)]
    assert 6 < inception_score_over_splits(shuffled).mean < inception_score(shuffled).score


@pytest.mark.parametrize("n", [1, 3, 9])
def test_fewer_images_than_splits_score_one(n):
    assert inception_score_over_splits(np.eye(10)[:n]) == SplitScore(1, 0)
