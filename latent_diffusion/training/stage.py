"""What the three trainings share around the loop: starting, resuming or refusing, recording, starting from another run."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor, nn

from latent_diffusion.data.reference import DataFacts, write_reference
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import DeviceRows, choose_precision
from latent_diffusion.images import from_uint8
from latent_diffusion.progress import say
from latent_diffusion.run import Part, Run, load_tensors
from latent_diffusion.training.checkpoint import read_progress
from latent_diffusion.training.distributed import World
from latent_diffusion.training.records import EVENTS, summary_writer

INITIALISED_ON = (
    2_000  # images of 64x64, fewer of larger ones, for what is fitted to the data before training
)


@dataclass(frozen=True)
class Start:
    """How a training command was asked to begin."""

    resume: bool = False
    overwrite: bool = False
    init: Path | None = None  # another run, whose weights to begin from
    tensorboard: bool = False  # write TensorBoard events, too

    def __post_init__(self):
        if self.tensorboard:
            summary_writer()  # refuses at once where the package is missing


def begin(part: Part, stage: BaseModel, data: Dataset, start: Start, world: World) -> BaseModel:
    """Check that this training may begin, and choose its precision; changes nothing on disk. Returns the resolved stage."""
    recorded = part.read_config() if part.config_path.is_file() else None
    if start.resume and part.trained and not part.checkpoint_path.is_file():
        raise ValueError(
            f"{part.checkpoint_path} is missing, so the {part.caption} cannot be resumed: --overwrite trains anew, and --init "
            "starts a new --run from its weights"
        )
    precision = stage.training.precision
    if start.resume and recorded:
        before = type(stage).model_validate(recorded[part.name])
        if before.model != stage.model:
            raise ValueError(
                f"--resume cannot change the shape of the {part.caption}: leave out --set {part.settings}.model…"
            )
        if recorded["data"]["checksum"] != data.info.checksum:
            raise ValueError(
                f"{data.folder} has changed since this training began, so it cannot be resumed: --overwrite "
                "trains anew, and --init starts a new --run from its weights"
            )
        if part.checkpoint_path.is_file():
            done, lengths = read_progress(part.checkpoint_path)
            if done > stage.training.steps:
                raise ValueError(
                    f"{part.folder} has done {done} steps already, more than steps = {stage.training.steps}"
                )
            if lengths != stage.training.average_lengths:
                raise ValueError(
                    f"--resume cannot change which averages of the weights the {part.caption} keeps: leave average_length "
                    "as it was, and snapshots 0 or not 0 as it was"
                )
        precision = before.training.precision if precision == "auto" else precision
        for change in changes(before.model_dump(), stage.model_dump()) if world.first else []:
            say(f"{part.caption}: from here on {change}")
    elif (
        not start.resume
        and not start.overwrite
        and (part.trained or part.checkpoint_path.is_file())
    ):
        raise ValueError(
            f"{part.folder} already holds a{'' if part.trained else ' partly'} trained {part.caption}: "
            "--resume continues it, --overwrite trains anew, another --run keeps both"
        )
    if stage.training.batch_size % world.size:
        raise ValueError(
            f"batch_size = {stage.training.batch_size} does not divide into {world.size} processes"
        )
    precision = world.agree(choose_precision(precision, world.device))
    return stage.model_copy(
        update={"training": stage.training.model_copy(update={"precision": precision})}
    )


def changes(old: dict, new: dict, path: str = "") -> list[str]:
    """What is set otherwise than before, in words."""
    found = []
    for name, value in new.items():
        if isinstance(value, dict):
            found += changes(old[name], value, f"{path}{name}.")
        elif value not in (old[name], "auto"):
            found.append(f"{path}{name} is {value}, no longer {old[name]}")
    return found


def commit(
    run: Run, part: Part, stage: BaseModel, data: Dataset, start: Start, world: World, **more: dict
) -> None:
    """Record what is about to be trained, once nothing can refuse it any more; what was trained before goes only now.

    `more` are further tables for the part's config.toml.
    """
    if world.first:
        facts = write_reference(run, data)
        if not start.resume:
            for path in (part.model_path, part.checkpoint_path, part.metrics_path):
                path.unlink(missing_ok=True)
            for path in part.averages.glob("*.safetensors"):
                path.unlink()
            shutil.rmtree(part.folder / EVENTS, ignore_errors=True)
        part.write_config(
            {part.name: stage.model_dump(mode="json"), **more, "data": facts.model_dump()}
        )
    world.barrier()


def initialise_from(
    source: Path, part: Part, model: nn.Module, class_names: list[str], world: World
) -> None:
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
        raise ValueError(
            f"nothing in {other.model_path} fits this {part.caption}: use the config that it was trained with"
        )
    model.load_state_dict(current)
    if world.first:
        say(f"{part.caption}: {taken} of {len(current)} tensors taken from {source}")


def match_classes(
    current: Tensor, other: Tensor, names: list[str], other_names: list[str]
) -> Tensor:
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
        self.rows, self.device = rows, device
        self.images, self.labels = DeviceRows(data.images, device), DeviceRows(data.labels, device)

    def __len__(self) -> int:
        return len(self.rows)

    def __call__(self, places: np.ndarray) -> tuple[Tensor, Tensor]:
        rows = self.rows[places]
        return from_uint8(self.images[rows], self.device), self.labels[rows]


def flipped(images: Tensor, chance: Tensor) -> Tensor:
    """Each image mirrored where its uniform number (N,) is under 1/2."""
    return torch.where((chance < 0.5)[:, None, None, None], images.flip(-1), images)


def first_images(data: Dataset) -> Tensor:
    """Some train images (N, 3, H, W) on the CPU, to fit a first layer to."""
    most = max(16, INITIALISED_ON * 64**2 // data.info.image_size**2)
    images = Images(data, data.train, torch.device("cpu"))
    return images(spread(len(images), most))[0]


def spread(rows: int, most: int) -> np.ndarray:
    """At most `most` row numbers, evenly spread."""
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).astype(np.int64))
