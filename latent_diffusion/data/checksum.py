"""Whether a prepared data set still has the pixels that its checksum was made of."""

import hashlib
import json

import numpy as np

from latent_diffusion.data.store import IMAGES, Dataset
from latent_diffusion.progress import Progress

ROWS = 1024  # hashed at once


def check_pixels(data: Dataset) -> None:
    """Raise ValueError where names, labels, split or a pixel are not those that were prepared."""
    if pixel_checksum(data) != data.info.checksum:
        raise ValueError(
            f"{data.folder} is not what was prepared: {IMAGES}, labels or split have changed since "
            "(its checksum does not hold). Prepare it again, or copy it again"
        )


def pixel_checksum(data: Dataset) -> str:
    """Return the sha256 of a data set's names, labels, split and pixels as they are now."""
    facts, digest = data.info, hashlib.sha256()
    digest.update(json.dumps([facts.class_names, facts.image_size]).encode())
    digest.update(data.labels.astype("<i8").tobytes() + data.split.astype(np.uint8).tobytes())
    with Progress("checking", len(data)) as progress:
        for start in range(0, len(data), ROWS):
            rows = data.images[start : start + ROWS]
            digest.update(rows.tobytes())
            progress.advance(len(rows))
    return digest.hexdigest()
