"""Known faults: each dose spoils more than the one before, and nothing but what it says."""

import numpy as np
import pytest

from latent_diffusion.data.cartoons import FLAWS, draw, draw_flawed
from latent_diffusion.data.faults import DOSES, FAULTS
from latent_diffusion.data.sources import more_images, source_faults


def photographs(count: int = 12) -> np.ndarray:
    """Smooth pictures with an edge."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[0:64, 0:64] / 64
    images = []
    for _ in range(count):
        a, b, c = random.uniform(0.5, 4, 3)
        waves = np.sin(a * 6 * x + b * 3 * y)[..., None] * [60, 40, 50] + 120
        images.append(np.where((x > c / 5)[..., None], waves, waves + 60))
    return np.clip(np.rint(images), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", FAULTS)
def test_each_dose_of_a_fault_spoils_more_than_the_one_before(name):
    images, labels = photographs(), np.repeat([0, 1], 6)
    errors = []
    for dose in DOSES:
        spoilt = FAULTS[name].at(images, labels, dose, np.random.default_rng(0))
        assert spoilt.shape == images.shape and spoilt.dtype == np.uint8
        errors.append(np.abs(spoilt.astype(int) - images).mean())
    assert errors[0] > 0 and (np.diff(errors) > 0).all()


def test_a_swapped_patch_is_of_the_same_class():
    """Black pictures and white ones: a patch of the other class would show."""
    images = np.repeat(np.array([0, 255], np.uint8), 5)[:, None, None, None].repeat(64, 1)
    images = images.repeat(64, 2).repeat(3, 3)
    labels = np.repeat([0, 1], 5)
    spoilt = FAULTS["patches swapped"].at(images, labels, 4, np.random.default_rng(0))
    assert (spoilt == images).all()
    mixed = FAULTS["patches swapped"].at(images, labels * 0, 4, np.random.default_rng(0))
    assert (mixed != images).any()


@pytest.mark.parametrize("kind", FLAWS)
def test_each_dose_of_a_flaw_changes_more_of_the_same_drawing(kind):
    shares = []
    for strength in FLAWS[kind]:
        pairs = [(draw("cat", s), draw_flawed("cat", s, kind, strength)) for s in range(1, 13)]
        shares.append(np.mean([np.abs(a.astype(int) - b).mean() for a, b in pairs]))
    assert shares[0] > 0 and (np.diff(shares) > 0).all()


def test_a_flaw_of_no_strength_is_the_drawing_itself():
    for kind in FLAWS:
        for species in ("gecko", "fish", "dragon"):
            assert (draw_flawed(species, 3, kind, 0.0) == draw(species, 3)).all(), (kind, species)


def test_a_flawed_eye_leaves_the_rest_of_the_picture_alone():
    for kind in ("one eye smaller", "an eye moved"):
        changed = draw_flawed("rabbit", 5, kind, FLAWS[kind][2]) != draw("rabbit", 5)
        assert 0 < changed.any(axis=2).mean() < 0.08


def test_an_unknown_flaw_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="unknown flaw 'a nose': choose one of one eye smaller"):
        draw_flawed("cat", 1, "a nose", 1.0)


def test_the_cartoons_of_the_source_have_faults_and_share_no_picture_with_the_others():
    faults = source_faults("cartoons:22")
    assert list(faults) == list(FLAWS)
    images, labels = faults["an eye moved"](("cat", "dog"), 64, 6, 1)
    assert images.shape == (6, 64, 64, 3) and sorted(labels) == [0, 0, 0, 1, 1, 1]
    more, _ = more_images("cartoons:22")(("cat", "dog"), 64, 6)
    assert not any((one == other).all() for one in images for other in more)
    assert source_faults("photos") == {}
