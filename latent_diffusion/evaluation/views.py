"""What a network makes of the images that are graded: of ours, or of a course's own classifier.

A course's network is never loaded, for that would run its code: its owner writes down what it saw.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latent_diffusion.data.arrays import check_arrays
from latent_diffusion.evaluation.features import FeatureNetwork, look
from latent_diffusion.evaluation.references import ReferenceStatistics
from latent_diffusion.evaluation.sources import ImageSource
from metrics import ClassCoverage, class_coverage, frechet_distance, inception_score, statistics


@dataclass(frozen=True)
class View:
    """The scores of a rubric by one network; None for those that it does not give."""

    fid: float | None
    inception_score: float | None = None
    class_coverage: ClassCoverage | None = None


def network_view(
    network: FeatureNetwork,
    against: ReferenceStatistics,
    images: ImageSource,
    threshold: float | None,
) -> View:
    """Return a network's view of images, compared with its statistics of real ones.

    threshold: the mean probability under which a class is LOW.
    """
    seen = look(network, images.batches(), images.count, title="grading")
    fid = frechet_distance(seen.statistics, against.statistics) if seen.statistics else None
    if seen.probabilities is None:
        return View(fid)
    of_classes = network.name == "judge"  # the probabilities of others are not the data's classes
    return View(
        fid,
        inception_score(seen.probabilities).score,
        class_coverage(seen.probabilities, threshold) if of_classes else None,
    )


class CourseFeatures:
    """What the course's own classifier saw, from an .npz that its owner writes.

    Features (N, D) and probabilities (N, K) of the images and, of its data set, mu and sigma.
    Raises ValueError for a file that lacks one of them.
    """

    def __init__(self, path: Path):
        try:
            check_arrays(path)
            with np.load(path, allow_pickle=False) as file:
                self.features = file["features"]
                self.probabilities = file["probabilities"]
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{path} must be an .npz with features, probabilities, mu and sigma ({error})"
            ) from None
        self.reference = ReferenceStatistics.load(path)
        if not len(self.features) == len(self.probabilities) > 1:
            raise ValueError(
                f"{path}: features and probabilities must be of the same images, at least 2"
            )

    def view(self, threshold: float | None) -> View:
        """Return the course's view; threshold: the mean probability under which a class is LOW."""
        return View(
            frechet_distance(statistics(self.features), self.reference.statistics),
            inception_score(self.probabilities).score,
            class_coverage(self.probabilities, threshold),
        )
