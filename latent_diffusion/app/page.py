"""Pieces of the app's page: pictures inside the HTML itself (no files, no addresses), its style.

Called by the tabs. page.css is the style, human_test.js the one script.
"""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from latent_diffusion.sampling.folder import png

STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
HUMAN_TEST_SCRIPT = Path(__file__).with_name("human_test.js").read_text(encoding="utf-8")


def address(content: bytes) -> str:
    """Return a PNG's bytes as an address that holds them."""
    return "data:image/png;base64," + base64.b64encode(content).decode()


def pictures(
    images: Iterable[np.ndarray],
    captions: Sequence[str],
    files: Sequence[str] | None = None,
    sheet: tuple[str, Image.Image] | None = None,
) -> str:
    """Return images uint8 (H, W, 3) side by side; with `files`, their names, a click saves one.

    `sheet` is all of them as one picture to save, with its file name before it.
    """
    names: Sequence[str | None] = files or [None] * len(captions)
    figures = [
        figure(image, caption, name)
        for image, caption, name in zip(images, captions, names, strict=True)
    ]
    side, columns = layout(len(figures))
    style = f"--side: {side}px; --columns: {columns}"
    shown = f'<div class="pictures" style="{style}">{"".join(figures)}</div>'
    return shown + save_link(*sheet) if sheet else shown


def wide(image: np.ndarray, caption: str) -> str:
    """Return one picture uint8 (H, W, 3) in the width of the page."""
    shown = figure(image, caption, None)
    return f'<div class="pictures" style="--side: 100%; --columns: 1">{shown}</div>'


def figure(image: np.ndarray, caption: str, file: str | None) -> str:
    """Return one image with its caption; a click saves it under the name `file`, if it has one."""
    held, text = address(png(image)), escape(caption)
    shown = f'<img src="{held}" alt="{text}">'
    if file:
        name = escape(file)
        shown = f'<a href="{held}" download="{name}" title="Save {name}">{shown}</a>'
    return f"<figure>{shown}<figcaption>{text}</figcaption></figure>"


def layout(count: int) -> tuple[int, int]:
    """Return the side in pixels of each of `count` images, and how many columns a phone shows."""
    if count <= 2:
        return 256, 2
    if count <= 6:
        return 176, 2
    return 112, 3


def save_link(name: str, sheet: Image.Image) -> str:
    """Return the link that saves one picture of all images."""
    link = f'<a style="padding: 0" href="{address(png(sheet))}" download="{escape(name)}">'
    return f"<p>{link}Save all as one PNG</a></p>"


def empty(text: str) -> str:
    """Return what stands where pictures will come."""
    return f'<div class="empty">{escape(text)}</div>'


def human_test_round(image: np.ndarray, number: int, rounds: int, milliseconds: int | None) -> str:
    """Return one round of the human test.

    Real and generated pictures come alike: no name, one size, PNGs without compression and so of
    one length. `milliseconds` is how long the picture is shown, None as long as wanted.
    """
    noise = np.random.default_rng(0).integers(0, 256, image.shape, dtype=np.uint8)
    picture, mask = (address(png(shown, compress_level=0)) for shown in (image, noise))
    waiting = '<span class="waiting">+</span>'
    if number == 1:
        waiting = '<button class="waiting">Show the first picture</button>'
    return (
        f'<div class="human-test" data-round="{number}" data-milliseconds="{milliseconds or 0}">'
        f'<div>Round {number} of {rounds}</div><div class="frame">{waiting}'
        f'<img class="picture" hidden alt="Real or generated?" src="{picture}">'
        f'<img class="mask" hidden alt="The time is over" src="{mask}"></div>'
        '<div class="answers"><button data-said="real" disabled>Real</button>'
        '<button data-said="generated" disabled>Generated</button></div></div>'
    )
