"""The trials of a sweep on disk: sweep.json, and beside it the features of their samples.

Written and read by the search; reports read it, too.
"""

import hashlib
import io
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from pydantic import AliasChoices, BaseModel, Field

from latent_diffusion.denoiser import Interval
from latent_diffusion.evaluation.scores import Scores
from latent_diffusion.run import write_atomic, write_json

# First seeds of the search and of the confirmation: far from those that people draw and score,
# which must not have been chosen for.
TRIED = 1_000_001
CONFIRMED = 2_000_001
SWEEP_FILE = "sweep.json"


class Trial(BaseModel):
    """One setting: what it costs an image, in network evaluations and seconds, and what it scores.

    `run` is the checksum of the networks; `class_guidance` has the classes with a guidance of their
    own, by name.
    """

    run: str
    sampler: str
    steps: int
    guidance: float
    class_guidance: dict[str, float] = {}
    guidance_interval: Interval
    temperature: float
    epsilon_scale: float = 1.0  # as in sweeps from before there was one
    ema_length: float = Field(validation_alias=AliasChoices("ema_length", "average_length"))
    evaluations: int
    seconds: float
    first_seed: int
    scores: Scores

    @property
    def fid(self) -> float:
        """Return the FID, by which settings are chosen."""
        return self.scores.scores["fid"].value

    @property
    def recall(self) -> float:
        """Return the recall: the share of real images that samples come near."""
        return self.scores.scores["recall"].value


def read_trials(folder: Path) -> list[Trial]:
    """Return what a sweep wrote there; a finished one has last what it found best, confirmed.

    There are none where nothing was written, or a version that cannot be read any more.
    """
    path = folder / SWEEP_FILE
    if not path.is_file():
        return []
    try:
        return [Trial.model_validate(trial) for trial in json.loads(path.read_text())]
    except (ValueError, TypeError, RecursionError):
        return []


def write_trials(folder: Path, trials: Iterable[Trial]) -> None:
    """Write them as sweep.json, in place of what is there."""
    write_json(folder / SWEEP_FILE, [trial.model_dump() for trial in trials])


def features_path(trial: Trial, folder: Path) -> Path:
    """Return where the features of its samples are kept.

    Those of several trials make a mixture with a guidance for each class.
    """
    setting = trial.model_dump_json(exclude={"evaluations", "seconds", "scores"})
    setting = setting.replace('"ema_length"', '"average_length"')  # as earlier sweeps kept them
    known_by = f"{setting}{trial.scores.identity}{trial.scores.n}"
    return folder / "features" / f"{hashlib.sha256(known_by.encode()).hexdigest()[:16]}.npy"


def write_features(trial: Trial, folder: Path, features: np.ndarray) -> None:
    """Keep the features (N, D) of its samples, as float32."""
    buffer = io.BytesIO()
    np.save(buffer, features.astype(np.float32), allow_pickle=False)
    write_atomic(features_path(trial, folder), buffer.getvalue())


def read_features(trial: Trial, folder: Path) -> np.ndarray:
    """Return the features (N, D) that were kept, float32."""
    return np.load(features_path(trial, folder), allow_pickle=False)


def keep_features_of(trials: Iterable[Trial], folder: Path) -> None:
    """Delete the features of all other trials."""
    kept = {features_path(trial, folder) for trial in trials}
    for path in (folder / "features").glob("*.npy"):
        if path not in kept:
            path.unlink()
