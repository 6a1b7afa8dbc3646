import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from metrics import edge_energies, sharpness


def shapes(count=30, size=32, seed=0):
    """Flat coloured discs on flat colours."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    centres = generator.uniform(8, size - 8, size=(count, 2, 1, 1))
    inside = (y - centres[:, 0]) ** 2 + (x - centres[:, 1]) ** 2 < 36
    back, front = generator.integers(0, 256, size=(2, count, 1, 1, 3), dtype=np.uint8)
    return np.where(inside[..., None], front, back)


def blurred(images, sigma):
    return gaussian_filter(images.astype(float), (0, sigma, sigma, 0)).round().astype(np.uint8)


def test_blur_lowers_and_noise_raises():
    images = shapes()
    sigmas = (0, 0.4, 0.6, 0.8, 1, 1.5, 2, 3)
    ratios = [sharpness(blurred(images, sigma), images) for sigma in sigmas]
    assert ratios[0] == 1
    assert (np.diff(ratios) < 0).all()
    assert ratios[-1] < 0.15
    noise = np.random.default_rng(1).normal(0, 8, size=images.shape)
    assert sharpness(np.clip(images + noise, 0, 255).astype(np.uint8), images) > 1.02


def test_stripes_and_steps_by_hand():
    stripes = np.zeros((2, 6, 8, 3), np.uint8)
    stripes[:, :, ::2] = 255
    # Every step to the right is a full one, none downward.
    assert edge_energies(stripes) == pytest.approx([1, 1])
    assert edge_energies(stripes.swapaxes(1, 2)) == pytest.approx([1, 1])
    green_edge = np.zeros((1, 2, 2, 3), np.uint8)
    green_edge[:, :, 1, 1] = 255
    assert edge_energies(green_edge) == pytest.approx([0.587**2])


def test_does_not_depend_on_count_or_blocks():
    images = shapes(count=200)  # 200 x 3,072 values: three blocks
    assert sharpness(np.concatenate([images, images]), images) == pytest.approx(1, rel=1e-12)
    one_by_one = [edge_energies(image[None])[0] for image in images]
    assert edge_energies(images) == pytest.approx(one_by_one, rel=1e-12)


def test_constant_images_give_a_finite_ratio():
    grey = np.full((4, 32, 32, 3), 77, np.uint8)
    assert sharpness(grey, grey) == 1
    assert sharpness(shapes(), grey) > 1000
    assert 0 < sharpness(grey, shapes()) < 0.001
