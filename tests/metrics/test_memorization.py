import numpy as np
import pytest
from scipy.spatial.distance import cdist

from metrics import near_copies, nearest_neighbours


def pictures(count, seed, size=8):
    """Smooth random images, uint8: like real ones, no two are alike."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(0, 255, size=(count, size // 4, size // 4, 3))
    coarse = coarse.repeat(4, axis=1).repeat(4, axis=2)
    grain = random.normal(0, 6, size=(count, size, size, 3))
    return np.clip(coarse + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("offset", [0, 1e7])
def test_features_against_all_pairs(offset):
    random = np.random.default_rng(0)
    samples, training = random.normal(size=(60, 5)), random.normal(size=(300, 5))
    distances = cdist(samples, training)
    found = nearest_neighbours(samples + offset, training + offset)
    assert (found.index == distances.argmin(axis=1)).all()
    np.testing.assert_allclose(found.distance, distances.min(axis=1), rtol=1e-14 + 1e-15 * offset)


def test_images_in_several_blocks_equal_all_pairs(monkeypatch):
    monkeypatch.setattr("metrics.memorization.BLOCK", 192 * 7)  # blocks of 7 images
    monkeypatch.setattr("metrics.neighbours.BLOCK", 192 * 5)
    samples, training = pictures(23, seed=1), pictures(50, seed=2)
    distances = cdist(samples.reshape(23, -1).astype(float), training.reshape(50, -1).astype(float))
    found = nearest_neighbours(samples, training)
    assert (found.index == distances.argmin(axis=1)).all()
    np.testing.assert_allclose(found.distance, distances.min(axis=1), rtol=1e-15)


@pytest.mark.parametrize(
    "convert",
    [
        lambda images: images,
        lambda images: (images / 255).astype(np.float32),
        lambda images: images / 255 + 1e6,
    ],
)
def test_copies_are_at_distance_zero(convert):
    training = convert(pictures(200, seed=3))
    found = nearest_neighbours(training[[5, 5, 199, 0]], training)
    assert found.index.tolist() == [5, 5, 199, 0]
    assert (found.distance == 0).all()


def test_the_first_of_equal_neighbours():
    assert nearest_neighbours([[0.0]], np.zeros((9, 1))).index == 0


def test_planted_copies_are_found():
    random = np.random.default_rng(4)
    training = pictures(2000, seed=5)
    held_out = pictures(500, seed=6)
    samples = pictures(400, seed=7)
    copied = random.choice(2000, size=40, replace=False)
    samples[:20] = training[copied[:20]]
    noise = random.integers(-4, 5, size=samples[20:40].shape)
    samples[20:40] = np.clip(training[copied[20:]] + noise, 0, 255).astype(np.uint8)
    found = nearest_neighbours(samples, training)
    real = nearest_neighbours(held_out, training)
    assert (found.index[:40] == copied).all()
    result = near_copies(found.distance, real.distance)
    assert (found.distance[:40] <= result.threshold).all()
    assert result.share == pytest.approx(0.1, abs=0.03)
    assert result.low > result.rate_high
    assert result.rate == 5 / 501
    assert result.excess == result.share - result.rate


def test_the_stated_rate_holds_for_real_images():
    random = np.random.default_rng(8)
    shares, chances = [], []
    for _ in range(2000):
        held_out, samples = random.exponential(size=(2, 199)) ** 3
        result = near_copies(samples, held_out)
        shares.append(result.share)
        chance = -np.expm1(-np.cbrt(result.threshold))  # of another real image, in closed form
        chances.append(result.rate_low <= chance <= result.rate_high)
    assert np.mean(shares) == pytest.approx(0.01, abs=0.001)
    assert np.mean(chances) == pytest.approx(0.95, abs=0.02)


def test_few_held_out_images_state_a_higher_rate():
    result = near_copies([1.0, 2.0, 3.0, 4.0], [2.0, 5.0, 6.0])
    assert (result.threshold, result.rate, result.share) == (2, 0.25, 0.5)
    assert near_copies([1.0], [2.0], rate=0.01).rate == 0.5


def test_equal_distances_count_as_near():
    assert near_copies([0.0, 0.0, 1.0], np.zeros(200)).share == pytest.approx(2 / 3)
