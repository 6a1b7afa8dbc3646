"""Which guidance each class needs, from samples that were made with one guidance for all.

A class that the denoiser tells from others only weakly needs more of it than the rest, where more
of it for all would cost the rest their variety. A seed's class is the same whatever the guidance,
so samples of any mixture are there already. Called by the search of a sweep.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from metrics import Statistics, frechet_distance, statistics


def best_by_class(
    features: Mapping[float, np.ndarray], labels: np.ndarray, against: Statistics, start: float
) -> tuple[list[float], float]:
    """Return the guidance of each class 0, 1, …, and the FID that they have together.

    features: for every guidance those of the same seeds, (N, D), whose classes are labels (N,).
    From `start` for all, one class after the other takes the guidance of the least FID, until none
    changes (coordinate descent).
    """
    rows = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]

    def fid(chosen: Sequence[float]) -> float:
        parts = [features[scale][own] for scale, own in zip(chosen, rows, strict=True)]
        return frechet_distance(statistics(np.concatenate(parts)), against)

    chosen = [start] * len(rows)
    least = fid(chosen)
    changed = True
    while changed:
        changed = False
        for label, own in enumerate(rows):
            if not len(own):
                continue
            kept = chosen[label]
            for scale in features:
                if scale == kept:
                    continue
                other = [*chosen[:label], scale, *chosen[label + 1 :]]
                found = fid(other)
                if found < least:
                    least, chosen, changed = found, other, True
    return chosen, least
