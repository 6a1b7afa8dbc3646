"""The drawn cartoons as a source: any number of them, and as many again for held-out images."""

from collections.abc import Callable
from functools import lru_cache, partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from latent_diffusion.data.sources.source import (
    Asked,
    DrawMore,
    Found,
    Item,
    Loaded,
    Source,
    fingerprint,
)
from latent_diffusion.data.split import UNDECIDED

NAME = "cartoons"
DEFAULT_COUNT = 11_000

# The painter is imported where it draws, so that reading other sources does not wait for it.


class Cartoons(Source):
    """`cartoons[:COUNT]`, which names no file."""

    accepts = "cartoons[:COUNT]"

    def find(self, asked: Asked) -> Found | None:
        if not is_cartoons(asked.text):
            return None
        from latent_diffusion.data.cartoons import species_and_seed

        items = []
        for index in range(cartoon_count(asked.text)):
            species, _ = species_and_seed(index)
            items.append(Item(f"cartoon {index}", index, species, UNDECIDED))
        return Found(NAME, items, CartoonLoader())

    def more_images(self, text: str) -> DrawMore | None:
        return partial(cartoons_beyond, cartoon_count(text)) if is_cartoons(text) else None


class CartoonLoader:
    """Draws cartoons by their number."""

    def load(self, key: Any, size: int) -> Loaded:
        from latent_diffusion.data.cartoons import draw, species_and_seed

        pixels = draw(*species_and_seed(key), size=size)
        return Loaded(pixels, fingerprint(pixels.tobytes()), enlarged=False)


def is_cartoons(text: str) -> bool:
    """Return whether SOURCE, as the user gave it or as a data set recorded it, means cartoons."""
    return text.partition(":")[0] == NAME


def cartoon_count(text: str) -> int:
    """Return the COUNT of "cartoons[:COUNT]"; raise ValueError where it is no number above 0."""
    _, colon, number = text.partition(":")
    if not colon:
        return DEFAULT_COUNT
    if not number.isdecimal() or int(number) == 0:
        raise ValueError(
            f"{text}: COUNT must be a whole number above 0, as in cartoons:{DEFAULT_COUNT}"
        )
    return int(number)


@lru_cache(maxsize=1)  # a sweep asks for the same ones at every trial
def cartoons_beyond(
    first: int, class_names: tuple[str, ...], size: int, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the next `most` cartoons of these species from number `first` on, and their labels.

    uint8 (most, size, size, 3) and int64 (most,).
    """
    from latent_diffusion.data.cartoons import draw, species_and_seed

    images: list[np.ndarray] = []
    labels: list[int] = []
    for index in count(first):
        if len(images) == most:
            break
        species, seed = species_and_seed(index)
        if species in class_names:
            images.append(draw(species, seed, size=size))
            labels.append(class_names.index(species))
    return np.stack(images), np.array(labels, np.int64)


def write_cartoons(
    text: str, folder: Path, size: int, on_progress: Callable[[int, int], None]
) -> None:
    """Write the pictures of "cartoons[:COUNT]" as synth-cute's own files.

    `folder` is then a source of its own. `on_progress` hears (files written, files in all).
    Raises ValueError for any other source.
    """
    from latent_diffusion.data.cartoons import write_files

    if not is_cartoons(text):
        raise ValueError(
            f"--files is for cartoons:COUNT, whose pictures it writes, and the source is {text}"
        )
    total = cartoon_count(text)
    write_files(folder, total, size, lambda done: on_progress(done, total))
