"""Which real images stand beside samples: rows with the samples' number and class shares.

What a perfect generator would measure at the same N is the floor.
"""

import numpy as np

SETS = 3  # scores of real images are means over so many sets of them
# Share of a matched set that may be of other classes, where held-out images are short.
NEARLY = 0.1
# Two class histograms count as one when no more than this share of the images would have to change
# class.
ALIKE = 0.05


def random_sets(labels: np.ndarray, shares: np.ndarray, n: int) -> list[np.ndarray]:
    """Return SETS sets of n rows at random, as from a data set with these class shares (K,).

    labels (M,) are those of the images to choose from. Each set is without repetition, and they are
    disjoint where there are enough images. Empty where there are too few of a class.
    """
    random = np.random.default_rng(0)
    there = np.bincount(labels, minlength=len(shares))
    if alike(there, shares):
        return plain_sets(len(labels), n, random)
    wanted = np.asarray(shares) / np.sum(shares)
    if (wanted * n > there + 1e-9).any():  # rounding must not ask for more than there is
        return []
    # Class counts as chance gives them; where they ask for more than there is, as near as can be.
    return [with_counts(labels, random.multinomial(n, wanted), random, wanted) for _ in range(SETS)]


def plain_sets(count: int, n: int, random: np.random.Generator) -> list[np.ndarray]:
    """Return SETS sets of n of `count` rows, disjoint where there are enough.

    Empty for n > count.
    """
    if n > count:
        return []
    order = random.permutation(count)
    if n * SETS <= count:
        sets = [order[start : start + n] for start in range(0, n * SETS, n)]
    else:
        sets = [random.permutation(count)[:n] for _ in range(SETS)]
    return [np.sort(rows) for rows in sets]


def matched_sets(labels: np.ndarray, counts: np.ndarray) -> list[np.ndarray]:
    """Return SETS sets of rows with counts[c] of class c.

    Empty where more than NEARLY of a set would have to be of other classes.
    """
    random = np.random.default_rng(0)
    there = np.bincount(labels, minlength=len(counts))
    missing = (counts - there).clip(min=0).sum()
    if counts.sum() > len(labels) or missing > NEARLY * counts.sum():
        return []
    return [with_counts(labels, counts, random, there / there.sum()) for _ in range(SETS)]


def with_counts(
    labels: np.ndarray, counts: np.ndarray, random: np.random.Generator, shares: np.ndarray
) -> np.ndarray:
    """Return rows with counts[c] of class c, at random and without repetition, ascending.

    What a class lacks, the others make up by `shares`.
    """
    there, n = np.bincount(labels, minlength=len(counts)), counts.sum()
    counts = np.minimum(counts, there)
    while counts.sum() < n:
        free = np.where(counts < there, shares, 0)
        more = random.multinomial(n - counts.sum(), free / free.sum())
        counts += np.minimum(more, there - counts)
    rows = [
        random.permutation(np.flatnonzero(labels == label))[:count]
        for label, count in enumerate(counts)
    ]
    return np.sort(np.concatenate(rows))


def apportion(shares: np.ndarray, total: int) -> np.ndarray:
    """Return whole numbers in proportion to `shares` that add up to `total`.

    By the method of largest remainders.
    """
    exact = np.asarray(shares, np.float64) / np.sum(shares) * total
    counts = np.floor(exact).astype(np.int64)
    counts[np.argsort(counts - exact, kind="stable")[: total - counts.sum()]] += 1
    return counts


def alike(counts: np.ndarray, histogram: np.ndarray) -> bool:
    """Return whether two class histograms have the same shares, up to ALIKE (total variation)."""
    if not counts.sum():
        return False
    return 0.5 * np.abs(counts / counts.sum() - histogram / histogram.sum()).sum() <= ALIKE


def rows_with_shares(labels: np.ndarray, shares: np.ndarray, most: int) -> np.ndarray:
    """Return at most `most` rows whose labels have these class shares, ascending.

    As many as there are, and evenly spread within a class.
    """
    available = np.bincount(labels, minlength=len(shares))
    wanted = np.asarray(shares, np.float64) / np.sum(shares)
    possible = [int(available[label] / wanted[label]) for label in np.flatnonzero(wanted > 0)]
    counts = np.minimum(apportion(wanted, min([most, *possible])), available)
    rows = []
    for label, count in enumerate(counts):
        of_class = np.flatnonzero(labels == label)
        rows.append(of_class[np.linspace(0, len(of_class) - 1, count).astype(np.int64)])
    return np.sort(np.concatenate(rows))
