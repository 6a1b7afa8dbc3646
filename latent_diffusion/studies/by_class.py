"""Which guidance each class needs, from samples that were drawn with one guidance for all.

A class that the denoiser tells from others only weakly needs more of it than the rest, where more of it for all would cost
the rest their variety. A seed's class is the same whatever the guidance, so samples of any mixture are there already.
"""

from collections.abc import Mapping

import numpy as np

from metrics import Statistics, frechet_distance, statistics


def best_by_class(
    features: Mapping[float, np.ndarray], labels: np.ndarray, against: Statistics, start: float
) -> tuple[list[float], float]:
    """The guidance of each class 0, 1, …, and the FID that they have together.

    features: for every guidance those of the same seeds, (N, d), whose classes are labels (N,). From `start` for all, one
    class after the other takes the guidance of the least FID, until none changes (coordinate descent).
    """
    rows = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]

    def fid(chosen: list[float]) -> float:
        return frechet_distance(
            statistics(np.concatenate([features[scale][own] for scale, own in zip(chosen, rows)])),
            against,
        )

    chosen = [start] * len(rows)
    least, before = fid(chosen), None
    while chosen != before:
        before = chosen
        for label in (label for label, own in enumerate(rows) if len(own)):
            others = [
                [*chosen[:label], scale, *chosen[label + 1 :]]
                for scale in features
                if scale != chosen[label]
            ]
            found, other = min(((fid(other), other) for other in others), default=(least, chosen))
            if found < least:
                least, chosen = found, other
    return chosen, least
