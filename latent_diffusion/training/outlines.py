"""Labels for images without classes: groups of images with alike outlines.

A judge that learns to tell these groups serves where the data has one class. Histograms of the
directions of edges (Dalal & Triggs 2005) in a coarse grid are grouped by k-means: learning to tell
groups of images is what DeepCluster does (Caron et al. 2018), here once, from outlines.
"""

import numpy as np
from scipy.cluster.vq import kmeans2, vq

from latent_diffusion.data.store import Dataset
from latent_diffusion.subsets import spread

MOST_GROUPS, FEWEST_IMAGES = 24, 8  # groups, and images of one on average
DIRECTIONS, GRID, COMPONENTS = 8, 4, 24
FITTED = 10_000  # images to which the groups are fitted
BATCH = 500


def outline_groups(data: Dataset) -> np.ndarray:
    """Return the group of each image of a data set, int64 (N,), the same each time.

    The groups are fitted to the train split. Raise ValueError for fewer than 16 images in it.
    """
    groups = min(MOST_GROUPS, len(data.train) // FEWEST_IMAGES)
    if groups < 2:
        raise ValueError(
            f"{data.folder} has {len(data.train)} images to learn from, and a judge needs at least "
            f"{2 * FEWEST_IMAGES}"
        )
    fitted = outlines(data, data.train[spread(len(data.train), FITTED)])
    mean = fitted.mean(axis=0)
    directions = np.linalg.svd(fitted - mean, full_matrices=False)[2][:COMPONENTS]
    centres, _ = kmeans2((fitted - mean) @ directions.T, groups, minit="++", seed=0)
    found = np.empty(len(data.labels), np.int64)
    for start in range(0, len(found), BATCH):
        rows = np.arange(start, min(start + BATCH, len(found)))
        found[rows] = vq((outlines(data, rows) - mean) @ directions.T, centres)[0]
    return found


def outlines(data: Dataset, rows: np.ndarray) -> np.ndarray:
    """Return for images the strength of edges by place and direction, (n, GRID * GRID * 8)."""
    return np.concatenate(
        [edge_histograms(data.images[rows[i : i + BATCH]]) for i in range(0, len(rows), BATCH)]
    )


def edge_histograms(images: np.ndarray) -> np.ndarray:
    """Return histograms of the directions of edges in GRID x GRID cells, each image's of norm 1.

    images: uint8 (N, S, S, 3). An edge counts by its strength, and for the two nearest directions.
    """
    n, side = images.shape[:2]
    down, across = np.gradient(images.mean(axis=3, dtype=np.float32), axis=(1, 2))
    strength = np.hypot(down, across)
    direction = np.arctan2(down, across) % np.pi / np.pi * DIRECTIONS
    lower, share = np.floor(direction).astype(np.int64), direction % 1
    cell = np.arange(side) * GRID // side
    place = (np.arange(n)[:, None, None] * GRID + cell[:, None]) * GRID + cell  # (N, S, S)
    found = np.zeros(n * GRID * GRID * DIRECTIONS)
    for bin_, weight in ((lower, 1 - share), (lower + 1, share)):
        numbers = place * DIRECTIONS + bin_ % DIRECTIONS
        found += np.bincount(numbers.ravel(), (weight * strength).ravel(), minlength=len(found))
    found = np.sqrt(found.reshape(n, -1))
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
