"""Pictures made of pictures: grids with labelled rows, originals beside their reconstructions and errors, grids that move."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from latent_diffusion.subsets import spread

GAP = 2
LEGIBLE = 48  # pixels a side that an image needs for its caption
INK, PAPER = (40, 40, 48), (255, 255, 255)
MOVING = (".gif", ".webp")
STILL = (".png", ".jpg", ".jpeg")
ERROR_GAIN = 4  # error maps are this many times brighter than the error


def writable(path: Path, moving: bool = False) -> Path:
    """Itself, its folder made; ValueError for an ending that is no picture's, before time is spent on what goes there."""
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
    """One line of images a row (each uint8 (N, H, W, 3)), with the row's name at its left and its captions, if any, under
    its images."""
    height, width = (side * enlarge for side in rows[0].shape[1:3])
    font, small = (
        ImageFont.load_default(max(10, min(height // 4, 24))),
        ImageFont.load_default(max(10, min(width // 5, 20))),
    )
    margin = (
        max((round(font.getlength(name)) for name in names), default=0) + 4 * GAP if names else 0
    )
    captions = captions or [[] for _ in rows]
    strips = [round(1.4 * small.size) if texts else 0 for texts in captions]
    columns = max(len(row) for row in rows)
    sheet = Image.new(
        "RGB",
        (margin + columns * (width + GAP) + GAP, len(rows) * (height + GAP) + sum(strips) + GAP),
        PAPER,
    )
    pen, top = ImageDraw.Draw(sheet), GAP
    for line, row in enumerate(rows):
        if names:
            pen.text((2 * GAP, top + height // 2), names[line], fill=INK, font=font, anchor="lm")
        for column, image in enumerate(row):
            picture = Image.fromarray(image).resize((width, height), Image.Resampling.NEAREST)
            sheet.paste(picture, (margin + GAP + column * (width + GAP), top))
        for column, text in enumerate(captions[line]):
            middle = (
                margin + GAP + column * (width + GAP) + width // 2,
                top + height + strips[line] // 2,
            )
            pen.text(middle, text, fill=INK, font=small, anchor="mm")
        top += height + GAP + strips[line]
    return sheet


def play(
    rows: np.ndarray, path: Path, order: Sequence[int], durations: Sequence[int], enlarge: int = 1
) -> None:
    """Write rows uint8 (R, F, H, W, 3) as a moving picture: all rows in a square, their frames in this order, each for so
    many milliseconds."""
    columns = int(np.ceil(len(rows) ** 0.5))
    starts = range(0, len(rows), columns)
    sheets = [
        grid([rows[start : start + columns, frame] for start in starts], enlarge=enlarge)
        for frame in range(rows.shape[1])
    ]
    first, *others = (sheets[frame] for frame in order)
    first.save(path, save_all=True, append_images=others, duration=list(durations), loop=0)


def wrapped(images: np.ndarray, columns: int = 10) -> list[np.ndarray]:
    """Images (N, H, W, 3) as rows of `columns`."""
    return [images[start : start + columns] for start in range(0, len(images), columns)]


def error_maps(originals: np.ndarray, reconstructions: np.ndarray) -> np.ndarray:
    """Absolute error of each pixel, ERROR_GAIN times brighter: black is right."""
    error = np.abs(originals.astype(np.int16) - reconstructions.astype(np.int16))
    return (error * ERROR_GAIN).clip(0, 255).astype(np.uint8)


def reconstruction_grid(
    originals: np.ndarray, reconstructions: np.ndarray, columns: int = 10
) -> Image.Image:
    """Lines of originals, reconstructions and error maps in turn."""
    rows, names = [], []
    for first in range(0, len(originals), columns):
        a, b = originals[first : first + columns], reconstructions[first : first + columns]
        rows += [a, b, error_maps(a, b)]
        names += ["original", "decoded", f"error x{ERROR_GAIN}"]
    return grid(rows, names)


def cases_grid(
    originals: np.ndarray,
    reconstructions: np.ndarray,
    scores: np.ndarray,
    cases: int,
    typical: int = 30,
    columns: int = 10,
) -> Image.Image:
    """Some evenly spread images, then the `cases` with the lowest and with the highest score (N,), written under each:
    lines of originals, reconstructions and error maps. All of them in order where there are no more than `typical`."""
    order = np.argsort(scores, kind="stable")
    parts = {"original": spread(len(scores), typical)}
    if len(scores) > typical:
        parts |= {"worst": order[:cases], "best": order[::-1][:cases]}
    rows, names, captions = [], [], []
    for name, chosen in parts.items():
        for line in wrapped(chosen, columns):
            a, b = originals[line], reconstructions[line]
            rows += [a, b, error_maps(a, b)]
            names += [name, "decoded", f"error x{ERROR_GAIN}"]
            captions += [[], [], [f"{score:.1f} dB" for score in scores[line]]]
    return grid(rows, names, enlargement(originals), captions)


def enlargement(images: np.ndarray) -> int:
    """How many times images (N, H, W, 3) must grow for a caption to fit under them."""
    return -(-LEGIBLE // images.shape[2])


def pairs_grid(pairs: dict[str, tuple[np.ndarray, np.ndarray]]) -> Image.Image:
    """For each name a line of samples over a line of the images they are nearest to."""
    rows, names = [], []
    for name, (samples, nearest) in pairs.items():
        rows += [samples, nearest]
        names += [f"samples, by {name}", "nearest in training"]
    return grid(rows, names)
