"""A samples folder: PNGs, and samples.json with what each one was drawn from."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from latent_diffusion.data.decode import whole_picture
from latent_diffusion.run import write_atomic, write_json

LIST, GRID = "samples.json", "grid.png"


Facts = dict[str, Any]  # of one image: seed, class, and every setting of its sampling
OWN_FACTS = {"seed", "class"}  # those that differ from image to image of one sampling


class SamplesWriter:
    """Adds samples to a folder that is new, empty, or holds samples of the same run and settings.

    Raise ValueError for any other folder, and where another image has a name that is wanted.
    `replace` deletes the samples that samples.json lists instead, and nothing else.
    The names of the files to come are listed with their facts before the first is written, so that
    whatever an interrupted sampling leaves is known to be ours.
    """

    def __init__(self, folder: Path, wanted: dict[str, Facts], replace: bool = False):
        self.folder = Path(folder)
        self.wanted = wanted
        self.files = {} if replace else finished(self.folder)
        self._check(ours=finished(self.folder).keys() | read_pending(self.folder).keys())
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise ValueError(
                f"{self.folder} cannot be a folder, for a file has that name: give another one"
            ) from None
        if replace:
            for name in finished(self.folder):
                (self.folder / name).unlink(missing_ok=True)
        left = {name: facts for name, facts in wanted.items() if name not in self.files}
        write_json(self.folder / LIST, {"files": self.files, "pending": left})

    def _check(self, ours: set[str]) -> None:
        """Raise ValueError where the folder holds something that the new samples do not go with."""
        there = {path.name for path in self.folder.iterdir()} if self.folder.is_dir() else set()
        lists = {LIST, GRID} if LIST in there else set()
        strangers = {name for name in there - ours - lists if not name.startswith(".")}
        if strangers:
            raise ValueError(
                f"{self.folder} holds files that are no samples of ours ({min(strangers)}): give a "
                "new folder"
            )
        remedy = "give a new folder, or --overwrite to replace them"
        for name, facts in self.wanted.items():
            known = self.files.get(name)
            if known and any(known.get(fact) != facts.get(fact) for fact in OWN_FACTS):
                raise ValueError(
                    f"{self.folder} holds another {name} (class {known.get('class')}, seed "
                    f"{known.get('seed')}): {remedy}"
                )
        new = next(iter(self.wanted.values()), {})
        for old in self.files.values():
            if changed := sorted(differing(old, new)):
                here = ", ".join(f"{fact} {old[fact]}, now {new[fact]}" for fact in changed)
                raise ValueError(
                    f"{self.folder} holds samples of other settings ({here}): {remedy}"
                )

    def add(self, name: str, image: np.ndarray) -> None:
        """Write an image uint8 (H, W, 3); one that is there already stays as it is."""
        if name not in self.files:
            save_png(self.folder / name, image)
            self.files[name] = self.wanted[name]

    def read(self, names: list[str]) -> np.ndarray:
        """Return some of the folder's images, uint8 (N, H, W, 3), N > 0."""
        return np.stack([whole_picture(self.folder / name) for name in names])

    def close(self) -> None:
        """List all files of the folder as finished, those that other processes wrote among them."""
        self.files = finished(self.folder)
        write_json(self.folder / LIST, {"files": self.files})


def differing(old: Facts, new: Facts) -> set[str]:
    """Return the settings that both name, and in which two samples differ."""
    return {fact for fact in old.keys() & new.keys() - OWN_FACTS if old[fact] != new[fact]}


def finished(folder: Path) -> dict[str, Facts]:
    """Return the samples of a folder that are there, with their facts.

    They include those of an interrupted sampling: a file that is there is whole.
    """
    if not (folder / LIST).is_file():
        return {}
    listed = {**read_list(folder)["files"], **read_pending(folder)}
    return {name: facts for name, facts in listed.items() if facts and (folder / name).is_file()}


def read_pending(folder: Path) -> dict[str, Facts]:
    """Return the files that an interrupted sampling was to write, with their facts.

    Earlier versions kept their names only; then the facts are empty.
    """
    pending = read_list(folder).get("pending", {}) if (folder / LIST).is_file() else {}
    return pending if isinstance(pending, dict) else {name: {} for name in pending}


def read_list(folder: Path) -> dict[str, Any]:
    """Return samples.json: {"files": {name: facts}}, and the "pending" until it is complete.

    Raise ValueError where it is damaged.
    """
    try:
        listed: dict[str, Any] = json.loads((folder / LIST).read_text())
        names = [*listed["files"].keys(), *listed.get("pending", [])]
        if not all(Path(name).name == name for name in names):
            raise ValueError("it lists something that is no file of this folder")
        for facts in listed["files"].values():
            if not isinstance(facts.get("class"), str | None):
                raise ValueError("a class is no text")
        return listed
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{folder / LIST} is damaged ({error}): delete it to score every picture in the folder"
        ) from None


def save_png(path: Path, image: np.ndarray) -> None:
    """Write an image uint8 (H, W, 3)."""
    write_atomic(path, png(image))


def png(image: np.ndarray | Image.Image, **options: Any) -> bytes:
    """Return the bytes of a PNG file; `options` are Pillow's."""
    picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", **options)
    return buffer.getvalue()
