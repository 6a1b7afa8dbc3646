"""Pictures that a data set holds more than once: the same pixels, or nearly, as another file.

Called by `prepare` when all images are written. Nearly is judged on small averages, in which
another size, format or quality of the same picture hardly shows.
"""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from latent_diffusion.data.split import TEST, TRAIN

COARSE, FINE = 8, 16  # sides of the averages that find the nearest picture, and that judge it
NEAR = 0.1  # of a picture's own contrast: what nearly the same pictures differ by at most
LEAST_CONTRAST = 2.0  # of 255: flatter pictures are alike anyway
MOST_PAIRS = 2 * 10**9  # of a test and a training image compared; some 20 seconds of two cores
BLOCK = 256  # images at a time
MOST_AT_ONCE = 2**14  # test images in one pass over the training images


class Repeats(NamedTuple):
    """What a data set holds more than once."""

    identical: int  # images whose pixels are those of an earlier one
    ambiguous: int  # images whose pixels are there under another class, too
    near: list[tuple[int, int]]  # rows of test images, and of the training images they nearly are


def find_repeats(
    images: np.ndarray, labels: np.ndarray, split: np.ndarray, fingerprints: np.ndarray
) -> Repeats:
    """Return what is there more than once of images uint8 (N, S, S, 3).

    labels: int64 (N,). split: uint8 (N,), TRAIN or TEST. fingerprints: uint64 (N,), of the files.
    """
    keys = pixel_keys(images)
    _, which, counts = np.unique(keys, return_inverse=True, return_counts=True)
    lowest, highest = np.full(len(counts), labels.max()), np.zeros(len(counts), np.int64)
    np.minimum.at(lowest, which, labels)
    np.maximum.at(highest, which, labels)
    return Repeats(
        identical=int((counts - 1).sum()),
        ambiguous=int((lowest < highest)[which].sum()),
        near=near_pairs(images, split, fingerprints),
    )


def pixel_keys(images: np.ndarray) -> np.ndarray:
    """Return 64 bits that stand for the pixels of each image, uint64 (N,)."""
    digests = (hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in images)
    return np.frombuffer(b"".join(digests), np.uint64)


def near_pairs(
    images: np.ndarray, split: np.ndarray, fingerprints: np.ndarray
) -> list[tuple[int, int]]:
    """Return rows of test images with those of the training images that they nearly are.

    Of very large sets only as many test images are compared, evenly spread, as MOST_PAIRS allows.
    Those that are a training image byte for byte are left out: they are counted as leaks.
    """
    train, test = np.flatnonzero(split == TRAIN), np.flatnonzero(split == TEST)
    test = test[:: max(1, -(-len(test) * len(train) // MOST_PAIRS))]
    test = test[~np.isin(fingerprints[test], fingerprints[train])]
    if not len(train) or not len(test):
        return []
    pairs = []
    for rows in blocks(test, MOST_AT_ONCE):
        for row, partner in zip(rows.tolist(), nearest(images, rows, train).tolist(), strict=True):
            if nearly_same(images[row], images[partner]):
                pairs.append((row, partner))
    return pairs


def nearest(images: np.ndarray, test: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Return the row of the training image that is most like each test image, int64 (N,).

    In one pass over the training images, so that memory does not grow with them.
    """
    wanted = outlines(images, test, COARSE)
    found, best = np.zeros(len(test), np.int64), np.full(len(test), -np.inf, np.float32)
    for rows in blocks(train):
        alike = outlines(images, rows, COARSE) @ wanted.T  # (rows, N)
        which = alike.argmax(axis=0)
        likeness = alike[which, np.arange(len(test))]
        better = likeness > best
        found[better], best[better] = rows[which[better]], likeness[better]
    return found


def blocks(rows: np.ndarray, size: int | None = None) -> Iterator[np.ndarray]:
    """Yield rows (N,), so many at a time, or BLOCK."""
    size = size or BLOCK
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def outlines(images: np.ndarray, rows: np.ndarray, side: int) -> np.ndarray:
    """Return averages of some images without their mean and contrast, float32 (n, side²·3)."""
    parts = []
    for some in blocks(rows):
        small = averages(images[some], side).reshape(len(some), -1)
        small -= small.mean(axis=1, keepdims=True)
        parts.append(small / np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-6))
    return np.concatenate(parts)


def averages(images: np.ndarray, side: int) -> np.ndarray:
    """Return images (N, S, S, 3) averaged over side x side blocks, float32 (N, side, side, 3)."""
    edges = np.linspace(0, images.shape[1], min(side, images.shape[1]) + 1).astype(int)
    sizes = np.diff(edges)
    rows = np.add.reduceat(images.astype(np.float32), edges[:-1], axis=1)
    sums = np.add.reduceat(rows, edges[:-1], axis=2)
    return sums / (sizes[:, None] * sizes[None, :])[..., None]


def nearly_same(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two images uint8 (S, S, 3) are the same picture but for small changes."""
    first, second = averages(np.stack([one, other]), FINE)
    contrast = min(first.std(), second.std())
    return bool(
        contrast > LEAST_CONTRAST and np.sqrt(np.square(first - second).mean()) < NEAR * contrast
    )
