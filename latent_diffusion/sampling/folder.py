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
    """Writes into an empty folder, or replaces the samples that samples.json lists; ValueError for any other folder.

    The names of the files to come are listed before the first is written, so that whatever an interrupted sampling
    leaves is known to be ours.
    """

    def __init__(self, folder: Path, names: list[str]):
        self.folder, self.files = Path(folder), {}
        listed = read_json(self.folder) if (self.folder / LIST).is_file() else {}
        self.old = {*listed.get("files", {}), *listed.get("pending", [])}
        there = {path.name for path in self.folder.iterdir()} if self.folder.is_dir() else set()
        strangers = {name for name in there - self.old - {LIST, GRID} if not name.startswith(".")}
        if strangers:
            raise ValueError(f"{folder} holds files that are no samples of ours ({min(strangers)}): give a new folder")
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / LIST, {"files": {}, "pending": sorted(self.old | set(names))})

    def add(self, name: str, image: np.ndarray, facts: dict) -> None:
        save_png(self.folder / name, image)
        self.files[name] = facts

    def close(self) -> None:
        for name in self.old - set(self.files):
            (self.folder / name).unlink(missing_ok=True)
        write_json(self.folder / LIST, {"files": self.files})


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
        content = read_json(folder) if (folder / LIST).is_file() else {}
        if content.get("pending"):
            raise ValueError(f"the sampling into {folder} was interrupted: run the same ldm sample command again")
        listed = content.get("files")
        names = list(listed) if listed is not None else \
            sorted(path.name for path in folder.glob("*.png") if path.name != GRID and not path.name.startswith("."))
        if not names:
            raise ValueError(f"{folder} holds no PNG to score")
        images = np.empty((len(names), size, size, 3), np.uint8)
        for row, name in enumerate(names):
            images[row] = read_png(folder / name, size)
        return cls(folder, images, [listed[name].get("class") if listed else None for name in names])


def read_json(folder: Path) -> dict:
    """samples.json: {"files": {name: facts}}, and "pending" names while a sampling is not complete."""
    try:
        listed = json.loads((folder / LIST).read_text())
        names = [*listed["files"].keys(), *listed.get("pending", [])]
        if not all(Path(name).name == name for name in names) or not all(isinstance(f, dict) for f in listed["files"].values()):
            raise ValueError("it lists something that is no file of this folder")
        return listed
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
