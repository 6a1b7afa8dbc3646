"""What samples are compared with, so that like is compared with like.

The statistics of the training images, in the class shares of the samples where those differ.
"""

from dataclasses import dataclass

import numpy as np

from latent_diffusion.data.reference import Reference
from latent_diffusion.evaluation import reals
from latent_diffusion.evaluation.references import ReferenceStatistics
from latent_diffusion.evaluation.yardstick import MOST_NEIGHBOURS
from latent_diffusion.subsets import some
from metrics import Statistics


@dataclass(frozen=True)
class Target:
    """Statistics of real images with the class shares (K,), and a description of them."""

    shares: np.ndarray
    statistics: Statistics
    description: str


def choose_target(
    asked: np.ndarray | None, reference: Reference, against: ReferenceStatistics
) -> Target:
    """Return what samples with the labels `asked` (n,) are compared with.

    The training images as they are, unless the samples have other class shares and `against` can be
    reweighted to them.
    """
    histogram = np.array(reference.facts.histogram)
    if against.known_labels is None:
        description = "the statistics of a file, whatever its images are"
        return Target(histogram, against.statistics, description)
    if asked is None:
        return Target(histogram, against.statistics, "training images")
    counts = np.bincount(asked, minlength=len(histogram))
    if reals.alike(counts, histogram):
        description = "training images; the samples follow their class histogram"
        return Target(histogram, against.statistics, description)
    if against.classes is None:
        description = (
            "training images with their own class histogram, which is not that of the samples"
        )
        return Target(histogram, against.statistics, description)
    description = "reweighted training images: the class shares are those of the samples"
    return Target(counts, against.weighted(counts), description)


def neighbours(against: ReferenceStatistics, shares: np.ndarray, n: int) -> np.ndarray | None:
    """Return features (M, D) of as many real images as there are samples, or as were kept.

    They have the class shares wanted, where labels are known. None where no features were kept.
    """
    if against.features is None:
        return None
    most = min(n, MOST_NEIGHBOURS)
    if against.known_labels is None:
        return against.features[some(len(against.features), most)]
    return against.features[reals.rows_with_shares(against.known_labels, shares, most)]
