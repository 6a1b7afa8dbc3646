"""Held-out real images to compare with: what a perfect generator would measure at the same N is the floor."""

import numpy as np

DRAWS = 3  # scores of real images are means over so many
NEARLY = (
    0.1  # share of a matching draw that may be of other classes, where held-out images are short
)
ALIKE = 0.05  # class histograms count as one when no more than this share of the images would have to change class


def draws(labels: np.ndarray, shares: np.ndarray, n: int) -> list[np.ndarray]:
    """DRAWS sets of n rows at random, as from a data set with these class shares; each without repetition, and disjoint
    where there are enough. None at all where there are too few of a class."""
    random = np.random.default_rng(0)
    if alike(np.bincount(labels, minlength=len(shares)), shares):
        order = random.permutation(len(labels))
        sets = [
            order[i * n : (i + 1) * n]
            if DRAWS * n <= len(labels)
            else random.permutation(len(labels))[:n]
            for i in range(DRAWS)
        ]
        return [np.sort(rows) for rows in sets] if n <= len(labels) else []
    wanted, there = np.asarray(shares) / np.sum(shares), np.bincount(labels, minlength=len(shares))
    if (wanted * n > there + 1e-9).any():  # rounding must not ask for more than there is
        return []
    sets = []
    while (
        len(sets) < DRAWS
    ):  # class counts as chance gives them; where they ask for more than there is, as near as can be
        sets.append(with_counts(labels, random.multinomial(n, wanted), random, wanted))
    return sets


def matching_draws(labels: np.ndarray, counts: np.ndarray) -> list[np.ndarray]:
    """DRAWS sets of rows with counts[c] of class c; none where more than NEARLY of them would have to be of other classes."""
    there, random = np.bincount(labels, minlength=len(counts)), np.random.default_rng(0)
    if counts.sum() > len(labels) or (counts - there).clip(min=0).sum() > NEARLY * counts.sum():
        return []
    return [with_counts(labels, counts, random, there / there.sum()) for _ in range(DRAWS)]


def with_counts(
    labels: np.ndarray, counts: np.ndarray, random: np.random.Generator, shares: np.ndarray
) -> np.ndarray:
    """Rows with counts[c] of class c, at random and without repetition; what a class lacks, the others make up by `shares`."""
    there, n = np.bincount(labels, minlength=len(counts)), counts.sum()
    counts = np.minimum(counts, there)
    while counts.sum() < n:
        free = np.where(counts < there, shares, 0)
        counts += np.minimum(
            random.multinomial(n - counts.sum(), free / free.sum()), there - counts
        )
    rows = [
        random.permutation(np.flatnonzero(labels == label))[:count]
        for label, count in enumerate(counts)
    ]
    return np.sort(np.concatenate(rows))


def apportion(shares: np.ndarray, total: int) -> np.ndarray:
    """Whole numbers in proportion to `shares` that add up to `total` (largest remainders)."""
    exact = np.asarray(shares, np.float64) / np.sum(shares) * total
    counts = np.floor(exact).astype(np.int64)
    counts[np.argsort(counts - exact, kind="stable")[: total - counts.sum()]] += 1
    return counts


def alike(counts: np.ndarray, histogram: np.ndarray) -> bool:
    """Whether two class histograms have the same shares, up to ALIKE (total variation)."""
    if not counts.sum():
        return False
    return 0.5 * np.abs(counts / counts.sum() - histogram / histogram.sum()).sum() <= ALIKE


def matched(labels: np.ndarray, shares: np.ndarray, most: int) -> np.ndarray:
    """At most `most` rows whose labels (M,) have the class shares wanted: as many as there are, evenly spread."""
    available = np.bincount(labels, minlength=len(shares))
    wanted = np.asarray(shares, np.float64) / np.sum(shares)
    limit = min([most] + [int(available[c] / wanted[c]) for c in np.flatnonzero(wanted > 0)])
    rows = [np.flatnonzero(labels == c) for c in range(len(shares))]
    counts = np.minimum(apportion(wanted, limit), available)
    return np.sort(
        np.concatenate(
            [r[np.linspace(0, len(r) - 1, n).astype(np.int64)] for r, n in zip(rows, counts)]
        )
    )
