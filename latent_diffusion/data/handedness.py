"""Can pictures be told from their mirror images? Digits, letters and text can.

`ldm prepare` asks, for training on mirrored pictures would teach what is not there.
"""

import numpy as np
from PIL import Image

from latent_diffusion.subsets import some
from metrics import Detectability, detectability

MOST, FEWEST = 500, 40  # pictures: about a second of one core, and what says anything
# An AUC above it is handed: MNIST has 0.99 and printed letters 0.96, photographs of clothes 0.61,
# EuroSAT and the drawn cartoons 0.55 (500 pictures of each).
HANDED = 0.75
SIDE, CELLS, DIRECTIONS = 32, 4, 8  # of the thumbnails: pixels and cells a side; of their edges


def handedness(images: np.ndarray) -> Detectability | None:
    """Return how well a detector tells pictures from their mirrors; None for fewer than FEWEST.

    images: uint8 (N, H, W, 3), of which at most MOST are looked at; identical ones count once, for
    a detector knows those it was fitted to. It sees which way edges run in each part of a picture.
    """
    chosen = images[some(len(images), MOST)]
    pictures, different = np.unique(edges(chosen), axis=0, return_index=True)
    if len(pictures) < FEWEST:
        return None
    mirrored = edges(chosen[different, :, ::-1])
    return detectability(pictures, mirrored, np.random.default_rng(0), paired=True)


def may_flip(images: np.ndarray) -> tuple[bool, str]:
    """Return whether training may mirror images uint8 (N, H, W, 3), and why not in one line."""
    told = handedness(images)
    if told is None or told.low <= HANDED:
        return True, ""
    return False, (
        f"flips are off, for pictures can be told from their mirror images (AUC {told.auc:.2f}, "
        "0.5 is not at all), as digits and letters can: --flip where mirrored ones are right, too"
    )


def edges(images: np.ndarray) -> np.ndarray:
    """Return how strong edges of each direction are in each cell of images, float32 (N, D).

    Histograms of oriented gradients (Dalal & Triggs 2005), each picture's of length 1.
    """
    down, across = np.gradient(thumbnails(images), axis=(1, 2))
    strength = np.hypot(down, across)
    turn = np.arctan2(down, across) % np.pi / np.pi * DIRECTIONS  # 0 .. DIRECTIONS, a circle
    inside = SIDE // CELLS
    found = []
    for direction in range(DIRECTIONS):
        away = np.abs(turn - direction)
        away = np.minimum(away, DIRECTIONS - away)
        shared = strength * np.clip(1 - away, 0, None)  # each edge between two directions
        cells = shared.reshape(len(images), CELLS, inside, CELLS, inside).mean(axis=(2, 4))
        found.append(cells.reshape(len(images), -1))
    every = np.concatenate(found, axis=1)
    lengths = np.linalg.norm(every, axis=1, keepdims=True)
    return every / np.maximum(lengths, 1e-3)


def thumbnails(images: np.ndarray) -> np.ndarray:
    """Return images uint8 (N, H, W, 3) in grey and small, float32 (N, SIDE, SIDE)."""
    small = [
        Image.fromarray(image).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
        for image in np.ascontiguousarray(images)
    ]
    return np.stack([np.asarray(image) for image in small]).astype(np.float32)
