"""A samples folder: PNGs, and samples.json with what each one was drawn from."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from latent_diffusion.run import write_atomic, write_json

LIST, GRID = "samples.json", "grid.png"


class SamplesWriter:
    """Writes into an empty folder, or replaces the samples that samples.json lists; ValueError for any other folder."""

    def __init__(self, folder: Path):
        self.folder, self.files = Path(folder), {}
        self.before = set(read_list(self.folder)) if (self.folder / LIST).is_file() else set()
        strangers = {path.name for path in self.folder.iterdir()} - self.before - {LIST, GRID, "scores.json"} \
            if self.folder.is_dir() else set()
        if strangers:
            raise ValueError(f"{folder} holds files that are no samples of ours ({sorted(strangers)[0]}): give a new folder")
        self.folder.mkdir(parents=True, exist_ok=True)

    def add(self, name: str, image: np.ndarray, facts: dict) -> None:
        save_png(self.folder / name, image)
        self.files[name] = facts

    def save_list(self) -> None:
        write_json(self.folder / LIST, {"files": self.files})

    def close(self) -> None:
        for name in self.before - set(self.files):
            (self.folder / name).unlink(missing_ok=True)
        self.save_list()


@dataclass(frozen=True)
class Samples:
    """Images of a folder, uint8 (N, H, W, 3), with the class names that were asked for (None where unknown)."""

    folder: Path
    images: np.ndarray
    classes: list[str | None]

    @classmethod
    def open(cls, folder: Path | str, size: int) -> "Samples":
        """Files that samples.json lists, or else every PNG. ValueError if there is none, or one of another size."""
        folder = Path(folder)
        if not folder.is_dir():
            raise ValueError(f"there is no folder of samples at {folder}: make one with ldm sample RUN {folder}")
        listed = read_list(folder) if (folder / LIST).is_file() else None
        names = list(listed) if listed is not None else \
            sorted(path.name for path in folder.glob("*.png") if path.name != GRID and not path.name.startswith("."))
        if not names:
            raise ValueError(f"{folder} holds no PNG to score")
        images = np.empty((len(names), size, size, 3), np.uint8)
        for row, name in enumerate(names):
            images[row] = read_png(folder / name, size)
        return cls(folder, images, [listed[name].get("class") if listed else None for name in names])


def read_list(folder: Path) -> dict[str, dict]:
    try:
        files = json.loads((folder / LIST).read_text())["files"]
        if not all(Path(name).name == name and isinstance(facts, dict) for name, facts in files.items()):
            raise ValueError("it lists something that is no file of this folder")
        return files
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder / LIST} is damaged ({error}): delete it to score every PNG in the folder") from None


def read_png(path: Path, size: int) -> np.ndarray:
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
    except OSError as error:
        raise ValueError(f"{path} cannot be read as an image ({error})") from None
    if pixels.shape[:2] != (size, size):
        raise ValueError(f"{path} is {pixels.shape[1]}x{pixels.shape[0]}, and this run's images are {size}x{size}")
    return pixels


def save_png(path: Path, image: np.ndarray) -> None:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    write_atomic(path, buffer.getvalue())
