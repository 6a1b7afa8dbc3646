"""What the three trainings share around the loop: starting, resuming or refusing, recording, starting from another run."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor, nn

from latent_diffusion.data.reference import DataFacts, write_reference
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import choose_precision
from latent_diffusion.images import from_uint8
from latent_diffusion.progress import say
from latent_diffusion.run import Part, Run, load_tensors
from latent_diffusion.training.distributed import World

INITIALISED_ON = 2_000  # images, for what is fitted to the data before training


@dataclass(frozen=True)
class Start:
    """How a training command was asked to begin."""

    resume: bool = False
    overwrite: bool = False
    init: Path | None = None  # another run, whose weights to begin from


def begin(run: Run, part: Part, stage: BaseModel, data: Dataset, start: Start, world: World, **more: dict) -> BaseModel:
    """Check that this training may begin, choose the precision, record everything; returns the resolved stage.

    `more` are further tables for the part's config.toml.
    """
    recorded = part.read_config()[part.name] if part.config_path.is_file() else None
    if start.resume:
        if recorded is None or not part.checkpoint_path.is_file():
            raise ValueError(f"{part.folder} holds no checkpoint to resume from: leave --resume out to begin")
        resolved = type(stage).model_validate(recorded)
        if resolved.model != stage.model:
            raise ValueError(f"--resume cannot change the shape of the {part.caption}: {part.config_path} has another "
                             f"{part.name}.model than the config given")
    elif (part.trained or part.checkpoint_path.is_file()) and not start.overwrite:
        raise ValueError(f"{part.folder} already holds a{'' if part.trained else ' partly'} trained {part.caption}: "
                         "--resume continues it, --overwrite trains anew, another --run keeps both")
    precision = recorded["training"]["precision"] if start.resume and stage.training.precision == "auto" else \
        choose_precision(stage.training.precision, world.device)
    stage = stage.model_copy(update={"training": stage.training.model_copy(update={"precision": precision})})
    if world.first:
        facts = write_reference(run, data)
        if not start.resume:
            for path in (part.model_path, part.checkpoint_path, part.metrics_path):
                path.unlink(missing_ok=True)
        part.write_config({part.name: stage.model_dump(mode="json"), **more, "data": facts.model_dump()})
    world.barrier()
    return stage


def initialise_from(source: Path, part: Part, model: nn.Module, class_names: list[str]) -> None:
    """Copy the weights of another run's part wherever names and shapes agree; classes are matched by name."""
    other = getattr(Run.open(source), part.name).require()
    tensors, _ = load_tensors(other.model_path)
    other_names = DataFacts.model_validate(other.read_config()["data"]).class_names
    current, taken = model.state_dict(), 0
    for key, value in tensors.items():
        if key.endswith("label_embedding.weight"):
            value = match_classes(current[key], value, class_names, other_names)
        if key in current and current[key].shape == value.shape:
            current[key] = value
            taken += 1
    if not taken:
        raise ValueError(f"nothing in {other.model_path} fits this {part.caption}: use the config that it was trained with")
    model.load_state_dict(current)
    say(f"{part.caption}: {taken} of {len(current)} tensors taken from {source}")


def match_classes(current: Tensor, other: Tensor, names: list[str], other_names: list[str]) -> Tensor:
    """An embedding (K + 1, E) with the other's rows for classes of the same name and for the null label."""
    if current.shape[1:] != other.shape[1:]:
        return current
    rows = current.clone()
    rows[-1] = other[-1]
    for label, name in enumerate(names):
        if name in other_names:
            rows[label] = other[other_names.index(name)]
    return rows


class Images:
    """Rows of a data set as float images (N, 3, H, W) and labels (N,) on the device."""

    def __init__(self, data: Dataset, rows: np.ndarray, device: torch.device):
        self.data, self.rows, self.device = data, rows, device

    def __len__(self) -> int:
        return len(self.rows)

    def __call__(self, places: np.ndarray) -> tuple[Tensor, Tensor]:
        rows = self.rows[places]
        return from_uint8(self.data.images[rows], self.device), torch.from_numpy(self.data.labels[rows]).to(self.device)


def flipped(images: Tensor, chance: Tensor) -> Tensor:
    """Each image mirrored where its uniform number (N,) is under 1/2."""
    return torch.where((chance < 0.5)[:, None, None, None], images.flip(-1), images)


def spread(rows: int, most: int) -> np.ndarray:
    """At most `most` row numbers, evenly spread."""
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).astype(np.int64))
