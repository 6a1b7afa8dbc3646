"""How power is spread: over spatial frequencies, and over channels. White noise is flat in both.

Called by inspection on images and on their latents, one beside the other.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import dctn

from metrics import checks
from metrics.checks import Floats

BLOCK = 2**18  # values converted to float64 at a time


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Power by spatial frequency, ring by ring.

    frequency (B,): of each ring, in cycles per sample; 0 is the mean, 0.5 the highest along an
    axis, and rings above that hold corners only. power (C, B): mean square coefficient. count (B,):
    coefficients a ring.
    """

    frequency: Floats
    power: Floats
    count: NDArray[np.int64]


def radial_spectrum(fields: ArrayLike) -> Spectrum:
    """Return the radially averaged power of each channel of fields (N, C, H, W), over all N.

    Power is the square of the orthonormal DCT-II coefficients, so that white noise of variance v
    has power v in every ring, and sum(power * count) / (H W) is the mean square of a channel
    (Parseval). The cosine transform continues a field by its mirror image; the Fourier transform
    would repeat it, and the jumps from edge to edge would hide what is weak at high frequencies
    (Ahmed et al. 1974). Coefficient (i, j) has i / 2H and j / 2W cycles per sample; a ring is 1 /
    (2 min(H, W)) wide. Raise ValueError for another shape, no values, NaN and infinity.
    """
    fields = _fields(fields)
    count, channels, height, width = fields.shape
    squares = np.zeros((channels, height, width))
    for block in checks.blocks(fields, BLOCK):
        coefficients = dctn(checks.finite(fields[block], "fields"), axes=(2, 3), norm="ortho")
        squares += np.square(coefficients).sum(axis=0)
    side = min(height, width)
    radius = np.hypot(np.arange(height)[:, None] / height, np.arange(width) / width)  # (H, W)
    ring = np.rint(radius * side).astype(np.int64).ravel()
    held = np.bincount(ring)
    sums = np.stack([np.bincount(ring, channel.ravel()) for channel in squares / count])
    there = held > 0
    return Spectrum(
        frequency=np.flatnonzero(there) / (2 * side),
        power=sums[:, there] / held[there],
        count=held[there],
    )


def linear_denoising_error(fields: ArrayLike, sigmas: ArrayLike) -> Floats:
    """Return the mean squared error (S,) of the best linear denoiser of fields (N, C, H, W).

    Noise is white, of the deviations `sigmas` (S,). The denoiser is the Wiener filter that knows
    the mean field and, of each DCT coefficient, the covariance of its channels: of a direction with
    variance v it keeps v / (v + sigma^2), and errs by v sigma^2 / (v + sigma^2). Raise ValueError
    as `radial_spectrum` does, and for noise levels that are not above 0.
    """
    fields = checks.finite(_fields(fields), "fields")
    levels = checks.finite(checks.real(sigmas, "sigmas", "(S,)"), "sigmas")
    if (levels <= 0).any():
        raise ValueError(f"sigmas must be above 0, got {levels.min():g}")
    coefficients = dctn(fields - fields.mean(axis=0), axes=(2, 3), norm="ortho")
    observed = np.moveaxis(coefficients, 0, -1).transpose(1, 2, 0, 3)  # (H, W, C, N)
    covariance = observed @ observed.transpose(0, 1, 3, 2) / len(fields)
    variances = np.linalg.eigvalsh(covariance).clip(min=0)  # (H, W, C)
    noise = np.square(levels)[:, None]
    errors: Floats = (variances.ravel() * noise / (variances.ravel() + noise)).mean(axis=1)
    return errors


def channel_covariance(fields: ArrayLike) -> Floats:
    """Return the covariance (C, C) of the channels of fields (N, C, H, W).

    Every pixel of every field is one observation, and the sum is divided by their number. Raise
    ValueError as `radial_spectrum` does.
    """
    fields = checks.finite(_fields(fields), "fields")
    channels = fields.shape[1]
    rows = np.moveaxis(fields, 1, 0).reshape(channels, -1)  # (C, N H W)
    rows = rows - rows.mean(axis=1, keepdims=True)
    covariance: Floats = rows @ rows.T / rows.shape[1]
    return covariance


def correlation(covariance: ArrayLike) -> Floats:
    """Return correlations (C, C), -1 .. 1, from a covariance (C, C).

    Those of a channel without variance are 0. Raise ValueError for another number of axes, NaN and
    infinity.
    """
    covariance = checks.finite(checks.real(covariance, "covariance", "(C, C)"), "covariance")
    deviation = np.sqrt(np.maximum(np.diag(covariance), 0))
    scale = np.outer(deviation, deviation)
    correlations = np.zeros_like(covariance)
    np.divide(covariance, scale, out=correlations, where=scale > 0)
    return correlations


def effective_rank(eigenvalues: ArrayLike) -> float:
    """Return how many directions are in use, 1 .. C, from a covariance's eigenvalues (C,).

    It is exp of the entropy of the eigenvalues as shares (Roy & Vetterli 2007, section 2): equal
    ones give C, a single one 1. Negative ones, which rounding makes, count as 0. Raise ValueError
    where none is above it.
    """
    values = checks.finite(checks.real(eigenvalues, "eigenvalues", "(C,)"), "eigenvalues")
    values = np.maximum(values, 0)
    if not values.any():
        raise ValueError("eigenvalues must have one above 0, got none")
    shares = values[values > 0] / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _fields(values: ArrayLike) -> NDArray[Any]:
    """Return fields (N, C, H, W) of any real type; raise ValueError for another shape or none."""
    fields = checks.real(values, "fields", "(N, C, H, W)")
    if fields.size == 0:
        raise ValueError(f"fields must hold at least one value, got shape {fields.shape}")
    return fields
