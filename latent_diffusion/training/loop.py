"""The one training loop: what is trained differs only in its Task.

What a step does depends on the config and the number of the step alone (see randomness.py), so that
a training that was killed and resumed ends with the same weights, bit for bit on a CPU, as one that
never stopped.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from latent_diffusion.device import autocast, is_out_of_memory
from latent_diffusion.ema import SNAPSHOT_LENGTHS, PowerEMA, ema_weights, save_snapshot
from latent_diffusion.progress import Progress
from latent_diffusion.run import Interrupted, Part
from latent_diffusion.training.checkpoint import load_checkpoint, save_checkpoint
from latent_diffusion.training.compilation import compiled
from latent_diffusion.training.config import TrainingConfig
from latent_diffusion.training.distributed import World
from latent_diffusion.training.interrupts import interrupts
from latent_diffusion.training.optimizers import make_optimizers, set_learning_rate
from latent_diffusion.training.randomness import Shuffle, StepRandom
from latent_diffusion.training.records import Records

CHECK_EVERY = 20  # steps between looks at the loss; each look waits for the device
Preview = Callable[[Any, int], Path | None]


@dataclass
class Task:
    """What is trained.

    `objective(batch, random) -> (loss, terms)` is a module that holds `model`; `batch(indices)`
    gives some of the `rows` rows of the data set on the device.
    """

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
    preview: Preview | None = None,
    tensorboard: bool = False,
) -> None:
    """Train `task.model` in place; it ends as the EMA of its weights.

    Checkpoints and metrics.jsonl are written into `part`. `preview(model with the EMA's weights,
    step)` draws a picture and says where it is. Raise ValueError in one line for a loss that is not
    finite and for a device out of memory, Interrupted after an interrupt; the last good checkpoint
    is kept in each case.
    """
    trainer = Trainer(task, config, part, world, preview)
    if resume and part.checkpoint_path.is_file():
        trainer.resume()
    if world.first:
        trainer.records = Records(part, trainer.done, tensorboard)
    try:
        trainer.run()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise ValueError(
            f"the {part.caption}'s training ran out of memory on {world.device}: try a smaller "
            f"--set {part.settings}.training.batch_size=…; {trainer.kept()}"
        ) from error
    trainer.finish()


class Trainer:
    """A training under way: its optimizers, EMAs and records, and how far it is."""

    def __init__(
        self,
        task: Task,
        config: TrainingConfig,
        part: Part,
        world: World,
        preview: Preview | None,
    ):
        self.task, self.config, self.part, self.world = task, config, part, world
        self.preview = preview
        self.optimizers = make_optimizers(
            task.model, config.optimizer, config.learning_rate, config.weight_decay, world.device
        )
        self.emas = [PowerEMA(task.model, length) for length in config.ema_lengths]
        self.objective = world.wrap(task.objective)
        self.shuffle = Shuffle(task.rows, config.batch_size, config.seed)
        self.means = Means()
        self.records: Records | None = None  # of the first process
        self.done = self.saved = 0  # steps, and those that the last checkpoint holds

    def resume(self) -> None:
        """Go on from the part's checkpoint."""
        path = self.part.checkpoint_path
        self.done = self.saved = load_checkpoint(path, self.task.model, self.emas, self.optimizers)
        self.world.say(
            f"{self.part.caption}: resuming after step {self.done} of {self.config.steps}"
        )

    def run(self) -> None:
        """Do the steps that are left; checkpoints hold the last one when it ends."""
        self.task.objective.train()
        steps, quiet = self.config.steps, not self.world.first
        bar = Progress(self.part.caption, steps, "steps", self.config.batch_size, quiet, self.done)
        with bar as progress, interrupts() as came, compiled(self.task.model, self.config.compile):
            for step in range(self.done, steps):
                self.step(step)
                due = self.is_due()
                stopping = (due or self.world.size == 1) and self.world.any(came())
                if due or stopping:
                    self.check(progress)
                self.keep_snapshots()
                if stopping:
                    self.save()
                    raise Interrupted(
                        f"{self.part.caption}: interrupted, all saved after step {self.done}; "
                        "--resume continues"
                    )
                if self.done % self.config.checkpoint_every == 0 and self.done < steps:
                    self.save()
                if self.done % self.config.preview_every == 0 and self.done < steps:
                    with ema_weights(self.task.model, self.emas[0]):
                        self.picture()
            if self.saved < steps:
                self.save()

    def step(self, step: int) -> None:
        """Do one step, counted from 0."""
        set_learning_rate(self.optimizers, self.config.learning_rate_at(step))
        random = StepRandom(self.config.seed, step, self.world.rank, self.world.device)
        batch = self.task.batch(self.shuffle.batch(step, self.world.rank, self.world.size))
        self.means.add(
            gradient_step(
                self.task.model,
                self.objective,
                batch,
                random,
                self.optimizers,
                self.config,
                self.world.device,
            )
        )
        self.done = step + 1
        for ema in self.emas:
            ema.update(self.done)

    def is_due(self) -> bool:
        """Return whether the loss is looked at: now and then, and before anything is saved."""
        config = self.config
        return (
            self.done % CHECK_EVERY == 0
            or self.done == config.steps
            or self.done % config.checkpoint_every == 0
            or self.done in config.snapshot_steps
        )

    def check(self, progress: Progress) -> None:
        """Record the figures since the last check; ValueError for a loss that is not finite."""
        figures = self.means.take()
        finite = math.isfinite(figures["loss"] + figures["gradient_norm"])
        if self.world.any(not finite):
            raise ValueError(self.not_finite())
        progress.advance(self.done - progress.done, loss=figures["loss"])
        if self.records:
            figures["learning_rate"] = self.config.learning_rate_at(self.done - 1)
            figures["images_per_second"] = progress.rate()
            self.records.figures(self.done, figures)

    def keep_snapshots(self) -> None:
        """Write the EMAs from which others can be put together, after the steps chosen for it."""
        if self.world.first and self.done in self.config.snapshot_steps:
            for ema in self.emas:
                if ema.length in SNAPSHOT_LENGTHS:
                    save_snapshot(self.part.ema_folder, ema, self.done)

    def save(self) -> None:
        """Write the checkpoint."""
        if self.world.first:
            path = self.part.checkpoint_path
            save_checkpoint(path, self.done, self.task.model, self.emas, self.optimizers)
        self.saved = self.done

    def picture(self) -> None:
        """Draw a preview by the model as it is now."""
        if self.preview and self.records:
            self.records.picture(self.done, self.preview(self.task.model, self.done))

    def finish(self) -> None:
        """Make the model its EMA, and draw the last preview."""
        if self.config.compile != "none":
            torch.compiler.reset()  # CUDA graphs keep the memory of a whole step
        self.task.model.load_state_dict(self.emas[0].state())
        self.task.objective.eval()
        self.picture()

    def not_finite(self) -> str:
        """Return what to say of a loss that is not finite."""
        part, config = self.part, self.config
        lower = f"--set {part.settings}.training.learning_rate={config.learning_rate / 3:.1g}"
        exact = " or --precision float32" if config.precision == "bfloat16" else ""
        return (
            f"the {part.caption}'s loss is not finite any more by step {self.done}: "
            f"try {lower}{exact}; {self.kept()}"
        )

    def kept(self) -> str:
        """Return what is left after a failure, in words."""
        if not self.saved:
            return "no checkpoint had been written yet"
        return (
            f"the checkpoint after step {self.saved} is kept ({self.part.checkpoint_path}), "
            "--resume continues from it"
        )


def gradient_step(
    model: nn.Module,
    objective: nn.Module,
    batch: Any,
    random: StepRandom,
    optimizers: list[torch.optim.Optimizer],
    config: TrainingConfig,
    device: torch.device,
) -> dict[str, Tensor]:
    """Do one step of all optimizers.

    Return the loss, the gradient's norm and the loss's terms, each () on the device.
    """
    with autocast(device, config.precision):
        loss, terms = objective(batch, random)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), config.gradient_norm)
    for optimizer in optimizers:
        optimizer.step()
    model.zero_grad(set_to_none=True)
    figures = {name: value.detach() for name, value in terms.items()}
    return {"loss": loss.detach(), "gradient_norm": norm, **figures}


class Means:
    """The means of the figures of steps since they were last taken, which waits for the device."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.steps = 0

    def add(self, figures: dict[str, Tensor]) -> None:
        """Add the figures of one step, each ()."""
        sums = self.sums
        self.sums = {n: sums[n] + value if n in sums else value for n, value in figures.items()}
        self.steps += 1

    def take(self) -> dict[str, float]:
        """Return the means, and begin anew."""
        means = {name: value.item() / self.steps for name, value in self.sums.items()}
        self.sums, self.steps = {}, 0
        return means
