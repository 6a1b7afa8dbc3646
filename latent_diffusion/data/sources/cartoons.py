"""The drawn cartoons as a source: any number of them, and as many again for held-out images."""

from collections.abc import Callable
from functools import lru_cache, partial
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np

from latent_diffusion.data.sources.source import (
    Asked,
    DrawFaulty,
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
FAULTY = 1_000_000  # numbers from the last of a data set to the first that is drawn with a fault

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

    def faults(self, text: str) -> dict[str, DrawFaulty]:
        if not is_cartoons(text):
            return {}
        from latent_diffusion.data.cartoons import FLAWS

        first = cartoon_count(text) + FAULTY
        return {kind: partial(flawed_cartoons, kind, first) for kind in FLAWS}


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
    from latent_diffusion.data.cartoons import draw

    drawn = numbers_of(first, class_names, most)
    images = [draw(species, seed, size=size) for species, seed in drawn]
    return np.stack(images), labels_of(drawn, class_names)


def flawed_cartoons(
    kind: str, first: int, class_names: tuple[str, ...], size: int, most: int, dose: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the next `most` cartoons from number `first` on with a flaw, and their labels.

    kind, dose: one of FLAWS, and 1 to 4.
    """
    from latent_diffusion.data.cartoons import FLAWS, draw_flawed

    drawn, strength = numbers_of(first, class_names, most), FLAWS[kind][dose - 1]
    images = [draw_flawed(species, seed, kind, strength, size) for species, seed in drawn]
    return np.stack(images), labels_of(drawn, class_names)


def numbers_of(first: int, class_names: tuple[str, ...], most: int) -> list[tuple[str, int]]:
    """Return species and seed of the next `most` cartoons of these species from a number on."""
    from latent_diffusion.data.cartoons import species_and_seed

    animals = (species_and_seed(index) for index in count(first))
    return list(islice((one for one in animals if one[0] in class_names), most))


def labels_of(drawn: list[tuple[str, int]], class_names: tuple[str, ...]) -> np.ndarray:
    """Return the labels of cartoons, int64 (N,)."""
    return np.array([class_names.index(species) for species, _ in drawn], np.int64)


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
