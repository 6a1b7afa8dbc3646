"""Sheets of an exploration: captions under tiles that are large enough to be read, and pictures that move."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from latent_diffusion.inspection.grids import INK, MOVING, PAPER, grid, play

TILE = 112  # pixels a tile has at least, so that a caption of about 16 letters fits
CAPTION = 18  # height of its line
FRAME_MS, END_MS = 100, 800


def enlargement(size: int) -> int:
    return -(-TILE // size)


def captioned(images: Sequence[np.ndarray], captions: Sequence[str]) -> np.ndarray:
    """uint8 images (H, W, 3), enlarged by a whole number, each with a line of text below: (N, H', W', 3)."""
    tiles = []
    for image, caption in zip(images, captions, strict=True):
        side = image.shape[0] * enlargement(image.shape[0])
        tile = Image.new("RGB", (side, side + CAPTION), PAPER)
        tile.paste(Image.fromarray(image).resize((side, side), Image.Resampling.NEAREST))
        ImageDraw.Draw(tile).text(
            (side // 2, side + CAPTION // 2),
            caption,
            fill=INK,
            font=ImageFont.load_default(12),
            anchor="mm",
        )
        tiles.append(np.asarray(tile))
    return np.stack(tiles)


def write_frames(rows: np.ndarray, names: Sequence[str] | None, path: Path) -> None:
    """rows uint8 (R, F, H, W, 3): a sheet, one row a line; a .gif or .webp plays the frames, there and back."""
    enlarge = enlargement(rows.shape[2])
    if path.suffix.lower() not in MOVING:
        grid(list(rows), list(names) if names else None, enlarge).save(path)
        return
    last = rows.shape[1] - 1
    there_and_back = [*range(last + 1), *range(last - 1, 0, -1)]
    play(
        rows,
        path,
        there_and_back,
        [END_MS if frame in (0, last) else FRAME_MS for frame in there_and_back],
        enlarge,
    )
