"""LPIPS where its weights are on this machine; nothing is downloaded.

Of reconstructions, and as diversity within classes.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from autoencoder import lpips_distance
from latent_diffusion.images import from_uint8

PAIRS = 100  # for diversity
MOST = 500  # for a mean
AT_ONCE = 16
Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]


def find_lpips(backbone: Path | None, device: torch.device) -> Distance | None:
    """Return LPIPS as a function of two arrays of images, uint8 (N, H, W, 3), to (N,).

    None where the torch cache has no VGG-16. Raises ValueError for a `backbone` that is none.
    """
    try:
        network = lpips_distance(backbone=backbone).to(device)
    except ValueError:
        if backbone:
            raise
        return None

    @torch.inference_mode()
    def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        blocks = []
        for start in range(0, len(a), AT_ONCE):
            rows = slice(start, start + AT_ONCE)
            found = network(from_uint8(a[rows], device), from_uint8(b[rows], device))
            blocks.append(found.flatten().cpu().numpy())
        return np.concatenate(blocks)

    return distance


def mean_lpips(
    a: np.ndarray, b: np.ndarray, backbone: Path | None, device: torch.device
) -> float | None:
    """Return the mean LPIPS of at most MOST pairs, evenly spread; None without weights."""
    distance = find_lpips(backbone, device)
    if distance is None:
        return None
    step = -(-len(a) // MOST)
    return float(distance(a[::step], b[::step]).mean())


def diversity(
    distance: Distance, read: Callable[[np.ndarray], np.ndarray], labels: np.ndarray
) -> tuple[float, float] | None:
    """Return the mean LPIPS of random pairs of one class, and its standard error.

    It is low where a class is always the same picture. `read(rows)` gives images. None where no
    class has two.
    """
    classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    classes = [rows for rows in classes if len(rows) > 1]
    if not classes:
        return None
    random = np.random.default_rng(0)
    pairs = [
        random.choice(classes[number % len(classes)], 2, replace=False) for number in range(PAIRS)
    ]
    first, second = np.array(pairs).T
    found = distance(read(first), read(second))
    return float(found.mean()), float(found.std(ddof=1) / len(found) ** 0.5)
