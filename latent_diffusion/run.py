"""The run directory: what is where, how it is read and written. Every other room reads and writes runs through this file.

A write is atomic: a file is either the old one or the new one, whole, however the process ends.
"""

import hashlib
import json
import os
import tomllib
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomli_w

CAPTIONS = {  # of each part: what it is called, what trains it, where its settings are
    "autoencoder": ("autoencoder", "ldm train-autoencoder", "autoencoder"),
    "classifier": ("judge", "ldm train-classifier", "classifier"),
    "diffusion": ("denoiser", "ldm train-diffusion", "diffusion"),
    "perceptual": (
        "perceptual classifier",
        "ldm train-autoencoder",
        "autoencoder.perceptual_classifier",
    ),
    "adversary": ("sharpening", "ldm train-autoencoder", "autoencoder.adversary"),
}


CONFIG_FORMAT = 2  # of config.toml; 1, which did not say so, called EMAs averages
EARLIER_NAMES = {"average_length": "ema_length"}


class Interrupted(Exception):
    """The user stopped a training, and everything was saved."""


class Part:
    """One trained network of a run: its resolved config, weights, checkpoint, log and pictures."""

    def __init__(self, folder: Path):
        self.folder, self.name = folder, folder.name
        self.config_path = folder / "config.toml"
        self.model_path = folder / "model.safetensors"
        self.checkpoint_path = folder / "checkpoint" / "last.safetensors"
        self.metrics_path = folder / "metrics.jsonl"
        self.ema_folder = folder / "ema"  # snapshots of averages of the weights

    @property
    def caption(self) -> str:
        return CAPTIONS[self.name][0]

    @property
    def command(self) -> str:
        return CAPTIONS[self.name][1]

    @property
    def settings(self) -> str:
        return CAPTIONS[self.name][2]

    @property
    def trained(self) -> bool:
        return self.model_path.is_file()

    def require(self) -> "Part":
        """Itself, or ValueError with the command that makes it."""
        if not self.trained:
            unfinished = (
                " (its training was interrupted: add --resume)"
                if self.checkpoint_path.is_file()
                else ""
            )
            raise ValueError(
                f"{self.folder.parent} has no trained {self.caption} yet: "
                f"run {self.command} first{unfinished}"
            )
        return self

    def read_config(self) -> dict[str, Any]:
        """Return what its training recorded, in the words of today.

        Raise ValueError where there is nothing, and for a format that is newer than this code.
        """
        config = read_toml(self.config_path)
        version = config.pop("version", 1)
        if version not in range(1, CONFIG_FORMAT + 1):
            raise ValueError(
                f"{self.config_path} has format {version}, and this version of latent-diffusion "
                f"reads up to {CONFIG_FORMAT}: update it, or train again"
            )
        return modern(config)

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Record these tables."""
        tables = {"version": CONFIG_FORMAT, **config}
        write_atomic(self.config_path, tomli_w.dumps(without_none(tables)).encode())

    def checksum(self) -> str:
        """sha256 of the weights: what names this network in caches and in samples.json."""
        with self.model_path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


class Run:
    """A run directory; `Run(folder)` may be new, `Run.open(folder)` must exist."""

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        self.autoencoder, self.classifier = (
            Part(self.folder / "autoencoder"),
            Part(self.folder / "classifier"),
        )
        self.diffusion, self.perceptual = (
            Part(self.folder / "diffusion"),
            Part(self.folder / "perceptual"),
        )
        self.adversary, self.reference = Part(self.folder / "adversary"), self.folder / "reference"
        self.scores_path = self.folder / "scores.json"

    @classmethod
    def open(cls, folder: Path | str) -> "Run":
        run = cls(folder)
        if not run.folder.is_dir():
            raise ValueError(
                f"there is no run at {folder}: train one with ldm train-autoencoder, or try ldm demo"
            )
        if not any(
            part.config_path.is_file() for part in (run.autoencoder, run.classifier, run.diffusion)
        ):
            raise ValueError(
                f"{folder} is not a run: it holds none of autoencoder/, classifier/, diffusion/"
            )
        return run

    def checksum(self) -> str:
        """What names this pair of autoencoder and denoiser."""
        return f"{self.autoencoder.checksum()[:16]}-{self.diffusion.checksum()[:16]}"

    def read_scores(self) -> dict:
        return json.loads(self.scores_path.read_text()) if self.scores_path.is_file() else {}

    def add_scores(self, name: str, scores: dict) -> None:
        """Replace one entry of scores.json and keep the others."""
        write_json(self.scores_path, {**self.read_scores(), name: scores})


def modern(settings: dict[str, Any]) -> dict[str, Any]:
    """Return nested settings with the names of today; those of classes are left as they are."""
    renamed: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict) and name not in ("class_guidance", "data"):
            value = modern(value)
        renamed[EARLIER_NAMES.get(name, name)] = value
    return renamed


def configs_folder() -> Path:
    """Where configs/ is: inside this package in a wheel, beside the packages in a checkout."""
    inside = Path(__file__).parent / "configs"
    return inside if inside.is_dir() else Path(__file__).parents[1] / "configs"


def write_atomic(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: Path, value) -> None:
    write_atomic(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def read_toml(path: Path) -> dict:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise ValueError(f"there is no config at {path}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid TOML: {error}") from None


def save_tensors(path: Path, tensors: Mapping, metadata: Mapping[str, str] | None = None) -> None:
    from safetensors.torch import save

    tensors = {key: value.detach().contiguous().cpu() for key, value in tensors.items()}
    write_atomic(path, save(tensors, metadata=dict(metadata or {})))


def load_tensors(path: Path) -> tuple[dict, dict[str, str]]:
    """The tensors of a safetensors file, and its metadata."""
    with opened_tensors(path) as file:
        return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})


def load_metadata(path: Path) -> dict[str, str]:
    with opened_tensors(path) as file:
        return dict(file.metadata() or {})


@contextmanager
def opened_tensors(path: Path):
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except SafetensorError as error:
        raise ValueError(
            f"{path} is damaged or no safetensors file ({error}): copy or train it again"
        ) from None


def load_weights(network, tensors: Mapping, path: Path) -> None:
    """`load_state_dict` whose refusal is one line that names the file."""
    try:
        network.load_state_dict(dict(tensors))
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise ValueError(f"the weights in {path} do not fit its config.toml: {first}") from None


def without_none(value):
    """TOML has no null: a setting that is None is left out."""
    if isinstance(value, dict):
        return {key: without_none(item) for key, item in value.items() if item is not None}
    return [without_none(item) for item in value] if isinstance(value, (list, tuple)) else value
