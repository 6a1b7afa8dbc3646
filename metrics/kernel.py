"""Kernel distance between two sets of features (KID when they are Inception's).

Called by evaluation on the features of samples and of the reference. Without bias, so 0 where the
distributions agree.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from metrics import checks
from metrics.checks import Floats, Random


@dataclass(frozen=True)
class KernelDistance:
    """Mean and deviation (of the population) over subsets of `subset_size` rows of either set.

    The mean may lie a little under 0. The deviation is that of one subset, not the error of the
    mean.
    """

    mean: float
    deviation: float
    subset_size: int


def kernel_distance(
    samples: ArrayLike,
    reference: ArrayLike,
    random: Random,
    subsets: int = 100,
    subset_size: int = 1000,
) -> KernelDistance:
    """Return the squared maximum mean discrepancy with the kernel (x.y / D + 1)^3.

    (Binkowski et al. 2018.) samples: (N, D), reference: (M, D), N and M >= 2. Subsets are drawn
    without replacement by `random`, first of the samples, then of the reference, as torch-fidelity
    does. If a set has fewer than `subset_size` rows, the subsets of both have the size of the
    smaller set. The kernel does not forgive a shift or a scale of the features. Raise ValueError
    for other arrays, NaN and infinity, fewer rows, and on overflow.
    """
    samples, reference = checks.feature_pair(samples, reference, ("samples", "reference"))
    size = min(checks.count(subset_size, "subset_size", 2), len(samples), len(reference))
    if size < 2:
        raise ValueError(
            "a kernel distance needs at least 2 rows a set, "
            f"got {len(samples)} and {len(reference)}"
        )
    values = []
    for _ in range(checks.count(subsets, "subsets", 1)):
        x = samples[random.choice(len(samples), size, replace=False)]
        y = reference[random.choice(len(reference), size, replace=False)]
        values.append(_squared_discrepancy(x, y))
    checks.finite(np.array(values), "kernel distances")
    return KernelDistance(float(np.mean(values)), float(np.std(values)), size)


@np.errstate(over="ignore", invalid="ignore")  # an overflow is refused by the caller
def _squared_discrepancy(x: Floats, y: Floats) -> float:
    """Return the mean kernel within x and within y, diagonals left out, less twice that across.

    (Gretton et al. 2012, lemma 6.) x and y are (size, D) each.
    """
    size: int = x.shape[0]
    dim = x.shape[1]
    pairs = size * (size - 1)

    def kernel_sum(a: Floats, b: Floats) -> float:
        return float(((a @ b.T / dim + 1) ** 3).sum())

    def within(a: Floats) -> float:
        diagonal = float(((np.square(a).sum(axis=1) / dim + 1) ** 3).sum())
        return (kernel_sum(a, a) - diagonal) / pairs

    return within(x) + within(y) - 2 * kernel_sum(x, y) / size**2
