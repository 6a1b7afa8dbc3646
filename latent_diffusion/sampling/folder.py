"""A samples folder: PNGs, and samples.json with what each one was drawn from."""

import io
import json
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from latent_diffusion.data.decode import IMAGE_SUFFIXES, to_rgb
from latent_diffusion.data.tree import is_hidden
from latent_diffusion.run import write_atomic, write_json

LIST, GRID = "samples.json", "grid.png"


class SamplesWriter:
    """Writes into an empty folder, or replaces the samples that samples.json lists.

    Raise ValueError for any other folder. The names of the files to come are listed before the
    first is written, so that whatever an interrupted sampling leaves is known to be ours.
    """

    def __init__(self, folder: Path, names: list[str]):
        self.folder = Path(folder)
        self.files: dict[str, dict[str, Any]] = {}
        listed = read_list(self.folder) if (self.folder / LIST).is_file() else {}
        self.old = {*listed.get("files", {}), *listed.get("pending", [])}
        there = {path.name for path in self.folder.iterdir()} if self.folder.is_dir() else set()
        strangers = {name for name in there - self.old - {LIST, GRID} if not name.startswith(".")}
        if strangers:
            raise ValueError(
                f"{folder} holds files that are no samples of ours ({min(strangers)}): give a new "
                "folder"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / LIST, {"files": {}, "pending": sorted(self.old | set(names))})

    def add(self, name: str, image: np.ndarray, facts: dict[str, Any]) -> None:
        """Write an image uint8 (H, W, 3), and remember what it was drawn from."""
        save_png(self.folder / name, image)
        self.files[name] = facts

    def close(self) -> None:
        """List the files that were written, and delete those of an earlier sampling."""
        for name in self.old - set(self.files):
            (self.folder / name).unlink(missing_ok=True)
        write_json(self.folder / LIST, {"files": self.files})


def read_list(folder: Path) -> dict[str, Any]:
    """Return samples.json: {"files": {name: facts}}, and "pending" names until it is complete.

    Raise ValueError where it is damaged.
    """
    try:
        listed: dict[str, Any] = json.loads((folder / LIST).read_text())
        names = [*listed["files"].keys(), *listed.get("pending", [])]
        in_folder = all(Path(name).name == name for name in names)
        if not in_folder or not all(isinstance(one, dict) for one in listed["files"].values()):
            raise ValueError("it lists something that is no file of this folder")
        return listed
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{folder / LIST} is damaged ({error}): delete it to score every PNG in the folder"
        ) from None


def is_picture(name: str) -> bool:
    """Return whether a file, named from its folder, is a picture to score: no grid, not hidden."""
    *folders, file = name.split("/")
    hidden = any(is_hidden(part) for part in (*folders, file))
    return file.lower().endswith(IMAGE_SUFFIXES) and file != GRID and not hidden


def read_picture(file: BinaryIO, name: str) -> np.ndarray:
    """Return the uint8 (H, W, 3) of a picture file, transparency on white.

    Raise ValueError, naming it, if it cannot be read.
    """
    try:
        with Image.open(file) as image:
            return np.asarray(to_rgb(image))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{name} cannot be read as an image ({error})") from None


def save_png(path: Path, image: np.ndarray) -> None:
    """Write an image uint8 (H, W, 3)."""
    write_atomic(path, png(image))


def png(image: np.ndarray | Image.Image, **options: Any) -> bytes:
    """Return the bytes of a PNG file; `options` are Pillow's."""
    picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", **options)
    return buffer.getvalue()
