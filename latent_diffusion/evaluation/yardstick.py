"""Every score that a feature network's view of some images gives.

The same for samples, for real images, and for halves of either: scoring.py and the studies use it.
"""

from dataclasses import dataclass

import numpy as np

from latent_diffusion.evaluation.features import FEWEST, Seen
from latent_diffusion.subsets import some
from metrics import (
    Statistics,
    class_coverage,
    conditional_accuracy,
    density_coverage,
    energy_ratio,
    frechet_distance,
    inception_score,
    inception_score_over_splits,
    kernel_distance,
    precision_recall,
    statistics,
)

# Images of either kind in the scores that compare pairs; their cost grows with the square.
MOST_NEIGHBOURS = 2_000
KERNEL_SUBSETS = 20
SUBSET_SIZE = 1_000
PRECISION_K = 3  # as the papers have them
DENSITY_K = 5


@dataclass(frozen=True)
class Yardstick:
    """What images are compared with.

    Statistics of all real images, features (M, D) of some (None without neighbours), and edge
    energies of some. by_class: whether probabilities are those of the data set's classes (the
    judge's are, Inception's are not).
    """

    statistics: Statistics
    features: np.ndarray | None
    edge_energies: np.ndarray
    by_class: bool

    def scores(self, seen: Seen, asked: np.ndarray | None) -> dict[str, float]:
        """Return all scores that are defined, by name; `asked` (n,) are the labels asked for."""
        compared = seen.features[some(len(seen.rows), MOST_NEIGHBOURS)]
        return self.of_distribution(seen, asked) | self.of_pairs(compared)

    def of_distribution(
        self, seen: Seen, asked: np.ndarray | None, rows: np.ndarray | None = None
    ) -> dict[str, float]:
        """Return the scores whose cost grows with the number of images.

        They are of all images, or of those numbered `rows` among the kept.
        """
        found: dict[str, float] = {}
        if rows is None:
            images = np.arange(seen.n)
            whole = seen.statistics
        else:
            images = seen.rows[rows]
            whole = statistics(seen.features[rows]) if len(rows) >= FEWEST else None
        if whole is not None:
            found["fid"] = frechet_distance(whole, self.statistics)
        if seen.probabilities is not None:
            found |= self.of_probabilities(
                seen.probabilities[images], asked[images] if asked is not None else None
            )
        if len(self.edge_energies):
            found["sharpness"] = energy_ratio(seen.edge_energies[images], self.edge_energies)
        return found

    def of_pairs(self, features: np.ndarray) -> dict[str, float]:
        """Return the scores that compare every image with every other."""
        if self.features is None:
            return {}
        found: dict[str, float] = {}
        fewer = min(len(features), len(self.features))
        if fewer >= 2:
            random = np.random.default_rng(0)
            found["kid"] = kernel_distance(
                features, self.features, random, KERNEL_SUBSETS, SUBSET_SIZE
            ).mean
        if fewer > PRECISION_K:
            precise = precision_recall(features, self.features, PRECISION_K)
            found |= {"precision": precise.precision, "recall": precise.recall}
        if fewer > DENSITY_K:
            dense = density_coverage(features, self.features, DENSITY_K)
            found |= {"density": dense.density, "coverage": dense.coverage}
        return found

    def of_probabilities(
        self, probabilities: np.ndarray, asked: np.ndarray | None
    ) -> dict[str, float]:
        """Return the scores of probabilities (n, K), with the accuracy where labels are known."""
        whole = inception_score(probabilities)
        # Samples often come class by class, and splits must not be classes.
        order = np.random.default_rng(0).permutation(len(probabilities))
        found = {
            "inception_score": whole.score,
            "inception_score_10_splits": inception_score_over_splits(probabilities[order]).mean,
            "marginal_entropy": whole.marginal_entropy,
            "conditional_entropy": whole.conditional_entropy,
        }
        if self.by_class:
            covered = class_coverage(probabilities)
            found |= {"class_coverage": covered.score, "class_share": covered.share_of_classes}
            if asked is not None:
                predicted, num_classes = probabilities.argmax(axis=1), probabilities.shape[1]
                found["accuracy"] = conditional_accuracy(asked, predicted, num_classes)
        return found
