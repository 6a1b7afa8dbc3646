"""The run directory: what is where, how it is read and written.

Every other room reads and writes runs through this file. A write is atomic: a file is either the
old one or the new one, whole, however the process ends.
"""

import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import tomli_w

from latent_diffusion.lock import locked
from latent_diffusion.parsing import read_json, read_toml
from latent_diffusion.progress import say

# Of each part: what it is called, what trains it, where its settings are.
CAPTIONS = {
    "autoencoder": ("autoencoder", "ldm train-autoencoder", "autoencoder"),
    "classifier": ("judge", "ldm train-classifier", "classifier"),
    "diffusion": ("denoiser", "ldm train-diffusion", "diffusion"),
    "perceptual": (
        "perceptual classifier",
        "ldm train-autoencoder",
        "autoencoder.perceptual_classifier",
    ),
    "adversary": ("sharpening", "ldm train-autoencoder", "autoencoder.adversary"),
    "student": ("student", "ldm distill", "student"),
}

FACTS = {  # beside a stage's table
    "diffusion": {"autoencoder_checksum": str, "sampling": dict},
    "student": {"autoencoder_checksum": str, "teacher_checksum": str, "sampling": dict},
}
CONFIG_FORMAT = 2  # of config.toml; 1, which did not say so, called EMAs averages
EARLIER_NAMES = {"average_length": "ema_length"}


class Interrupted(Exception):
    """The user stopped a training, and everything was saved."""


class Part:
    """One trained network of a run: its resolved config, weights, checkpoint, log and pictures."""

    def __init__(self, folder: Path, name: str = ""):
        self.folder = folder
        self.name = name or folder.name
        self.config_path = folder / "config.toml"
        self.model_path = folder / "model.safetensors"
        self.checkpoint_path = folder / "checkpoint" / "last.safetensors"
        self.earlier_checkpoint_path = folder / "checkpoint" / "previous.safetensors"
        self.best_path = folder / "checkpoint" / "best.safetensors"  # where it may end early
        self.metrics_path = folder / "metrics.jsonl"
        self.ema_folder = folder / "ema"  # snapshots of moving averages of the weights

    @property
    def caption(self) -> str:
        """What people call the network."""
        return CAPTIONS[self.name][0]

    @property
    def command(self) -> str:
        """The command that trains the network."""
        return CAPTIONS[self.name][1]

    @property
    def settings(self) -> str:
        """The config's table of the network's settings, dotted."""
        return CAPTIONS[self.name][2]

    @property
    def trained(self) -> bool:
        """Whether the weights are there."""
        return self.model_path.is_file()

    @property
    def resumable(self) -> bool:
        """Whether there is a checkpoint."""
        return self.checkpoint_path.is_file() or self.earlier_checkpoint_path.is_file()

    def require(self) -> "Part":
        """Return this part; raise ValueError with the command that makes it where it is missing."""
        if self.trained:
            return self
        remedy = f"run {self.command} first"
        if self.resumable:
            remedy += " (its training was interrupted: add --resume)"
        raise ValueError(f"{self.folder.parent} has no trained {self.caption} yet: {remedy}")

    def read_config(self) -> dict[str, Any]:
        """Return what its training recorded, in the words of today.

        Raise ValueError where there is nothing, where it is no such record, and for a format that
        is newer than this code.
        """
        config = read_toml(self.config_path)
        version = config.pop("version", 1)
        if not isinstance(version, int) or version < 1:
            raise ValueError(f"{self.config_path}: version = {version!r} is no format number")
        if version > CONFIG_FORMAT:
            raise ValueError(
                f"{self.config_path} has format {version}, and this version of latent-diffusion "
                f"reads up to {CONFIG_FORMAT}: update it, or train again"
            )
        config = modern(config)
        if not self.is_record(config):
            raise ValueError(
                f"{self.config_path} is not what a training of the {self.caption} recorded: copy "
                f"it again, or train again with {self.command}"
            )
        return config

    def is_record(self, config: Mapping[str, Any]) -> bool:
        """Return whether a config.toml has what every training of this part records."""
        stage, facts = config.get(self.name), FACTS.get(self.name, {})
        if not isinstance(stage, dict):
            return False
        tables = (config.get("data"), stage.get("model"), stage.get("training"))
        return all(isinstance(table, dict) for table in tables) and all(
            isinstance(config.get(name), kind) for name, kind in facts.items()
        )

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Record these tables, without the settings that are None, and the format's number."""
        tables = {"version": CONFIG_FORMAT, **config}
        write_atomic(self.config_path, tomli_w.dumps(without_none(tables)).encode())

    def checksum(self) -> str:
        """Return the sha256 of the weights, which names this network in caches and samples.json."""
        with self.model_path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


class Run:
    """A run directory; `Run(folder)` may be new, `Run.open(folder)` must exist."""

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        self.autoencoder = Part(self.folder / "autoencoder")
        self.classifier = Part(self.folder / "classifier")
        self.diffusion = Part(self.folder / "diffusion")
        self.perceptual = Part(self.folder / "perceptual")
        self.adversary = Part(self.folder / "adversary")
        self.student = Part(self.folder / "diffusion-fast", "student")
        self.reference = self.folder / "reference"
        self.scores_path = self.folder / "scores.json"
        self.lock_path = self.folder / ".lock"  # of who trains, or changes how the run samples
        self.has_recorded = False  # scores, since it was opened

    @classmethod
    def open(cls, folder: Path | str) -> "Run":
        """Return the run in a folder; raise ValueError where there is none."""
        run = cls(folder)
        if not run.folder.is_dir():
            raise ValueError(
                f"there is no run at {folder}: "
                "train one with ldm train-autoencoder, or try ldm demo"
            )
        parts = (run.autoencoder, run.classifier, run.diffusion)
        if not any(part.config_path.is_file() for part in parts):
            raise ValueError(
                f"{folder} is not a run: it holds none of autoencoder/, classifier/, diffusion/"
            )
        return run

    def checksum(self, fast: bool = False) -> str:
        """Return what names this pair of autoencoder and denoiser, or student, in samples.json."""
        second = self.student if fast else self.diffusion
        return f"{self.autoencoder.checksum()[:16]}-{second.checksum()[:16]}"

    def read_scores(self) -> dict[str, Any]:
        """Return the entries of scores.json; none where nothing was scored yet.

        Raise ValueError where it is damaged.
        """
        return read_json(self.scores_path) if self.scores_path.is_file() else {}

    def add_scores(self, name: str, scores: dict[str, Any]) -> None:
        """Replace one entry of scores.json and keep the others.

        Say so where it cannot be written: scores are worth more than their record.
        """
        try:
            with locked(self.folder / ".scores.lock", wait=True):
                try:
                    known = self.read_scores()
                except ValueError as error:
                    say(f"not recorded: {error}")
                    return
                write_json(self.scores_path, {**known, name: scores})
            self.has_recorded = True
        except OSError as error:
            say(f"not recorded in {self.scores_path}: {error.strerror}")


def modern(settings: dict[str, Any]) -> dict[str, Any]:
    """Return nested settings with the names of today; those of classes are left as they are."""
    renamed: dict[str, Any] = {}
    for name, value in settings.items():
        if EARLIER_NAMES.get(name) in settings:
            raise ValueError(
                f"{name} is the earlier name of {EARLIER_NAMES[name]}: set one of them"
            )
        if isinstance(value, dict) and name not in ("class_guidance", "data"):
            value = modern(value)
        renamed[EARLIER_NAMES.get(name, name)] = value
    return renamed


def configs_folder() -> Path:
    """Return configs/: inside this package in a wheel, beside the packages in a checkout."""
    inside = Path(__file__).parent / "configs"
    return inside if inside.is_dir() else Path(__file__).parents[1] / "configs"


def write_atomic(
    path: Path,
    content: bytes | Iterable[bytes | memoryview],
    check: Callable[[Path], object] | None = None,
    former: Path | None = None,
) -> None:
    """Write a file, and the folders above it, so that a reader finds the old one or the new one.

    content: all of it, or pieces. `check(path)` may refuse what was written, as it is read from the
    disk. former: where the old file goes, if there is one. An OSError names the file.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.writelines([content] if isinstance(content, bytes) else content)
            file.flush()
            os.fsync(file.fileno())
            if check and hasattr(os, "posix_fadvise"):  # else it would be read from memory
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if check:
            check(beside)
        if former and path.is_file():
            os.replace(path, former)
        os.replace(beside, path)
        if former:
            sync_folder(path.parent)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def remove_leftovers(folder: Path, age: float = 0) -> None:
    """Delete what writes left in a folder, and those in it, whose process died on the way.

    age: seconds for which nobody must have touched them, where others may write as well.
    """
    for path in folder.rglob(".*"):
        found = re.fullmatch(r"\..+\.(\d+)", path.name)
        with suppress(OSError):
            if found and not runs(int(found[1])) and time.time() - path.stat().st_mtime >= age:
                path.unlink()


def runs(process: int) -> bool:
    """Return whether another process of this number is alive."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return process != os.getpid()


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, too."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def check_writable(path: Path, other: str = "give another place to write to") -> None:
    """Raise ValueError where a file cannot be written, before hours are spent on what is in it.

    other: what to do about it.
    """
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"cannot write {path} ({error.strerror}): {other}") from None


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically; raise ValueError for NaN and infinity."""
    write_atomic(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def without_none(value: Any) -> Any:
    """Return nested settings without those that are None, for TOML has no null."""
    if isinstance(value, dict):
        return {key: without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [without_none(item) for item in value]
    return value
