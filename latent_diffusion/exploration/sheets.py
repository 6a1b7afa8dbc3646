"""Sheets of an exploration: readable captions under large enough tiles, and pictures that move."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from latent_diffusion.inspection.fonts import font_for
from latent_diffusion.inspection.grids import INK, MOVING, PAPER, grid, play

TILE = 112  # pixels a tile has at least, so that a caption of about 16 letters fits
CAPTION = 18  # height of its line
FRAME_MS, END_MS = 100, 800


def enlargement(size: int) -> int:
    """Return by how much images of this size are enlarged to make a tile."""
    return -(-TILE // size)


def captioned(images: Iterable[np.ndarray], captions: Iterable[str]) -> np.ndarray:
    """Return images uint8 (H, W, 3) as tiles (N, H', W', 3) with a line of text below each.

    Images are enlarged by a whole number. There must be a caption for each.
    """
    tiles = [tile(image, caption) for image, caption in zip(images, captions, strict=True)]
    return np.stack(tiles)


def tile(image: np.ndarray, caption: str) -> np.ndarray:
    """Return one enlarged image uint8 (H, W, 3) with its caption below."""
    side = image.shape[0] * enlargement(image.shape[0])
    sheet = Image.new("RGB", (side, side + CAPTION), PAPER)
    sheet.paste(Image.fromarray(image).resize((side, side), Image.Resampling.NEAREST))
    middle = (side // 2, side + CAPTION // 2)
    pen = ImageDraw.Draw(sheet)
    pen.text(middle, caption, fill=INK, font=font_for(caption, 12), anchor="mm")
    return np.asarray(sheet)


def write_frames(rows: np.ndarray, names: Sequence[str] | None, path: Path) -> None:
    """Write rows uint8 (R, F, H, W, 3) as a sheet with a named line for each row.

    A .gif or .webp plays the frames instead, there and back.
    """
    enlarge = enlargement(rows.shape[2])
    if path.suffix.lower() not in MOVING:
        grid(list(rows), list(names) if names else None, enlarge).save(path)
        return
    last = rows.shape[1] - 1
    there_and_back = [*range(last + 1), *range(last - 1, 0, -1)]
    durations = [END_MS if frame in (0, last) else FRAME_MS for frame in there_and_back]
    play(rows, path, there_and_back, durations, enlarge)
