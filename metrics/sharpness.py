"""Sharpness: do samples have as much edge as real images? Judges hardly notice blur; people do.

Called by evaluation on 8-bit images, samples beside held-out real ones.
"""

import numpy as np

from metrics import checks

LUMINANCE = np.array([0.299, 0.587, 0.114]) / 255  # Rec. 601, scaled so that white is 1
ROUNDING = 1 / (12 * 255**2)  # variance of 8-bit rounding: lower energies count as this much
BLOCK = 2**18  # values converted to float64 at a time


def edge_energy(images) -> float:
    """Mean squared luminance difference (black 0, white 1) to the right neighbour plus to the lower one, 0 .. 2.

    images: uint8 (N, H, W, 3), H and W >= 2. By Parseval's theorem this is the power spectrum weighted by about the
    square of the frequency, and high frequencies are what blur takes first. The value depends on resolution and
    content, so compare like with like. Raises ValueError for other arrays.
    """
    images = checks.images(images)
    count, height, width, _ = images.shape
    if min(height, width) < 2:
        raise ValueError(f"edge energy needs images of at least 2 x 2 pixels, got {height} x {width}")
    right = down = 0.0
    for block in checks.blocks(images, BLOCK):
        luminance = images[block] @ LUMINANCE  # (n, H, W)
        right += np.square(np.diff(luminance, axis=2)).sum()
        down += np.square(np.diff(luminance, axis=1)).sum()
    return float(right / (count * height * (width - 1)) + down / (count * (height - 1) * width))


def sharpness(samples, reals) -> float:
    """Edge energy of samples over that of real images: 1 is right, less is blurred, more is noisy or over-sharpened.

    samples, reals: uint8 (N, H, W, 3) of one H and W; N may differ. Each energy is taken to be at least that of 8-bit
    rounding, so that constant images too give a finite ratio, 1 if both are. Raises ValueError for other arrays.
    """
    samples, reals = checks.images(samples, "samples"), checks.images(reals, "reals")
    if samples.shape[1:] != reals.shape[1:]:
        raise ValueError(f"samples and reals must have one size, got {samples.shape[1:3]} and {reals.shape[1:3]}")
    return max(edge_energy(samples), ROUNDING) / max(edge_energy(reals), ROUNDING)
