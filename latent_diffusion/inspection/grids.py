"""Pictures made of pictures: grids with named rows, originals beside their errors, grids that move.

Called by whatever writes pictures: previews, commands, the app, reports.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from latent_diffusion.inspection.fonts import font_for
from latent_diffusion.subsets import spread

GAP = 2
LEGIBLE = 48  # pixels a side that an image needs for its caption
INK = (40, 40, 48)
PAPER = (255, 255, 255)
MOVING = (".gif", ".webp")
STILL = (".png", ".jpg", ".jpeg")
REALS_SHOWN = 5  # beside samples of a class
ERROR_GAIN = 4  # error maps are this many times brighter than the error


def writable(path: Path, moving: bool = False) -> Path:
    """Return the path, its folder made, before time is spent on what goes there.

    Raise ValueError for an ending that is no picture's.
    """
    endings = STILL + MOVING if moving else STILL
    if path.suffix.lower() not in endings:
        raise ValueError(f"{path} must end in {', '.join(endings[:-1])} or {endings[-1]}")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def grid(
    rows: list[np.ndarray],
    names: list[str] | None = None,
    enlarge: int = 1,
    captions: list[list[str]] | None = None,
) -> Image.Image:
    """Return one sheet of rows of images (each uint8 (N, H, W, 3)), all `enlarge` times as large.

    The row's name is at its left, its captions, if any, are under its images.
    """
    height, width = (side * enlarge for side in rows[0].shape[1:3])
    caption_size = max(10, min(width // 5, 20))
    fonts = [font_for(name, max(10, min(height // 4, 24))) for name in names or []]
    lengths = [font.getlength(name) for name, font in zip(names or [], fonts, strict=True)]
    margin = round(max(lengths)) + 4 * GAP if lengths else 0
    captions = captions or [[] for _ in rows]
    strips = [round(1.4 * caption_size) if texts else 0 for texts in captions]
    columns = max(len(row) for row in rows)
    size = (margin + columns * (width + GAP) + GAP, len(rows) * (height + GAP) + sum(strips) + GAP)
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    lefts = [margin + GAP + column * (width + GAP) for column in range(columns)]
    top = GAP
    for number, row in enumerate(rows):
        if names:
            middle = (2 * GAP, top + height // 2)
            pen.text(middle, names[number], fill=INK, font=fonts[number], anchor="lm")
        for left, image in zip(lefts, row, strict=False):  # the last row may be shorter
            picture = Image.fromarray(image).resize((width, height), Image.Resampling.NEAREST)
            sheet.paste(picture, (left, top))
        for left, text in zip(lefts, captions[number], strict=False):
            middle = (left + width // 2, top + height + strips[number] // 2)
            pen.text(middle, text, fill=INK, font=font_for(text, caption_size), anchor="mm")
        top += height + GAP + strips[number]
    return sheet


def beside_real(
    samples: list[np.ndarray], real: list[np.ndarray], names: list[str] | None
) -> Image.Image:
    """Return a line a class: its samples, a gap, and real pictures of it, uint8 (N, H, W, 3) each.

    Without any real pictures there are samples alone.
    """
    if not any(len(known) for known in real):
        return grid(samples, names)
    across = max(len(drawn) for drawn in samples)
    rows = []
    for drawn, known in zip(samples, real, strict=True):
        gap = np.full((across - len(drawn) + 1, *drawn.shape[1:]), 255, np.uint8)
        rows.append(np.concatenate([drawn, gap, known[:REALS_SHOWN]]))
    words = ["samples", *[""] * across, "real"]
    return grid(rows, names, captions=[*([] for _ in rows[1:]), words])


def play(
    rows: np.ndarray, path: Path, order: Sequence[int], durations: Sequence[int], enlarge: int = 1
) -> None:
    """Write rows uint8 (R, F, H, W, 3) as a moving picture.

    All rows are in a square, their frames in this order, each for so many milliseconds.
    """
    columns = int(np.ceil(len(rows) ** 0.5))
    starts = range(0, len(rows), columns)
    sheets = [
        grid([rows[start : start + columns, frame] for start in starts], enlarge=enlarge)
        for frame in range(rows.shape[1])
    ]
    first, *others = (sheets[frame] for frame in order)
    first.save(path, save_all=True, append_images=others, duration=list(durations), loop=0)


def wrapped(images: np.ndarray, columns: int = 10) -> list[np.ndarray]:
    """Return images (N, H, W, 3) as rows of `columns`."""
    return [images[start : start + columns] for start in range(0, len(images), columns)]


def error_maps(originals: np.ndarray, reconstructions: np.ndarray) -> np.ndarray:
    """Return the absolute error of each pixel, ERROR_GAIN times brighter: black is right."""
    error = np.abs(originals.astype(np.int16) - reconstructions.astype(np.int16))
    return (error * ERROR_GAIN).clip(0, 255).astype(np.uint8)


def reconstruction_grid(
    originals: np.ndarray, reconstructions: np.ndarray, columns: int = 10
) -> Image.Image:
    """Return rows of originals, reconstructions and error maps in turn."""
    rows, names = [], []
    for start in range(0, len(originals), columns):
        here = slice(start, start + columns)
        rows += comparison_rows(originals[here], reconstructions[here])
        names += ["original", "decoded", f"error x{ERROR_GAIN}"]
    return grid(rows, names)


def comparison_rows(originals: np.ndarray, reconstructions: np.ndarray) -> list[np.ndarray]:
    """Return originals, reconstructions and error maps."""
    return [originals, reconstructions, error_maps(originals, reconstructions)]


def cases_grid(
    originals: np.ndarray,
    reconstructions: np.ndarray,
    scores: np.ndarray,
    cases: int,
    typical: int = 30,
    columns: int = 10,
) -> Image.Image:
    """Return rows of originals, reconstructions and error maps, with scores (N,) as captions.

    They are of `typical` evenly spread images, then of the `cases` with the lowest and with the
    highest score; all of them in order where there are no more than `typical`.
    """
    order = np.argsort(scores, kind="stable")
    parts = {"original": spread(len(scores), typical)}
    if len(scores) > typical:
        parts |= {"worst": order[:cases], "best": order[::-1][:cases]}
    rows: list[np.ndarray] = []
    names: list[str] = []
    captions: list[list[str]] = []
    for name, chosen in parts.items():
        for here in wrapped(chosen, columns):
            rows += comparison_rows(originals[here], reconstructions[here])
            names += [name, "decoded", f"error x{ERROR_GAIN}"]
            captions += [[], [], [f"{score:.1f} dB" for score in scores[here]]]
    return grid(rows, names, enlargement(originals), captions)


def enlargement(images: np.ndarray) -> int:
    """Return how many times images (N, H, W, 3) must grow for a caption to fit under them."""
    return -(-LEGIBLE // images.shape[2])


def pairs_grid(pairs: dict[str, tuple[np.ndarray, np.ndarray]]) -> Image.Image:
    """Return for each name a row of samples over a row of the images they are nearest to."""
    rows: list[np.ndarray] = []
    names: list[str] = []
    for name, (samples, nearest) in pairs.items():
        rows += [samples, nearest]
        names += [f"samples, by {name}", "nearest in training"]
    return grid(rows, names)
