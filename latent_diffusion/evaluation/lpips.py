"""LPIPS where its weights are on this machine: of reconstructions, and as diversity within classes. Never downloads."""

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
    """(uint8 images, uint8 images) -> (N,). None where the torch cache has no VGG-16; ValueError for a bad `backbone`."""
    try:
        network = lpips_distance(backbone=backbone).to(device)
    except ValueError:
        if backbone:
            raise
        return None

    @torch.inference_mode()
    def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        parts = [
            network(from_uint8(a[i : i + AT_ONCE], device), from_uint8(b[i : i + AT_ONCE], device))
            .flatten()
            .cpu()
            .numpy()
            for i in range(0, len(a), AT_ONCE)
        ]
        return np.concatenate(parts)

    return distance


def mean_lpips(
    a: np.ndarray, b: np.ndarray, backbone: Path | None, device: torch.device
) -> float | None:
    """Of at most MOST pairs, evenly spread; None without weights."""
    distance, step = find_lpips(backbone, device), -(-len(a) // MOST)
    return float(distance(a[::step], b[::step]).mean()) if distance else None


def diversity(
    distance: Distance, read: Callable[[np.ndarray], np.ndarray], labels: np.ndarray
) -> tuple[float, float] | None:
    """Mean LPIPS of random pairs of one class, and its standard error: low where a class is always the same picture."""
    random, pairs = np.random.default_rng(0), []
    rich = [rows for label in np.unique(labels) if len(rows := np.flatnonzero(labels == label)) > 1]
    for number in range(PAIRS if rich else 0):
        pairs.append(random.choice(rich[number % len(rich)], 2, replace=False))
    if not pairs:
        return None
    first, second = np.array(pairs).T
    found = distance(read(first), read(second))
    return float(found.mean()), float(found.std(ddof=1) / len(found) ** 0.5)
