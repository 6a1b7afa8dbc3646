"""PSNR and SSIM: how close is a reconstruction to its original, pixel by pixel, window by window?

Called by `ldm reconstruct` on 8-bit images; one value an image, so that the caller can take means
and find the worst.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from metrics import checks
from metrics.checks import Floats

DATA_RANGE = 255.0
PSNR_CAP = 100.0  # dB; reconstructions lie at 20 .. 50, and one grey level off in every value is 48
LEAST_ERROR = DATA_RANGE**2 / 10 ** (PSNR_CAP / 10)
RADIUS, SIGMA = 5, 1.5  # the 11 x 11 Gaussian window of Wang et al.
C1, C2 = (0.01 * DATA_RANGE) ** 2, (0.03 * DATA_RANGE) ** 2
BLOCK = 2**18  # values converted to float64 at a time: 2 MiB, which caches hold


def psnr(originals: ArrayLike, reconstructions: ArrayLike) -> Floats:
    """Return the peak signal-to-noise ratio of each pair in dB, float64 (N,).

    That is 10 log10(255^2 / mean squared error) of uint8 images (N, H, W, 3). At most 100 dB, which
    identical images get: an infinity would swallow every mean and is no JSON. Raise ValueError for
    other arrays and for shapes that differ.
    """
    error = _per_image(_squared_error, originals, reconstructions)
    ratio: Floats = 10 * np.log10(DATA_RANGE**2 / np.maximum(error, LEAST_ERROR))
    return ratio


def ssim(originals: ArrayLike, reconstructions: ArrayLike) -> Floats:
    """Return the structural similarity of each pair, -1 .. 1, float64 (N,): 1 for identical images.

    (Wang et al. 2004, eq. 13.) Images are uint8 (N, H, W, 3). The mean over the windows that lie
    inside the image and over the three channels, with K1 = 0.01, K2 = 0.03, population variances
    and an 11 x 11 Gaussian window of sigma 1.5; in an image under 11 pixels the window is cut to
    the largest odd size that fits. Raise ValueError for other arrays and for shapes that differ.
    """
    return _per_image(_ssim, originals, reconstructions)


def _squared_error(x: Floats, y: Floats) -> Floats:
    """Return the mean squared error (n,) of each pair of images (n, H, W, 3)."""
    error: Floats = np.square(x - y).mean(axis=(1, 2, 3))
    return error


def _ssim(x: Floats, y: Floats) -> Floats:
    """Return the structural similarity (n,) of each pair of images (n, H, W, 3), 0 .. 255."""
    x = np.ascontiguousarray(np.moveaxis(x, -1, 1))  # (n, 3, H, W)
    y = np.ascontiguousarray(np.moveaxis(y, -1, 1))
    height, width = x.shape[2:]
    radius = min(RADIUS, (min(height, width) - 1) // 2)
    rows, columns = _window(height, radius), _window(width, radius).T

    def local_mean(values: Floats) -> Floats:
        return rows @ values @ columns  # (n, 3, H - 2 radius, W - 2 radius)

    mean_x, mean_y = local_mean(x), local_mean(y)
    products, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    covariance = local_mean(x * y) - products
    variances = local_mean(x * x + y * y) - squares  # of x plus of y: all that eq. 13 asks for
    similarity = (2 * products + C1) * (2 * covariance + C2) / ((squares + C1) * (variances + C2))
    mean: Floats = similarity.mean(axis=(1, 2, 3))
    return mean


def _window(size: int, radius: int) -> Floats:
    """Return the band matrix (size - 2 radius, size) that slides the window along one axis.

    It is 4 times as fast as a filter at 64 pixels.
    """
    offsets = np.arange(size) - np.arange(radius, size - radius)[:, None]
    weights = np.exp(-0.5 * (offsets / SIGMA) ** 2) * (np.abs(offsets) <= radius)
    normalised: Floats = weights / weights.sum(axis=1, keepdims=True)
    return normalised


def _per_image(
    score: Callable[[Floats, Floats], Floats], originals: ArrayLike, reconstructions: ArrayLike
) -> Floats:
    """Return `score` (n,) of float64 blocks (n, H, W, 3), 0 .. 255, put together to (N,)."""
    originals = checks.images(originals, "originals")
    reconstructions = checks.images(reconstructions, "reconstructions")
    if originals.shape != reconstructions.shape:
        raise ValueError(
            f"images must pair up, got shapes {originals.shape} and {reconstructions.shape}"
        )
    scores = [
        score(originals[block].astype(float), reconstructions[block].astype(float))
        for block in checks.blocks(originals, BLOCK)
    ]
    return np.concatenate(scores)
