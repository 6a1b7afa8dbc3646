import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from metrics import psnr, ssim


def pair(count, height, width, noise=12.0, seed=0):
    """Smooth pictures and noisy copies of them."""
    generator = np.random.default_rng(seed)
    rough = generator.normal(size=(count, height, width, 3))
    smooth = gaussian_filter(rough, (0, 3, 3, 0), mode="wrap")
    originals = np.clip(128 + 60 * smooth / max(smooth.std(), 1e-9), 0, 255)
    noisy = np.clip(originals + generator.normal(0, noise, size=originals.shape), 0, 255)
    return originals.round().astype(np.uint8), noisy.round().astype(np.uint8)


def skimage_ssim(x, y):
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return structural_similarity(x, y, channel_axis=-1, data_range=255, **settings)


@pytest.mark.parametrize("noise", [0.5, 12, 90])
@pytest.mark.parametrize("size", [(11, 11), (28, 28), (64, 40), (12, 130)])
def test_agrees_with_skimage(size, noise):
    x, y = pair(4, *size, noise)
    expected = [skimage_ssim(a, b) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(ssim(x, y), expected, rtol=0, atol=1e-10)
    expected = [peak_signal_noise_ratio(a, b, data_range=255) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(psnr(x, y), expected, rtol=1e-12)


@pytest.mark.parametrize("size", [3, 7, 9])
def test_an_image_under_11_pixels_gets_a_smaller_window(size):
    x, y = pair(2, size, size)  # exactly one window: equation 13 written out with weighted moments
    offsets = np.arange(size) - size // 2
    weights = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))[..., None]

    def mean(values):
        return (weights * values).sum(axis=(1, 2)) / weights.sum()  # (2, 3)

    mean_x, mean_y = mean(x), mean(y)
    dx, dy = x - mean_x[:, None, None], y - mean_y[:, None, None]
    luminance = (2 * mean_x * mean_y + 2.55**2) / (mean_x**2 + mean_y**2 + 2.55**2)
    structure = (2 * mean(dx * dy) + 7.65**2) / (mean(dx**2) + mean(dy**2) + 7.65**2)
    np.testing.assert_allclose(ssim(x, y), (luminance * structure).mean(axis=1), atol=1e-11)


@pytest.mark.parametrize("size", [(4, 30), (10, 64), (1, 9), (2, 2)])
def test_every_size_has_a_score(size):
    x, y = pair(3, *size)
    assert ((ssim(x, y) > -1) & (ssim(x, y) < 1)).all()


def test_identical_images():
    x, _ = pair(3, 16, 16)
    assert (psnr(x, x) == 100).all()
    np.testing.assert_allclose(ssim(x, x), 1, atol=1e-12)
    black = np.zeros((1, 1, 1, 3), np.uint8)
    assert (psnr(black, black)[0], ssim(black, black)[0]) == (100, 1)


def test_analytic_answers():
    black = np.zeros((1, 20, 20, 3), np.uint8)
    white = black + 255
    assert psnr(black, white) == pytest.approx(0)
    assert psnr(black, black + 1) == pytest.approx(20 * np.log10(255))
    luminance = 2.55**2 / (255**2 + 2.55**2)  # the only term left
    assert ssim(black, white) == pytest.approx(luminance)


def test_every_image_keeps_its_own_value_whatever_the_block():
    x, y = pair(50, 64, 64, seed=1)  # 50 x 12,288 values: three blocks
    x[30] = y[30]
    for score in (psnr, ssim):
        one_by_one = [score(x[i : i + 1], y[i : i + 1])[0] for i in range(50)]
        np.testing.assert_allclose(score(x, y), one_by_one, rtol=1e-12)
        assert score(x, y).argmax() == 30
