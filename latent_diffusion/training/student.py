"""`ldm distill`: trains a student of the denoiser, which draws in one to four network evaluations.

It begins with its teacher's weights and learns the jumps of the teacher's own trajectories, guided
by scales that it is told (`trajectories.py`). No data set is needed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from latent_diffusion.data.reference import DataFacts, Reference, dataset_of
from latent_diffusion.data.split import TEST
from latent_diffusion.data.store import Dataset
from latent_diffusion.denoiser import FURTHER, Denoiser, NetworkConfig, Student
from latent_diffusion.device import autocast, place
from latent_diffusion.distributed import World
from latent_diffusion.loading import check_teacher, latents_checksum, trained_on
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.run import Run
from latent_diffusion.sampling.fast import MOST_STEPS, FastSampling, taught
from latent_diffusion.training.config import TrainingConfig
from latent_diffusion.training.loop import Preview, Task
from latent_diffusion.training.randomness import StepRandom, stream_seed
from latent_diffusion.training.stage import FRESH, Job, Stage, Start
from latent_diffusion.training.timing import in_minutes
from latent_diffusion.training.trajectories import (
    JumpRows,
    Plan,
    Trajectories,
    any_trajectories,
    draw,
    jumps,
    kept_trajectories,
    seconds_for_one,
)

TRAJECTORIES = "trajectories.safetensors"  # beside the checkpoints
ENOUGH = 0.1  # last noise level of few steps from which four of them do as well as many
LOOKS, APART = 10, 5  # at held-out trajectories, and steps from one to the next at least
HELD_OUT, FIRST_HELD_OUT = 32, 2**40  # trajectories that nothing is learnt from
FEWEST, MOST_BYTES = 16, 2**31  # trajectories, and bytes of them


class StudentStage(BaseModel):
    """Everything about the student."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: NetworkConfig | None = Field(None, description="its teacher's, which cannot be changed")
    most_guidance: float = Field(
        4.0,
        ge=1,
        le=1000,
        description="up to which it learns guidance, from 1 on; less is learnt better",
    )
    teacher_steps: int | Literal["auto"] = Field(
        "auto",
        description="of the teacher for one of four of the student; auto: 1 where the decoder "
        "learnt with so much latent_noise that few steps are enough, else 3",
    )
    passes: float = Field(
        1.0,
        gt=0,
        description="times that it sees a jump; fewer are more trajectories in the same time",
    )
    training: TrainingConfig = TrainingConfig(
        minutes=8,
        batch_size=32,
        learning_rate=1e-3,
        warmup_steps=20,
        ema_length=0.1,
    )

    @model_validator(mode="after")
    def _training(self) -> "StudentStage":
        if self.teacher_steps != "auto" and not 1 <= self.teacher_steps <= 100:
            raise ValueError(f"teacher_steps = {self.teacher_steps}: give auto, or 1 to 100")
        if self.training.snapshots:
            raise ValueError("training.snapshots are not for a student: leave them out")
        return self


class StudentObjective(nn.Module):
    """The student's error at the end of each jump."""

    def __init__(self, model: Student):
        super().__init__()
        self.model = model

    def forward(
        self, batch: tuple[Tensor, ...], random: StepRandom
    ) -> tuple[Tensor, dict[str, Tensor]]:
        return self.model.loss(*batch).mean(), {}


@dataclass(frozen=True)
class JumpWatch:
    """Looks at how far from its teacher's a student ends, on trajectories it never learns from."""

    held_out: Trajectories
    sampling: FastSampling
    every: int
    precision: str
    ends_early: bool = False

    @torch.inference_mode()
    def look(self, model: nn.Module, last: bool) -> dict[str, float]:
        """Return the mean squared difference of latents by the number of jumps."""
        assert isinstance(model, Student)
        return {f"difference_{n}": self.difference(model, n) for n in range(1, MOST_STEPS + 1)}

    def difference(self, model: Student, steps: int) -> float:
        """Return the mean squared difference of latents after so many jumps."""
        device = next(model.parameters()).device
        levels = self.sampling.of(steps).levels
        labels = torch.from_numpy(self.held_out.labels).to(device)
        guidance = torch.from_numpy(self.held_out.guidance).to(device)
        states = torch.from_numpy(self.held_out.states).to(device).float()
        x = states[:, 0]
        for sigma, following in pairwise(levels):
            begin = torch.full((len(x),), sigma, device=device)
            end = torch.full((len(x),), following, device=device)
            with autocast(device, self.precision):
                clean = model(x, begin, labels, guidance, end)
            x = clean + (following / sigma) * (x - clean)
        return (x - states[:, -1]).double().square().mean().item()


class StudentTraining(Stage[StudentStage]):
    """The training of the student of a run's denoiser."""

    def __init__(
        self, run: Run, stage: StudentStage, world: World, start: Start, preview: Preview | None
    ):
        self.pipe = Pipeline.from_run(run.folder, str(world.device))
        assert isinstance(self.pipe.denoiser, Denoiser)
        self.teacher: Denoiser = self.pipe.denoiser
        if start.init:
            raise ValueError("a student begins with its teacher's weights: leave out --init")
        if run.student.config_path.is_file():
            start = going_on(run, start, world)
        super().__init__(
            Job(run, kept_data(run), world, start), run.student, shaped(run, stage), preview
        )
        most = self.config.most_guidance if self.pipe.knows_null else 1.0
        self.sampling = taught(self.pipe.sampling, most)
        asked = self.config.teacher_steps
        self.parts = (1 if self.sampling.last_level >= ENOUGH else 3) if asked == "auto" else asked
        known = {"most_guidance": most, "teacher_steps": self.parts}
        self.config = self.config.model_copy(update=known)

    @property
    def plan(self) -> Plan:
        """Return how the trajectories are drawn: as the run samples."""
        teacher = f"{self.job.run.diffusion.checksum()} {self.pipe.ema_length}"
        shape = self.pipe.autoencoder.latent_shape
        return Plan(self.sampling, shape, self.pipe.precision, teacher, self.parts)

    def task(self) -> Task:
        torch.manual_seed(stream_seed(self.config.training.seed))
        assert self.config.model
        channels, classes = self.pipe.autoencoder.config.latent_channels, self.teacher.null_label
        network = self.config.model.build(channels, classes, FURTHER)
        network.load_state_dict(self.teacher.network.state_dict(), strict=False)
        model = Student(network, self.teacher.class_names, self.config.most_guidance)
        objective = place(StudentObjective(model), self.job.world.device)
        rows = self.rows(any_trajectories(self.plan))
        return Task(model, objective, len(rows), rows)

    def in_minutes(self, task: Task) -> StudentStage:
        """Return the config with the steps that fit, with the trajectories that they need."""
        if self.config.training.minutes is None:
            return self.config
        seconds = self.job.world.agree(seconds_for_one(self.teacher, self.plan))
        besides = seconds * self.trajectories_for(1)
        return in_minutes(self.config, task, self.job.world, self.part.caption, besides)

    def trajectories_for(self, steps: int) -> float:
        """Return how many trajectories so many steps need."""
        different = len(jumps()) * self.config.passes
        return steps * self.config.training.batch_size / different

    def ready(self, task: Task) -> Task:
        plan, world = self.plan, self.job.world
        one = 2 * len(plan.levels) * int(np.prod(plan.latent_shape))  # bytes
        count = int(self.trajectories_for(self.config.training.steps))
        count = max(FEWEST, min(count, MOST_BYTES // one))
        path = self.part.checkpoint_path.with_name(TRAJECTORIES)
        if world.first:
            drawn = kept_trajectories(path, self.teacher, plan, count)
        world.barrier()
        if not world.first:
            drawn = kept_trajectories(path, self.teacher, plan, count)
        rows = self.rows(drawn)
        return replace(task, rows=len(rows), batch=rows)

    def rows(self, drawn: Trajectories) -> JumpRows:
        """Return the jumps of trajectories, ready to be learnt."""
        return JumpRows(drawn, self.plan.levels, self.job.world.device)

    def watch(self) -> JumpWatch:
        training = self.config.training
        held_out = draw(self.teacher, self.plan, FIRST_HELD_OUT, HELD_OUT)
        every = max(APART, training.steps // LOOKS)
        return JumpWatch(held_out, self.sampling, every, training.precision)

    def data_facts(self) -> DataFacts:
        return trained_on(self.job.run.diffusion)

    def facts(self) -> Mapping[str, Any]:
        return {
            "sampling": self.sampling.model_dump(mode="json"),
            "autoencoder_checksum": latents_checksum(self.job.run.autoencoder),
            "teacher_checksum": self.job.run.diffusion.checksum(),
        }


def train_student(
    run: Run,
    stage: StudentStage,
    world: World,
    start: Start = FRESH,
    preview: Preview | None = None,
) -> None:
    """Train the student of a run's denoiser. `preview(student, step)` draws a picture on the way.

    Raise ValueError for a run without a trained denoiser, and for one whose network cannot be told
    more.
    """
    StudentTraining(run, stage, world, start, preview).train()


def going_on(run: Run, start: Start, world: World) -> Start:
    """Return how to begin where a student was trained before: anew for another teacher.

    Raise ValueError where a resume was asked for then.
    """
    try:
        check_teacher(run)
    except ValueError:
        if start.resume:
            raise ValueError(
                f"the networks of {run.folder} were retrained, so its student cannot be resumed: "
                "--overwrite trains it anew"
            ) from None
        world.say("the networks were retrained: the student is trained anew")
        return replace(start, overwrite=True)
    return start


def shaped(run: Run, stage: StudentStage) -> StudentStage:
    """Return the stage with the shape of the teacher; ValueError where that cannot be."""
    recorded = run.diffusion.read_config()["diffusion"]["model"]
    own = StudentStage.model_validate({"model": recorded}).model
    assert own
    if stage.model not in (None, own):
        raise ValueError("a student has the shape of its teacher: leave out --set student.model…")
    if "further" not in own.build.__code__.co_varnames:
        raise ValueError(
            f"networks of the kind {own.kind} cannot be told guidance: their build takes no "
            "`further` (latent_diffusion/README.md says what it is)"
        )
    return stage.model_copy(update={"model": own})


def kept_data(run: Run) -> Dataset:
    """Return what a run keeps of its data: held-out images, none in one that came from a hub."""
    facts = trained_on(run.diffusion)
    size = facts.image_size
    images, labels = np.zeros((0, size, size, 3), np.uint8), np.zeros(0, np.int64)
    if (run.reference / "data.json").is_file():
        reference = Reference.open(run)
        images, labels = reference.images, reference.labels
    return dataset_of(facts, images, labels, TEST, run.reference)
