"""Sharpness: do samples have as much edge as real images? Judges hardly notice blur; people do.

Called by evaluation on 8-bit images, samples beside held-out real ones.
"""

import numpy as np
from numpy.typing import ArrayLike

from metrics import checks
from metrics.checks import Floats

LUMINANCE = np.array([0.299, 0.587, 0.114]) / 255  # Rec. 601, scaled so that white is 1
ROUNDING = 1 / (12 * 255**2)  # variance of 8-bit rounding: lower energies count as this much
BLOCK = 2**18  # values converted to float64 at a time


def edge_energies(images: ArrayLike) -> Floats:
    """Return the edge energy of each of the images, float64 (N,), 0 .. 2.

    It is the mean squared luminance difference (black 0, white 1) to the right neighbour plus that
    to the lower one, for uint8 images (N, H, W, 3), H and W >= 2. By Parseval's theorem this is the
    power spectrum weighted by about the square of the frequency, and high frequencies are what blur
    takes first. The value depends on resolution and content, so compare like with like. Raise
    ValueError for other arrays.
    """
    images = checks.images(images)
    count, height, width, _ = images.shape
    if min(height, width) < 2:
        raise ValueError(
            f"edge energy needs images of at least 2 x 2 pixels, got {height} x {width}"
        )
    energies = np.empty(count)
    for block in checks.blocks(images, BLOCK):
        luminance = images[block] @ LUMINANCE  # (n, H, W)
        right = np.square(np.diff(luminance, axis=2)).mean(axis=(1, 2))
        below = np.square(np.diff(luminance, axis=1)).mean(axis=(1, 2))
        energies[block] = right + below
    return energies


def sharpness(samples: ArrayLike, reals: ArrayLike) -> float:
    """Return the edge energy of samples over that of real images.

    1 is right, less is blurred, more is noisy or over-sharpened. samples, reals: uint8
    (N, H, W, 3) of one H and W; N may differ. Raise ValueError for other arrays.
    """
    samples, reals = checks.images(samples, "samples"), checks.images(reals, "reals")
    if samples.shape[1:] != reals.shape[1:]:
        raise ValueError(
            f"samples and reals must have one size, got {samples.shape[1:3]} and {reals.shape[1:3]}"
        )
    return energy_ratio(edge_energies(samples), edge_energies(reals))


def energy_ratio(samples: Floats, reals: Floats) -> float:
    """Return `sharpness` from `edge_energies` (N,) and (M,).

    Each mean is taken to be at least that of 8-bit rounding, so that constant images too give a
    finite ratio, 1 if both are.
    """
    energy = max(float(np.mean(samples)), ROUNDING)
    return energy / max(float(np.mean(reals)), ROUNDING)
