"""Which images are held out of training: by the hash of their content, so that it never moves."""

import numpy as np

TRAIN, TEST = 0, 1  # the values of split.npy
UNDECIDED = -1  # of an image whose source has no split of its own
VALIDATION = 2  # of an image that the source says to be for validation, until `settled`


def settled(splits: np.ndarray) -> np.ndarray:
    """Return splits int8 (N,) with TRAIN or TEST in place of VALIDATION.

    Beside test images, validation images train: a data set that has both keeps the test images for
    the one final score, which is what `ldm evaluate` measures, and few pictures are better used
    than held out twice. Where nothing else is held out, validation images are.
    """
    part = TRAIN if np.any(splits == TEST) else TEST
    return np.where(splits == VALIDATION, part, splits).astype(np.int8)


def hold_out(
    labels: np.ndarray, splits: np.ndarray, fingerprints: np.ndarray, share: float
) -> np.ndarray:
    """Return TRAIN or TEST for each image, uint8 (N,).

    labels: int64 (N,). splits: int8 (N,), the source's own split. fingerprints: uint64 (N,),
    uniform hashes of content.

    A source that has both train and test images keeps its split. Otherwise an image is held out
    when its hash, read as a fraction, is below `share`; a class without any such image gives its
    lowest hash, and one with nothing else keeps its highest for training. As only the hash decides,
    equal images always land on the same side. Raise ValueError for a source that says it of some
    images only.
    """
    if has_both(splits):
        undecided = int(np.count_nonzero(splits == UNDECIDED))
        if undecided:
            raise ValueError(
                f"the source says of {len(splits) - undecided} images whether they train or test, "
                f"and of {undecided} nothing: it must say so of all or of none"
            )
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
    """Return whether a source brings its own split: images for training and images for testing."""
    return bool(np.any(splits == TRAIN) and np.any(splits == TEST))


def count_leaks(split: np.ndarray, fingerprints: np.ndarray) -> int:
    """Return how many test images are also, byte for byte, in the training part.

    Only a source's own split can have any.
    """
    return int(np.isin(fingerprints[split == TEST], fingerprints[split == TRAIN]).sum())
