"""The life of a stage, which the trainings share: begin or refuse, record, train, save.

autoencoder.py, sharpening.py, classifier.py, diffusion.py and student.py each say in a Stage what
is trained.
"""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from torch import Tensor, nn

from latent_diffusion.data.reference import DataFacts, write_reference
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import choose_precision
from latent_diffusion.distributed import World
from latent_diffusion.lock import locked
from latent_diffusion.run import Part, Run, remove_leftovers
from latent_diffusion.tensors import holds, load_tensors, save_tensors
from latent_diffusion.training.checkpoint import Checkpoint, newest_checkpoint
from latent_diffusion.training.config import TrainingConfig, with_training
from latent_diffusion.training.loop import Preview, Task, Trainer, Watching
from latent_diffusion.training.records import EVENTS, summary_writer
from latent_diffusion.training.room import check_room, full_disk, is_full
from latent_diffusion.training.timing import as_begun, in_minutes

Config = TypeVar("Config", bound=BaseModel)


@dataclass(frozen=True)
class Start:
    """How a training command was asked to begin."""

    resume: bool = False
    overwrite: bool = False
    init: Path | None = None  # another run, whose weights to begin from
    tensorboard: bool = False  # write TensorBoard events, too

    def __post_init__(self) -> None:
        if self.tensorboard:
            summary_writer()  # refuses at once where the package is missing


FRESH = Start()


@dataclass(frozen=True)
class Job:
    """What every training is given: where it writes, what it sees, how it begins."""

    run: Run
    data: Dataset
    world: World
    start: Start = FRESH


class Stage(ABC, Generic[Config]):
    """One of the trainings; `train` is its life, the rest says what is particular to it.

    `config` is the stage's, with model, training and more; its precision is chosen when it begins.
    """

    def __init__(self, job: Job, part: Part, config: Config, preview: Preview | None = None):
        self.job, self.part, self.config, self.preview = job, part, config, preview

    @abstractmethod
    def task(self) -> Task:
        """Return what is trained; nothing of an earlier training of this part is deleted yet."""

    def in_minutes(self, task: Task) -> Config:
        """Return the config with as many steps as fit its minutes, where it has some."""
        return in_minutes(self.config, task, self.job.world, self.part.caption)

    def ready(self, task: Task) -> Task:
        """Return the task with what can be made only when its steps are fixed."""
        return task

    def watch(self) -> Watching | None:
        """Return what looks at held-out data on the way, if anything; the steps are fixed."""
        return None

    def data_facts(self) -> DataFacts:
        """Return the facts of the data set; what the run keeps of it is written where missing."""
        return write_reference(self.job.run, self.job.data)

    def facts(self) -> Mapping[str, Any]:
        """Return what else the part's config.toml records."""
        return {}

    def finish(self, model: nn.Module) -> None:
        """Do what belongs to the trained model before it is saved."""

    def train(self) -> None:
        """Train and save; ValueError, before the part is changed, where that is refused.

        Also where another process writes to the run, and where the disk has no room.
        """
        with locked(self.job.run.lock_path) if self.job.world.first else nullcontext():
            if self.job.world.first:
                remove_leftovers(self.part.folder)
            trainer = self.trainer()
            try:
                self.commit()
                trainer.train()
                self.finish(trainer.task.model)
                self.save(trainer.task.model)
            except OSError as error:
                if not is_full(error):
                    raise
                raise full_disk(error, self.part, trainer.kept()) from error

    def trainer(self) -> Trainer:
        """Return the training at its first step, or where it goes on; nothing is changed yet."""
        start, world = self.job.start, self.job.world
        self.config, checkpoint, planned = begin(self.job, self.part, self.config)
        task = self.task()
        if not planned:
            self.config = self.in_minutes(task)
        task = replace(self.ready(task), watch=self.watch())
        if start.init:
            names = self.job.data.info.class_names
            initialise_from(start.init, self.part, task.model, names, world)
        training = self.config.training  # type: ignore[attr-defined]  # every stage has one
        trainer = Trainer(task, training, self.part, world, self.preview, start.tensorboard)
        if checkpoint:
            check_checkpoint(self.part, checkpoint, training)
            trainer.resume(checkpoint)
        if world.first:
            state = (task.model, trainer.emas, trainer.optimizers)
            check_room(self.part, *state, training, trainer.done)
        return trainer

    def commit(self) -> None:
        """Record what is about to be trained, once nothing can refuse it any more.

        What was trained before goes only now, when every process has looked at it.
        """
        self.job.world.barrier()
        if self.job.world.first:
            data_facts = self.data_facts()
            facts = self.facts()
            if not self.job.start.resume:
                self.forget()
            stage = self.config.model_dump(mode="json")
            table = {self.part.name: stage, **facts, "data": data_facts.model_dump()}
            self.part.write_config(table)
        self.job.world.barrier()

    def forget(self) -> None:
        """Delete what an earlier training of this part left."""
        part = self.part
        checkpoints = (part.checkpoint_path, part.earlier_checkpoint_path)
        for path in (part.model_path, *checkpoints, part.best_path, part.metrics_path):
            path.unlink(missing_ok=True)
        for path in part.ema_folder.glob("*.safetensors"):
            path.unlink()
        shutil.rmtree(part.folder / EVENTS, ignore_errors=True)

    def save(self, model: nn.Module) -> None:
        """Write the weights to use, unless they are there: their file names them elsewhere."""
        path, state = self.part.model_path, model.state_dict()
        if self.job.world.first and not holds(path, state):
            save_tensors(path, state)
        self.job.world.barrier()


def begin(job: Job, part: Part, config: Any) -> tuple[Any, Checkpoint | None, bool]:
    """Return the stage's config with its precision chosen, and the checkpoint that it goes on from.

    Also whether its steps are fixed already, as those of a training that goes on are. Nothing on
    disk is changed. Raise ValueError where this training may not begin.
    """
    start, world, precision = job.start, job.world, config.training.precision
    recorded = part.read_config() if part.config_path.is_file() else None
    checkpoint = newest_checkpoint(part, world.say) if start.resume else None
    planned = config.training.minutes is None
    if start.resume and part.trained and not checkpoint:
        raise ValueError(
            f"{part.checkpoint_path} is missing, so the {part.caption} cannot be resumed: "
            "--overwrite trains anew, and --init starts a new --run from its weights"
        )
    if start.resume and recorded:
        before = type(config).model_validate(recorded[part.name])
        check_resume(part, before, config, recorded["data"]["checksum"], job.data)
        planned = planned or config.training.minutes == before.training.minutes
        config = as_begun(config, before)
        precision = before.training.precision if precision == "auto" else precision
        for change in changes(before.model_dump(), config.model_dump()):
            world.say(f"{part.caption}: from here on {change}")
    elif not start.resume and not start.overwrite:
        check_nothing_is_there(part)
    check_shares(config.training, world)
    precision = world.agree(choose_precision(precision, world.device))
    return with_training(config, precision=precision), checkpoint, planned


def check_shares(training: TrainingConfig, world: World) -> None:
    """Raise ValueError where a batch does not divide into processes, and theirs into parts."""
    if training.batch_size % (world.size * training.accumulate):
        parts = f" of {training.accumulate} parts each" if training.accumulate > 1 else ""
        raise ValueError(
            f"batch_size = {training.batch_size} does not divide into {world.size} "
            f"process{'' if world.size == 1 else 'es'}{parts}: choose another batch_size"
        )


def check_nothing_is_there(part: Part) -> None:
    """Raise ValueError where a new training would replace another."""
    if part.trained or part.resumable:
        raise ValueError(
            f"{part.folder} already holds a{'' if part.trained else ' partly'} trained "
            f"{part.caption}: --resume continues it, --overwrite trains anew, another --run (or a "
            "copy of this one) keeps both"
        )


def check_resume(part: Part, before: Any, config: Any, checksum: str, data: Dataset) -> None:
    """Raise ValueError where a config and a data set cannot go on with what was begun.

    before: the config that was recorded; checksum: that of the data set then.
    """
    if before.model != config.model:
        raise ValueError(
            f"--resume cannot change the shape of the {part.caption}: "
            f"leave out --set {part.settings}.model…"
        )
    if checksum != data.info.checksum:
        raise ValueError(
            f"{data.folder} has changed since this training began, so it cannot be resumed: "
            "--overwrite trains anew, and --init starts a new --run from its weights"
        )
    if before.training.optimizer != config.training.optimizer:
        raise ValueError(
            f"--resume cannot change the optimizer of the {part.caption} from "
            f"{before.training.optimizer} to {config.training.optimizer}, whose state is another: "
            f"leave out --set {part.settings}.training.optimizer, train anew with --overwrite, or "
            "start a new --run from its weights with --init"
        )


def check_checkpoint(part: Part, checkpoint: Checkpoint, training: TrainingConfig) -> None:
    """Raise ValueError where a training cannot go on from a checkpoint."""
    if checkpoint.done > training.steps:
        raise ValueError(
            f"{part.folder} has done {checkpoint.done} steps already, more than steps = "
            f"{training.steps}"
        )
    if checkpoint.lengths != training.ema_lengths:
        raise ValueError(
            f"--resume cannot change which EMAs of the weights the {part.caption} keeps: leave "
            "ema_length as it was, and snapshots 0 or not 0 as it was"
        )


def changes(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> list[str]:
    """Return what is set otherwise than before, in words."""
    found = []
    for name, value in new.items():
        if isinstance(value, dict):
            found += changes(old[name], value, f"{path}{name}.")
        elif value not in (old[name], "auto"):
            found.append(f"{path}{name} is {value}, no longer {old[name]}")
    return found


def initialise_from(
    source: Path, part: Part, model: nn.Module, class_names: Sequence[str], world: World
) -> None:
    """Copy the weights of another run's part wherever names and shapes agree.

    Classes are matched by name. Raise ValueError where nothing fits.
    """
    other: Part = getattr(Run.open(source), part.name).require()
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
            f"nothing in {other.model_path} fits this {part.caption}: use the config that it was "
            "trained with"
        )
    model.load_state_dict(current)
    world.say(f"{part.caption}: {taken} of {len(current)} tensors taken from {source}")


def match_classes(
    current: Tensor, other: Tensor, names: Sequence[str], other_names: Sequence[str]
) -> Tensor:
    """Return an embedding (K + 1, E) with the other's rows for classes of the same name.

    The last row is the null label's, and is taken as well.
    """
    if current.shape[1:] != other.shape[1:]:
        return current
    rows = current.clone()
    rows[-1] = other[-1]
    for label, name in enumerate(names):
        if name in other_names:
            rows[label] = other[other_names.index(name)]
    return rows
