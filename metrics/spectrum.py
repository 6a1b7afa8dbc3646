"""How power is spread: over spatial frequencies, and over channels. White noise is flat in both.

Called by inspection on images and on their latents, one beside the other.
"""

from dataclasses import dataclass

import numpy as np
from scipy.fft import dctn

from metrics import checks

BLOCK = 2**18  # values converted to float64 at a time


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Power by spatial frequency, ring by ring.

    frequency (B,): of each ring, in cycles per sample; 0 is the mean, 0.5 the highest along an axis, and rings above
    that hold corners only. power (C, B): mean square coefficient. count (B,): coefficients a ring.
    """

    frequency: np.ndarray
    power: np.ndarray
    count: np.ndarray


def radial_spectrum(fields) -> Spectrum:
    """Radially averaged power of each channel of fields (N, C, H, W), over all N.

    Power is the square of the orthonormal DCT-II coefficients, so that white noise of variance v has power v in every
    ring, and sum(power * count) / (H W) is the mean square of a channel (Parseval). The cosine transform continues a
    field by its mirror image; the Fourier transform would repeat it, and the jumps from edge to edge would hide what is
    weak at high frequencies (Ahmed et al. 1974). Coefficient (i, j) has i / 2H and j / 2W cycles per sample; a ring is
    1 / (2 min(H, W)) wide. Raises ValueError for another shape, no values, NaN and infinity.
    """
    fields = checks.real(fields, "fields", "(N, C, H, W)")
    if fields.size == 0:
        raise ValueError(f"fields must hold at least one value, got shape {fields.shape}")
    count, _, height, width = fields.shape
    squares = sum(
        np.square(dctn(checks.finite(fields[block], "fields"), axes=(2, 3), norm="ortho")).sum(
            axis=0
        )
        for block in checks.blocks(fields, BLOCK)
    )  # (C, H, W)
    side = min(height, width)
    ring = np.rint(
        np.hypot(np.arange(height)[:, None] / height, np.arange(width) / width) * side
    ).astype(np.int64)  # (H, W)
    held = np.bincount(ring.ravel())
    sums = np.stack([np.bincount(ring.ravel(), channel.ravel()) for channel in squares / count])
    there = held > 0
    return Spectrum(np.flatnonzero(there) / (2 * side), sums[:, there] / held[there], held[there])


def channel_covariance(fields) -> np.ndarray:
    """Covariance (C, C) of the channels of fields (N, C, H, W), every place of every field being one observation.

    Divided by their number. Raises ValueError as `radial_spectrum` does.
    """
    fields = checks.real(fields, "fields", "(N, C, H, W)")
    if fields.size == 0:
        raise ValueError(f"fields must hold at least one value, got shape {fields.shape}")
    rows = np.moveaxis(checks.finite(fields, "fields"), 1, 0).reshape(
        fields.shape[1], -1
    )  # (C, N H W)
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows @ rows.T / rows.shape[1]


def correlation(covariance) -> np.ndarray:
    """Correlations (C, C), -1 .. 1, from a covariance; those of a channel without variance are 0."""
    covariance = checks.finite(checks.real(covariance, "covariance", "(C, C)"), "covariance")
    deviation = np.sqrt(np.maximum(np.diag(covariance), 0))
    scale = np.outer(deviation, deviation)
    return np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 0)


def effective_rank(eigenvalues) -> float:
    """exp of the entropy of a covariance's eigenvalues (C,) as shares: 1 .. C, how many directions are in use.

    Roy & Vetterli 2007, section 2. Equal eigenvalues give C, a single one 1. Negative ones, which rounding makes, count as
    0; ValueError where none is above it.
    """
    values = np.maximum(
        checks.finite(checks.real(eigenvalues, "eigenvalues", "(C,)"), "eigenvalues"), 0
    )
    if not values.any():
        raise ValueError("eigenvalues must have one above 0, got none")
    shares = values[values > 0] / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))
