"""Numbering, prompts and files of the drawn set, in the exact layout of the synth-cute repository.

`<folder>/ab/<64 hex>.png` lies beside `<folder>/ab/<64 hex>.json`; the name is the sha256 of the
JSON text and `ab` its first two digits.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from PIL import Image

from latent_diffusion.data.cartoons.picture import draw
from latent_diffusion.data.cartoons.species import SPECIES

# Pictures a task: long enough to hide its overhead, short enough for a smooth progress bar.
CHUNK = 44


def prompt(species: str, seed: int) -> str:
    """Return the metadata text of one picture, as synth-cute writes it."""
    inputs = (
        f"minimalist vector-style cute cartoon {species}, "
        "flat pastel colors, no gradients, simple face expression"
    )
    return json.dumps({"inputs": inputs, "seed": seed})


def species_and_seed(index: int) -> tuple[str, int]:
    """Return what picture `index` (from 0) of the numbered set shows.

    Species take turns, so that every prefix is balanced.
    """
    return SPECIES[index % len(SPECIES)], 1 + index // len(SPECIES)


def write_files(
    folder: Path, count: int, size: int = 512, on_progress: Callable[[int], None] | None = None
) -> None:
    """Write the first `count` pictures, size x size pixels, on all cores.

    `on_progress(done)` hears the number written.
    Raises ValueError for a negative count or a size that `draw` refuses.
    """
    if count < 0:
        raise ValueError(f"cannot write {count} pictures: count must be 0 or more")
    tasks = [
        (Path(folder), start, min(start + CHUNK, count), size) for start in range(0, count, CHUNK)
    ]
    done = 0
    workers = min(os.cpu_count() or 1, len(tasks)) or 1
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        for written in pool.map(_write_chunk, tasks):
            done += written
            if on_progress:
                on_progress(done)


def _write_chunk(task: tuple[Path, int, int, int]) -> int:
    folder, start, stop, size = task
    for index in range(start, stop):
        species, seed = species_and_seed(index)
        text = prompt(species, seed)
        name = hashlib.sha256(text.encode()).hexdigest()
        inner = folder / name[:2]
        inner.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw(species, seed, size)).save(inner / f"{name}.png")
        (inner / f"{name}.json").write_text(text)
    return stop - start
