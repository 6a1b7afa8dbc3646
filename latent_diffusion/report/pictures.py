"""Images as parts of a page: embedded, small in bytes, and as sharp as their pixels."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from PIL import Image

MOST_SIDE = 96  # pixels of an image; larger ones are made smaller, for the page must stay small
LOSSLESS_UP_TO = 64
TILE = 64  # CSS pixels that small images are enlarged to, by whole factors


def shrunk(images: np.ndarray) -> np.ndarray:
    """uint8 (N, H, W, 3), with sides of at most MOST_SIDE."""
    if max(images.shape[1:3]) <= MOST_SIDE:
        return np.asarray(images)
    size = tuple(MOST_SIDE * side // max(images.shape[1:3]) for side in images.shape[2:0:-1])
    return np.stack(
        [
            np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
            for image in images
        ]
    )


def embedded(image: np.ndarray, lossless: bool) -> str:
    """A data: address of WebP."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(
        buffer, "WEBP", lossless=lossless, quality=90, method=4
    )
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def tile(parts: Sequence[np.ndarray], alt: str, times: int = 1) -> Markup:
    """Images (H, W, 3) one above the other as one <img>; `times` as large as usual."""
    parts = shrunk(np.stack(parts))
    _, height, width, _ = parts.shape
    factor = times * max(1, TILE // max(height, width))
    address = embedded(parts.reshape(-1, width, 3), max(height, width) <= LOSSLESS_UP_TO)
    return Markup('<img src="{}" alt="{}" title="{}" width="{}" height="{}">').format(
        address, alt, alt, width * factor, len(parts) * height * factor
    )


def strip(frames: np.ndarray, alt: str) -> Markup:
    """Images (N, H, W, 3) side by side as one <img>, as wide as fits."""
    frames = shrunk(frames)
    count, height, width, _ = frames.shape
    factor = max(1, TILE // max(height, width))
    sheet = frames.transpose(1, 0, 2, 3).reshape(height, count * width, 3)
    return Markup('<img class="strip" src="{}" alt="{}" title="{}" width="{}" height="{}">').format(
        embedded(sheet, max(height, width) <= LOSSLESS_UP_TO),
        alt,
        alt,
        count * width * factor,
        height * factor,
    )


def spread_labels(count: int, most: int) -> Sequence[int]:
    """The classes that are shown: all, or `most` of them, evenly spread."""
    return (
        range(count)
        if count <= most
        else [round(i * (count - 1) / (most - 1)) for i in range(most)]
    )
