"""Fréchet distance between two Gaussians (FID when the features are Inception's): lower is closer.

Called by evaluation on the statistics of samples and of the reference. Biased upward for small N:
report it beside its floor, the distance of as many held-out real images.
"""

import numpy as np
from scipy.linalg.lapack import dpstrf

from metrics.checks import Floats
from metrics.statistics import Statistics


def frechet_distance(a: Statistics, b: Statistics) -> float:
    """Return |mu_a - mu_b|^2 + Tr S_a + Tr S_b - 2 Tr (S_a^1/2 S_b S_a^1/2)^1/2.

    (Heusel et al. 2017, eq. 6.) It is in squared units of the features, >= 0, and accurate to about
    1e-11 of Tr S_a + Tr S_b, also for singular covariances (N <= D): with S_a = A A^T and
    S_b = B B^T the last trace is the sum of the singular values of A^T B, whichever factors are
    taken. Pivoted Cholesky factors are cheap and reveal the rank, and they order the rows of A^T B
    by size, which keeps the small eigenvalues of A^T B (A^T B)^T accurate. (The textbook's
    S_a^1/2 S_b S_a^1/2 has zero eigenvalues whose rounding errors of 1e-16 become 1e-8 under the
    root, a thousand times over.)
    Raise ValueError if the dimensions differ.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(
            f"statistics must share their dimension, got {len(a.mean)} and {len(b.mean)} features"
        )
    product = _factor(a.covariance).T @ _factor(b.covariance)  # (rank a, rank b)
    if product.shape[0] > product.shape[1]:
        product = product.T
    singular_values = np.sqrt(np.maximum(np.linalg.eigvalsh(product @ product.T), 0))
    difference = a.mean - b.mean
    traces = np.trace(a.covariance) + np.trace(b.covariance)
    return max(0.0, float(difference @ difference + traces - 2 * singular_values.sum()))


def _factor(covariance: Floats) -> Floats:
    """Return F (D, rank) with F F^T = covariance: Cholesky, the largest remaining variance next.

    It ends where that variance is under D * eps * the largest: the rest is rounding (Higham 2002,
    section 10.3).
    """
    packed, pivots, rank, _ = dpstrf(covariance, lower=1)
    factor = np.zeros((len(covariance), rank))
    factor[pivots - 1] = np.tril(packed)[:, :rank]
    return factor
