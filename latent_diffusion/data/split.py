"""Which images are held out of training: by the hash of their content, so that it never moves."""

import numpy as np

from latent_diffusion.data.layout import TEST, TRAIN, UNDECIDED


def hold_out(
    labels: np.ndarray, splits: np.ndarray, fingerprints: np.ndarray, share: float
) -> np.ndarray:
    """uint8 (N,): TRAIN or TEST for each image.

    labels: int64 (N,). splits: int8 (N,), the source's own split. fingerprints: uint64 (N,), uniform hashes of content.
    A source that has both train and test images keeps its split. Otherwise an image is held out when its hash,
    read as a fraction, is below `share`; a class without any such image gives its lowest hash, and one with nothing else
    keeps its highest for training. As only the hash decides, equal images always land on the same side.
    """
    if has_both(splits):
        assert not np.any(splits == UNDECIDED)
        return splits.astype(np.uint8)
    held_out = fingerprints < np.uint64(share * 2**64)
    lowest, highest = [], []
    for label in np.unique(labels):
        mine = labels == label
        if not held_out[mine].any() and np.unique(fingerprints[mine]).size > 1:
            lowest.append(fingerprints[mine].min())
        elif held_out[mine].all():
            highest.append(fingerprints[mine].max())
    held_out |= np.isin(fingerprints, lowest)
    held_out &= ~np.isin(fingerprints, highest)
    return np.where(held_out, TEST, TRAIN).astype(np.uint8)


def has_both(splits: np.ndarray) -> bool:
    """True when a source brings its own split: some images for training and some for testing."""
    return bool(np.any(splits == TRAIN) and np.any(splits == TEST))


def count_leaks(split: np.ndarray, fingerprints: np.ndarray) -> int:
    """How many test images are also, byte for byte, in the training part (possible where the source has a split)."""
    return int(np.isin(fingerprints[split == TEST], fingerprints[split == TRAIN]).sum())
