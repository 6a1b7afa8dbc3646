"""Which noise levels latents need, from their spectrum: the deviations of principal components.

Noise of level sigma leaves of a component with deviation s little where sigma is above s: what the
component is, is decided where sigma is about s. There the error of the best denoiser of Gaussian
latents rises, over log sigma as a logistic distribution around log s. Their mixture, each component
weighing as much as it holds above noise of level 1 (its channel capacity), says where a denoiser
has most to learn. (Karras et al. 2022 chose their levels by the loss, others by a spectrum over
frequencies: Falck et al. 2025, "A Fourier space perspective on diffusion models".)
"""

import numpy as np

WIDTH = np.pi / np.sqrt(12)  # deviation of a logistic distribution of scale 1/2
FIRST_LEVEL = 2.7  # times the largest deviation: there noise hides all
MOST_ROWS = 2048


def deviations_of(latents: np.ndarray) -> np.ndarray:
    """Return the deviations of the principal components of latents (N, …), the largest first."""
    rows = latents.reshape(len(latents), -1).astype(np.float64)
    rows -= rows.mean(axis=0)
    gram = rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows
    variances = np.linalg.eigvalsh(gram / max(1, len(rows) - 1))[::-1]
    return np.sqrt(variances.clip(min=1e-12))


def fitted_log_sigma(deviations: np.ndarray) -> tuple[float, float]:
    """Return mean and deviation of log sigma in training for latents with these deviations."""
    weights, logs = np.log1p(deviations**2), np.log(deviations)
    mean = np.average(logs, weights=weights)
    spread = np.average((logs - mean) ** 2, weights=weights)
    return round(float(mean), 3), round(float(np.sqrt(spread + WIDTH**2)), 3)


def fitted_first_level(deviations: np.ndarray) -> float:
    """Return the noise level at which sampling begins for latents with these deviations."""
    return float(f"{FIRST_LEVEL * deviations.max():.3g}")
