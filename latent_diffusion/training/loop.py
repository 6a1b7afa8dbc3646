"""The one training loop: autoencoder, judge and denoiser differ only in their Task.

What a step does depends on the config and the number of the step alone (see randomness.py), so that a training that
was killed and resumed ends with the same weights, bit for bit on a CPU, as one that never stopped.
"""

import math
import signal
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from latent_diffusion.device import Precision, autocast, is_out_of_memory
from latent_diffusion.progress import Progress, say
from latent_diffusion.run import Interrupted, Part, save_tensors
from latent_diffusion.training.checkpoint import load_checkpoint, save_checkpoint
from latent_diffusion.training.distributed import World
from latent_diffusion.training.ema import SNAPSHOT_LENGTHS, PowerAverage, save_snapshot
from latent_diffusion.training.optimizers import make_optimizers
from latent_diffusion.training.randomness import Shuffle, StepRandom
from latent_diffusion.training.records import Records

CHECK_EVERY = 20  # steps between looks at the loss; each look waits for the device


class TrainingConfig(BaseModel):
    """How long and how fast; the same for the three trainings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(10_000, ge=1)
    batch_size: int = Field(128, ge=1, description="images a step, over all processes together")
    learning_rate: float = Field(1e-3, gt=0, description="at its highest, after the warm-up")
    warmup_steps: int = Field(
        100, ge=0, description="the learning rate rises linearly, then falls linearly to 0"
    )
    optimizer: Literal["muon", "adamw"] = Field(
        "muon", description="muon: for convolutions, with adamw for the rest"
    )
    weight_decay: float = Field(0.01, ge=0)
    gradient_norm: float = Field(1.0, gt=0, description="longer gradients are shortened to this")
    average_length: float = Field(
        0.05, gt=0, lt=0.28, description="of the moving average, as a share of the training"
    )
    snapshots: int = Field(
        0,
        ge=0,
        description="times that averages are kept, so that another length can be chosen afterwards",
    )
    precision: Precision = Field(
        "auto",
        description="auto (bfloat16 on GPUs that have it and on CPUs where it measures faster), bfloat16 or float32",
    )
    preview_every: int = Field(
        1000, ge=1, description="steps between pictures, of autoencoder and denoiser"
    )
    checkpoint_every: int = Field(500, ge=1, description="steps between checkpoints")
    compile: Literal["none", "default", "reduce-overhead"] = Field(
        "none",
        description="mode of torch.compile: a minute or more at the start, then perhaps faster steps; reduce-overhead: as CUDA graphs",
    )
    seed: int = Field(0, ge=0)

    @property
    def average_lengths(self) -> list[float]:
        """Of the averages that the training keeps; the first one becomes the model."""
        own = self.average_length
        return (
            [own, *(length for length in SNAPSHOT_LENGTHS if length != own)]
            if self.snapshots
            else [own]
        )

    @property
    def snapshot_steps(self) -> set[int]:
        return {round(self.steps * i / self.snapshots) for i in range(1, self.snapshots + 1)}

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        rise = (step + 1) / (self.warmup_steps + 1)
        fall = (self.steps - step) / max(1, self.steps - self.warmup_steps)
        return self.learning_rate * min(1.0, rise, fall)


@dataclass
class Task:
    """What is trained. `objective(batch, random) -> (loss, terms)` is a module that holds `model`; `batch(rows)` gives
    the rows of the data set on the device."""

    model: nn.Module
    objective: nn.Module
    rows: int
    batch: Callable[[np.ndarray], Any]


def train(
    task: Task,
    config: TrainingConfig,
    part: Part,
    world: World,
    resume: bool = False,
    preview: Callable[[nn.Module, int], Path | None] | None = None,
    tensorboard: bool = False,
) -> None:
    """Train `task.model` in place; it ends as the moving average. Writes checkpoints and metrics.jsonl into `part`.

    `preview(averaged model, step)` draws a picture and says where it is. Raises ValueError in one line for a loss that is
    not finite and for a device out of memory, Interrupted after an interrupt; the last good checkpoint is kept in each case.
    """
    optimizers = make_optimizers(
        task.model, config.optimizer, config.learning_rate, config.weight_decay, world.device
    )
    averages = [PowerAverage(task.model, length) for length in config.average_lengths]
    average, snapshots = averages[0], config.snapshot_steps
    done = 0
    if resume and part.checkpoint_path.is_file():
        done = load_checkpoint(part.checkpoint_path, task.model, averages, optimizers)
        say_first(world, f"{part.caption}: resuming after step {done} of {config.steps}")
    records = Records(part, done, tensorboard) if world.first else None
    objective, shuffle = (
        world.wrap(task.objective),
        Shuffle(task.rows, config.batch_size, config.seed),
    )
    reached, means = Reached(done, world), Means()
    task.objective.train()
    with (
        Progress(
            part.caption, config.steps, "steps", config.batch_size, not world.first, done
        ) as progress,
        interrupts() as stop,
        out_of_memory(part, reached),
        compiled(task.model, config.compile),
    ):

        def save(step: int) -> None:
            if world.first:
                save_checkpoint(part.checkpoint_path, step, task.model, averages, optimizers)
            reached.saved = step

        for step in range(done, config.steps):
            set_rate(optimizers, config.rate(step))
            random = StepRandom(config.seed, step, world.rank, world.device)
            batch = task.batch(shuffle.batch(step, world.rank, world.size))
            means.add(
                gradient_step(
                    task.model, objective, batch, random, optimizers, config, world.device
                )
            )
            now = step + 1
            for one in averages:
                one.update(now)
            checking = (
                now % CHECK_EVERY == 0
                or now == config.steps
                or now % config.checkpoint_every == 0
                or now in snapshots
            )
            stopping = (checking or world.size == 1) and world.any(stop())
            if checking or stopping:  # nothing is saved that was not found finite
                figures = means.take()
                if world.any(not math.isfinite(figures["loss"] + figures["gradient_norm"])):
                    raise ValueError(not_finite(part, now, reached.saved, config))
                progress.advance(now - progress.done, loss=figures["loss"])
                if records:
                    records.figures(
                        now,
                        figures
                        | {
                            "learning_rate": config.rate(step),
                            "images_per_second": progress.rate(),
                        },
                    )
            if world.first and now in snapshots:
                for one in averages:
                    if one.length in SNAPSHOT_LENGTHS:
                        save_snapshot(part.averages, one, now)
            if stopping:
                save(now)
                raise Interrupted(
                    f"{part.caption}: interrupted, all saved after step {now}; --resume continues"
                )
            if now % config.checkpoint_every == 0 and now < config.steps:
                save(now)
            if preview and records and now % config.preview_every == 0 and now < config.steps:
                with averaged(task.model, average):
                    records.picture(now, preview(task.model, now))
        if reached.saved < config.steps:
            save(config.steps)
    if config.compile != "none":
        torch.compiler.reset()  # CUDA graphs keep the memory of a whole step
    task.model.load_state_dict(average.state())
    task.objective.eval()
    if preview and records:
        records.picture(config.steps, preview(task.model, config.steps))


def gradient_step(
    model: nn.Module,
    objective: nn.Module,
    batch: Any,
    random: StepRandom,
    optimizers: list[torch.optim.Optimizer],
    config: TrainingConfig,
    device: torch.device,
) -> dict[str, Tensor]:
    """One step of all optimizers. The loss, its terms and the gradient's norm, each () on the device."""
    with autocast(device, config.precision):
        loss, terms = objective(batch, random)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), config.gradient_norm)
    for optimizer in optimizers:
        optimizer.step()
    model.zero_grad(set_to_none=True)
    return {
        "loss": loss.detach(),
        "gradient_norm": norm,
        **{name: value.detach() for name, value in terms.items()},
    }


class Means:
    """Of the figures of steps, since they were last taken; taking them waits for the device."""

    def __init__(self):
        self.sums: dict[str, Tensor] = {}
        self.steps = 0

    def add(self, figures: dict[str, Tensor]) -> None:
        self.sums = {name: self.sums.get(name, 0) + value for name, value in figures.items()}
        self.steps += 1

    def take(self) -> dict[str, float]:
        means = {name: value.item() / self.steps for name, value in self.sums.items()}
        self.sums, self.steps = {}, 0
        return means


@dataclass
class Reached:
    """The last step that was saved."""

    saved: int
    world: World


def set_rate(optimizers: list[torch.optim.Optimizer], rate: float) -> None:
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        group["lr"] = rate


@contextmanager
def compiled(model: nn.Module, mode: str):
    """The model's parts run as torch.compile makes them, for as long as the block lasts; names and weights stay as they are.

    Parts are its direct children, and what lies in lists of modules; single layers are left as they are. PyTorch keeps
    what it compiled for the next model of this shape, until torch.compiler.reset().
    """
    children = [
        part
        for child in model.children()
        for part in (child if isinstance(child, nn.ModuleList) else [child])
    ]
    parts = [part for part in children if mode != "none" and any(part.children())]
    for part in parts:
        part.forward = torch.compile(part.forward, mode=mode)
    try:
        yield
    finally:
        for part in parts:
            del part.forward  # the class's own again


@contextmanager
def averaged(model: nn.Module, average: PowerAverage):
    """The model with the averaged weights and as it is written, not compiled, for as long as the block lasts."""
    live = {key: value.clone() for key, value in model.state_dict().items()}
    model.load_state_dict(average.state())
    model.eval()
    try:
        with torch.compiler.set_stance("force_eager"):
            yield
    finally:
        model.load_state_dict(live)
        model.train()


@contextmanager
def interrupts():
    """`stop()` tells whether SIGINT or SIGTERM came; the step under way is finished first. A second one stops at once."""
    came = []

    def handler(number, frame):
        if came:
            raise KeyboardInterrupt
        came.append(number)

    try:
        previous = {s: signal.signal(s, handler) for s in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread, where signals never arrive
        previous = {}
    try:
        yield lambda: bool(came)
    finally:
        for number, old in previous.items():
            signal.signal(number, old)


@contextmanager
def out_of_memory(part: Part, reached: Reached):
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise ValueError(
                f"the {part.caption}'s training ran out of memory on {reached.world.device}: try a smaller "
                f"--set {part.settings}.training.batch_size=…; {kept(part, reached.saved)}"
            ) from error
        raise


def not_finite(part: Part, step: int, saved: int, config: TrainingConfig) -> str:
    rate = f"--set {part.settings}.training.learning_rate={config.learning_rate / 3:.1g}"
    return (
        f"the {part.caption}'s loss is not finite any more by step {step}: try {rate}"
        f"{' or --precision float32' if config.precision == 'bfloat16' else ''}; {kept(part, saved)}"
    )


def kept(part: Part, saved: int) -> str:
    return (
        f"the checkpoint after step {saved} is kept ({part.checkpoint_path}), --resume continues from it"
        if saved
        else "no checkpoint had been written yet"
    )


def say_first(world: World, text: str) -> None:
    if world.first:
        say(text)


def save_model(part: Part, model: nn.Module, world: World) -> None:
    if world.first:
        save_tensors(part.model_path, model.state_dict())
    world.barrier()
