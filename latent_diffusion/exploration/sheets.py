"""Sheets of an exploration: captions under tiles that are large enough to be read, and pictures that move."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from latent_diffusion.inspection.grids import INK, PAPER, grid

TILE = 112  # pixels a tile has at least, so that a caption of about 16 letters fits
CAPTION = 18  # height of its line
MOVING = (".gif", ".webp")
STILL = (".png", ".jpg", ".jpeg")
FRAME_MS, END_MS = 100, 800


def writable(path: Path, moving: bool = False) -> Path:
    """Itself, its folder made; ValueError for an ending that is no picture's, before time is spent on what goes there."""
    endings = STILL + MOVING if moving else STILL
    if path.suffix.lower() not in endings:
        raise ValueError(f"{path} must end in {', '.join(endings[:-1])} or {endings[-1]}")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def enlargement(size: int) -> int:
    return -(-TILE // size)


def captioned(images: Sequence[np.ndarray], captions: Sequence[str]) -> np.ndarray:
    """uint8 images (H, W, 3), enlarged by a whole number, each with a line of text below: (N, H', W', 3)."""
    tiles = []
    for image, caption in zip(images, captions, strict=True):
        side = image.shape[0] * enlargement(image.shape[0])
        tile = Image.new("RGB", (side, side + CAPTION), PAPER)
        tile.paste(Image.fromarray(image).resize((side, side), Image.Resampling.NEAREST))
        ImageDraw.Draw(tile).text((side // 2, side + CAPTION // 2), caption, fill=INK, font=ImageFont.load_default(12), anchor="mm")
        tiles.append(np.asarray(tile))
    return np.stack(tiles)


def write_frames(rows: np.ndarray, names: Sequence[str] | None, path: Path) -> None:
    """rows uint8 (R, F, H, W, 3): a sheet, one row a line; a .gif or .webp plays the frames, there and back."""
    enlarge = enlargement(rows.shape[2])
    if path.suffix.lower() not in MOVING:
        grid(list(rows), list(names) if names else None, enlarge).save(path)
        return
    columns = int(np.ceil(len(rows) ** 0.5))
    starts = range(0, len(rows), columns)
    frames = [grid([rows[start:start + columns, frame] for start in starts], enlarge=enlarge) for frame in range(rows.shape[1])]
    durations = [END_MS, *[FRAME_MS] * (len(frames) - 2), END_MS]
    frames[0].save(path, save_all=True, append_images=frames[1:] + frames[-2:0:-1], duration=durations + durations[-2:0:-1], loop=0)
