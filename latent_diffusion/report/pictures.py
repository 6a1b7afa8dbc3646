"""Images as parts of a page: embedded, small in bytes, and as sharp as their pixels.

Called by the templates of the pages.
"""

import base64
import io
from collections.abc import Sequence

import numpy as np
from einops import rearrange
from markupsafe import Markup
from PIL import Image

MOST_SIDE = 96  # pixels of an image; larger ones are made smaller, for the page must stay small
LOSSLESS_UP_TO = 64
TILE = 64  # CSS pixels that small images are enlarged to, by whole factors


def shrunk(images: np.ndarray) -> np.ndarray:
    """Return uint8 images (N, H, W, 3) with sides of at most MOST_SIDE."""
    longest = max(images.shape[1:3])
    if longest <= MOST_SIDE:
        return np.asarray(images)
    height, width = (MOST_SIDE * side // longest for side in images.shape[1:3])
    smaller = (
        Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS) for image in images
    )
    return np.stack([np.asarray(image) for image in smaller])


def embedded(image: np.ndarray, lossless: bool) -> str:
    """Return an image as a data: address of WebP."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(
        buffer, "WEBP", lossless=lossless, quality=90, method=4
    )
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def tile(parts: Sequence[np.ndarray], alt: str, times: int = 1) -> Markup:
    """Return images (H, W, 3) one above the other as one <img>; `times` as large as usual."""
    images = shrunk(np.stack(parts))
    return img("", rearrange(images, "n h w c -> (n h) w c"), images.shape[1:3], alt, times)


def strip(frames: np.ndarray, alt: str) -> Markup:
    """Return images (N, H, W, 3) side by side as one <img>, as wide as fits."""
    images = shrunk(frames)
    sheet = rearrange(images, "n h w c -> h (n w) c")
    return img('class="strip" ', sheet, images.shape[1:3], alt)


def sheet(image: np.ndarray, alt: str) -> Markup:
    """Return a picture (H, W, 3) that is many in one as one <img>, as wide as fits."""
    return img('class="strip" ', image, (LOSSLESS_UP_TO + 1,), alt)


def img(
    attributes: str, sheet: np.ndarray, size: tuple[int, ...], alt: str, times: int = 1
) -> Markup:
    """Return an <img> of a sheet (H, W, 3) that is made of images of this size."""
    factor = times * max(1, TILE // max(size))
    height, width, _ = sheet.shape
    element = f'<img {attributes}src="{{}}" alt="{{}}" title="{{}}" width="{{}}" height="{{}}">'
    return Markup(element).format(
        embedded(sheet, max(size) <= LOSSLESS_UP_TO), alt, alt, width * factor, height * factor
    )


def spread_labels(count: int, most: int) -> Sequence[int]:
    """Return the classes that are shown: all, or `most` of them, evenly spread."""
    if count <= most:
        return range(count)
    return [round(i * (count - 1) / (most - 1)) for i in range(most)]
