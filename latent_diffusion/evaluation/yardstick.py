"""Every score that a feature network's view of some images gives: of samples, of real images, and of halves of either."""

from dataclasses import dataclass

import numpy as np

from latent_diffusion.evaluation.features import Seen
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

MOST_NEIGHBOURS = 2_000  # images of either kind in the scores that compare pairs; their cost grows with the square
KERNEL_SUBSETS, SUBSET_SIZE = 20, 1_000
PRECISION_K, DENSITY_K = 3, 5  # as the papers have them


@dataclass(frozen=True)
class Yardstick:
    """What images are compared with: statistics of all real images, features (M, D) of some, edge energies of some.

    by_class: whether probabilities are those of the data set's classes (the judge's are, Inception's are not).
    """

    statistics: Statistics
    features: np.ndarray | None
    edge_energies: np.ndarray
    by_class: bool

    def scores(self, seen: Seen, asked: np.ndarray | None) -> dict[str, float]:
        """All that are defined."""
        return self.of_distribution(seen, asked) | self.of_pairs(
            seen.features[some(len(seen.rows), MOST_NEIGHBOURS)]
        )

    def of_distribution(
        self, seen: Seen, asked: np.ndarray | None, rows: np.ndarray | None = None
    ) -> dict[str, float]:
        """Scores whose cost grows with the number of images, of all of them, or of those numbered `rows` among the kept."""
        features = seen.features if rows is None else seen.features[rows]
        images = np.arange(seen.n) if rows is None else seen.rows[rows]
        found: dict[str, float] = {}
        if len(features) > 1:
            whole = seen.statistics if rows is None else statistics(features)
            found["fid"] = frechet_distance(whole, self.statistics)
        if seen.probabilities is not None:
            found |= self.of_probabilities(
                seen.probabilities[images], asked[images] if asked is not None else None
            )
        if len(self.edge_energies):
            found["sharpness"] = energy_ratio(seen.edge_energies[images], self.edge_energies)
        return found

    def of_pairs(self, features: np.ndarray) -> dict[str, float]:
        """Scores that compare every image with every other."""
        if self.features is None:
            return {}
        fewer, found = min(len(features), len(self.features)), {}
        if fewer >= 2:
            random = np.random.default_rng(0)
            found["kid"] = kernel_distance(
                features, self.features, random, KERNEL_SUBSETS, SUBSET_SIZE
            ).mean
        if fewer > PRECISION_K:
            pair = precision_recall(features, self.features, PRECISION_K)
            found |= {"precision": pair.precision, "recall": pair.recall}
        if fewer > DENSITY_K:
            pair = density_coverage(features, self.features, DENSITY_K)
            found |= {"density": pair.density, "coverage": pair.coverage}
        return found

    def of_probabilities(
        self, probabilities: np.ndarray, asked: np.ndarray | None
    ) -> dict[str, float]:
        inception = inception_score(probabilities)
        order = np.random.default_rng(0).permutation(
            len(probabilities)
        )  # splits must not be classes
        found = {
            "inception_score": inception.score,
            "inception_score_10_splits": inception_score_over_splits(probabilities[order]).mean,
            "marginal_entropy": inception.marginal_entropy,
            "conditional_entropy": inception.conditional_entropy,
        }
        if self.by_class:
            covered = class_coverage(probabilities)
            found |= {"class_coverage": covered.score, "class_share": covered.share_of_classes}
            if asked is not None:
                predicted, num_classes = probabilities.argmax(axis=1), probabilities.shape[1]
                found["accuracy"] = conditional_accuracy(asked, predicted, num_classes)
        return found
