"""Where a fault is made, and what spoils files; faults_of_runs.py and faults_of_data.py use it."""

import io
import os
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

DEEP = 10_000


@dataclass
class Place:
    """Where a fault is made: a folder of its own, and good things to spoil copies of."""

    folder: Path
    good_run: Path
    good_data: Path
    config: Path

    def run(self) -> Path:
        return Path(shutil.copytree(self.good_run, self.folder / "run"))

    def data(self) -> Path:
        return Path(shutil.copytree(self.good_data, self.folder / "data"))

    def pictures(self, count: int = 12) -> Path:
        """A folder of two classes of good pictures."""
        for number in range(2 * count):
            path = self.folder / "in" / ("cat" if number % 2 else "dog") / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(number))
        return self.folder / "in"

    def train(self, data: Path, *more) -> list:
        short = ["--set", "classifier.training.steps=2", "--device", "cpu"]
        start = ["train-classifier", self.config, "--data", data, "--run", self.folder / "new"]
        return [*start, *short, *more]

    def setting(self, text: str) -> list:
        return self.train(self.good_data, "--set", text)

    def toml(self, text: str) -> list:
        path = self.folder / "mine.toml"
        path.write_text(text)
        return ["train-classifier", path, *self.train(self.good_data)[2:]]

    def prepare(self, source: Path, *more) -> list:
        return ["prepare", source, self.folder / "out", "--size", "16", *more]

    def sample(self, run: Path) -> list:
        more = ["--seeds", "1", "--steps", "1", "--device", "cpu"]
        return ["sample", run, self.folder / "samples", *more]

    def evaluate(self, samples: Path, run: Path | None = None) -> list:
        return ["evaluate", samples, "--run", run or self.good_run, "--device", "cpu"]


def png(seed: int, size: int = 16) -> bytes:
    stream = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, "PNG")
    return stream.getvalue()


def header_of(shape: tuple, kind: str = "|u1") -> bytes:
    """The beginning of an .npy of this shape."""
    stream = io.BytesIO()
    described = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, described)
    return stream.getvalue()


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def spoilt(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def fifo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    return path
