"""The one training loop: what is trained differs only in its Task.

What a step does depends on the config and the number of the step alone (see randomness.py), so that
a training that was killed and resumed ends with the same weights, bit for bit on a CPU, as one that
never stopped.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

import numpy as np
import torch
from torch import nn

from latent_diffusion.device import Vanished, is_out_of_memory
from latent_diffusion.distributed import World
from latent_diffusion.ema import SNAPSHOT_LENGTHS, PowerEMA, ema_weights, save_snapshot
from latent_diffusion.parsing import read_log
from latent_diffusion.progress import Progress
from latent_diffusion.run import Interrupted, Part
from latent_diffusion.tensors import load_tensors, save_tensors
from latent_diffusion.training.checkpoint import Checkpoint, newest_checkpoint, save_checkpoint
from latent_diffusion.training.compilation import compiled
from latent_diffusion.training.config import TrainingConfig
from latent_diffusion.training.health import best, has_risen, looks
from latent_diffusion.training.interrupts import interrupts
from latent_diffusion.training.optimizers import make_optimizers, set_learning_rate
from latent_diffusion.training.randomness import Shuffle, StepRandom
from latent_diffusion.training.records import Records
from latent_diffusion.training.step import (
    LOWER,
    MOST_IN_A_ROW,
    Faults,
    Means,
    Parts,
    gradient_step,
    shares,
)

CHECK_EVERY = 20  # steps between looks at the loss; each look waits for the device
Preview = Callable[[Any, int], Path | None]


class Watching(Protocol):
    """What looks at a model every so many steps; it may end the training (see health.py)."""

    @property
    def every(self) -> int: ...

    @property
    def ends_early(self) -> bool: ...

    def look(self, model: nn.Module, last: bool) -> dict[str, float]: ...


@dataclass
class Task:
    """What is trained.

    `objective(batch, random) -> (loss, terms)` is a module that holds `model`; `batch(indices)`
    gives some of the `rows` rows of the data set on the device. `watch` looks at held-out pictures
    on the way, where there are any.
    """

    model: nn.Module
    objective: nn.Module
    rows: int
    batch: Callable[[np.ndarray], Any]
    watch: Watching | None = None


class Trainer:
    """A training under way: its optimizers, EMAs and records, and how far it is.

    It trains `task.model` in place. Checkpoints and metrics.jsonl are written into `part`, by the
    first process. `preview(model with the EMA's weights, step)` draws a picture and says where it
    is.
    """

    def __init__(
        self,
        task: Task,
        config: TrainingConfig,
        part: Part,
        world: World,
        preview: Preview | None = None,
        tensorboard: bool = False,
    ):
        self.task, self.config, self.part, self.world = task, config, part, world
        self.preview, self.tensorboard = preview, tensorboard
        self.optimizers = make_optimizers(
            task.model, config.optimizer, config.learning_rate, config.weight_decay, world.device
        )
        self.emas = [PowerEMA(task.model, length) for length in config.ema_lengths]
        self.objective = world.wrap(task.objective)
        self.shuffle = Shuffle(task.rows, config.batch_size, config.seed)
        self.means, self.faults = Means(), Faults(world.device)
        self.records: Records | None = None  # of the first process
        self.ended = False  # early, as the held-out loss rose
        self.done = self.saved = 0  # steps, and those that the last checkpoint holds
        self.last_is_good = True  # whether the last checkpoint is worth to be kept beside a new one
        self.first_weights: dict[str, torch.Tensor] = {}  # until there is a checkpoint

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint; ValueError where it does not fit."""
        self.fill(checkpoint)
        if checkpoint.facts.get("learning_rate") == self.config.learning_rate:
            self.faults.restore(checkpoint.facts)
        self.world.say(
            f"{self.part.caption}: resuming after step {self.done} of {self.config.steps}"
        )

    def fill(self, checkpoint: Checkpoint) -> None:
        """Make the state that of a checkpoint."""
        checkpoint.fill(self.task.model, self.emas, self.optimizers)
        self.done = self.saved = checkpoint.done
        self.last_is_good = checkpoint.is_good and checkpoint.path == self.part.checkpoint_path

    def train(self) -> None:
        """Do all steps that are left; the model ends as the EMA of its weights.

        Raise ValueError in one line for a loss that stays not finite and for a device out of
        memory, Interrupted after an interrupt; the last good checkpoint is kept in each case.
        """
        if not self.saved:
            state = self.task.model.state_dict()
            self.first_weights = {name: value.clone() for name, value in state.items()}
        self.begin_records()
        try:
            self.run()
        except Vanished as error:
            raise ValueError(f"{error}; {self.kept()}") from error
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO) or error.filename:
                raise
            self.stop()  # the terminal is gone, or who read what is printed
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise ValueError(
                f"the {self.part.caption}'s training ran out of memory on {self.world.device}: try "
                f"a smaller --set {self.part.settings}.training.batch_size=…; {self.kept()}"
            ) from error
        self.finish()

    def begin_records(self) -> None:
        """Open the records at the steps that are done."""
        if self.world.first:
            self.records = Records(self.part, self.done, self.tensorboard)
        self.ended = self.has_ended()

    def run(self) -> None:
        """Do the steps that are left; checkpoints hold the last one when it ends."""
        self.task.objective.train()
        steps, quiet = self.config.steps, not self.world.first
        bar = Progress(self.part.caption, steps, "steps", self.config.batch_size, quiet, self.done)
        with bar as progress, interrupts() as came, compiled(self.task.model, self.config.compile):
            while self.done < steps and not self.ended:
                self.step()
                due = self.is_due()
                stopping = (due or self.world.size == 1) and self.world.any(came())
                if (due or stopping) and not self.is_well(progress):
                    self.go_back(progress)
                    due = False
                if due:
                    self.keep_snapshots()
                if stopping:
                    self.stop()
                if due and self.done % self.config.checkpoint_every == 0 and self.done < steps:
                    self.save_if_good()
                if self.done % self.config.preview_every == 0 and 0 < self.done < steps:
                    with ema_weights(self.task.model, self.emas[0]):
                        self.picture()
            if self.saved < self.done:
                self.save()

    def step(self) -> None:
        """Do one step."""
        rate = self.config.learning_rate_at(self.done) * self.faults.share
        set_learning_rate(self.optimizers, rate)
        figures, failed = gradient_step(
            self.task.model,
            self.objective,
            self.parts(),
            self.optimizers,
            self.config,
            self.world,
        )
        self.means.add(figures, failed)
        self.faults.add(failed)
        self.done += 1
        for ema in self.emas:
            ema.update(self.done)

    def parts(self) -> Parts:
        """Yield what this process computes of the next step."""
        world = self.world
        for share in shares(self.config, world):
            random = StepRandom(self.config.seed, self.done, world.device, share, world)
            yield self.task.batch(self.shuffle.batch(self.done, share)), random

    def is_due(self) -> bool:
        """Return whether the loss is looked at: now and then, and before anything is saved."""
        config = self.config
        return (
            self.done % CHECK_EVERY == 0
            or self.done == config.steps
            or self.done % config.checkpoint_every == 0
            or self.done in config.snapshot_steps
            or self.is_watched()
        )

    def is_watched(self) -> bool:
        """Return whether held-out pictures are looked at: now and then, and at the end."""
        watch = self.task.watch
        return watch is not None and (
            self.done % watch.every == 0 or self.done == self.config.steps
        )

    def is_well(self, progress: Progress) -> bool:
        """Record the figures since the last look; return whether steps do not fail in a row."""
        figures, (failed, in_a_row) = self.means.take(self.world), self.faults.look()
        loss = {"loss": figures["loss"]} if figures else {}
        progress.advance(self.done - progress.done, **loss)
        if self.records and figures:
            rate = self.config.learning_rate_at(self.done - 1) * self.faults.share
            figures |= {"learning_rate": rate, "images_per_second": progress.rate()}
            if failed:
                figures["failed_steps"] = failed
            if self.is_watched():
                figures |= self.look()
            self.records.figures(self.done, figures)
        if self.is_watched():
            self.ended = self.has_ended()
        return in_a_row < MOST_IN_A_ROW

    def look(self) -> dict[str, float]:
        """Return what the watch sees by the EMA's weights, which are kept if none were better."""
        watch = self.task.watch
        assert watch
        with ema_weights(self.task.model, self.emas[0]):
            found = watch.look(self.task.model, last=self.done == self.config.steps)
        if watch.ends_early:
            before = looks(read_log(self.part.metrics_path))
            now = {"step": self.done, **found}
            if best([*before, now]) is now:
                save_tensors(self.part.best_path, self.emas[0].state())
        return found

    def has_ended(self) -> bool:
        """Return whether the held-out loss has risen so clearly that the training ends early."""
        risen = False
        if self.records and self.task.watch and self.task.watch.ends_early:
            risen = has_risen(looks(read_log(self.part.metrics_path)))
        return self.world.any(risen)

    def go_back(self, progress: Progress) -> None:
        """Go on from the last good state at a lower learning rate; ValueError the second time."""
        if self.faults.share < 1:
            raise ValueError(self.not_finite())
        failed_at, failed = self.done, self.faults.counts
        if self.saved:
            checkpoint = newest_checkpoint(self.part, self.world.say, good=True)
            assert checkpoint, "steps that it holds are saved"
            self.fill(checkpoint)
        else:
            self.begin_anew()
        self.faults.restore({"failed": [int(failed[0]), 0], "share": LOWER})
        self.begin_records()
        progress.done = self.done
        progress.first -= failed_at - self.done  # that was work, too
        self.world.say(
            f"{self.part.caption}: loss or gradient was not finite in {MOST_IN_A_ROW} steps in a "
            f"row, by step {failed_at}: going on after step {self.done} with a third of the "
            "learning rate"
        )

    def begin_anew(self) -> None:
        """Make the state that before the first step."""
        self.task.model.load_state_dict(self.first_weights)
        for ema in self.emas:
            ema.load(self.first_weights)
        for optimizer in self.optimizers:
            optimizer.state.clear()
        self.done = 0

    def keep_snapshots(self) -> None:
        """Write the EMAs from which others can be put together, after the steps chosen for it."""
        if self.world.first and self.done in self.config.snapshot_steps:
            for ema in self.emas:
                if ema.length in SNAPSHOT_LENGTHS:
                    save_snapshot(self.part.ema_folder, ema, self.done)

    def stop(self) -> NoReturn:
        """Save what is not saved yet, and raise Interrupted."""
        if self.saved != self.done:
            self.save()
        raise Interrupted(
            f"{self.part.caption}: interrupted, all saved after step {self.done}; --resume "
            "continues"
        )

    def save_if_good(self) -> None:
        """Write the checkpoint, unless it holds that already or the last steps failed."""
        if self.saved != self.done and not self.faults.look()[1]:
            self.save()

    def save(self) -> None:
        """Write the checkpoint."""
        if self.world.first:
            facts = {"learning_rate": self.config.learning_rate, **self.faults.record()}
            state = (self.task.model, self.emas, self.optimizers)
            save_checkpoint(self.part, self.done, facts, *state, keep_last=self.last_is_good)
        self.saved, self.first_weights = self.done, {}
        self.last_is_good = not self.faults.look()[1]

    def picture(self) -> None:
        """Draw a preview by the model as it is now."""
        if self.preview and self.records:
            self.records.picture(self.done, self.preview(self.task.model, self.done))

    def finish(self) -> None:
        """Make the model its EMA, and draw the last preview."""
        if failed := self.faults.look()[0]:
            self.world.say(
                f"{self.part.caption}: {failed} steps were skipped, as their loss or gradient was "
                "not finite"
            )
        if self.config.compile != "none":
            torch.compiler.reset()  # CUDA graphs keep the memory of a whole step
        self.task.model.load_state_dict(self.emas[0].state())
        if self.ended and self.world.first:
            self.task.model.load_state_dict(load_tensors(self.part.best_path)[0])
        self.task.objective.eval()
        self.picture()

    def not_finite(self) -> str:
        """Return what to say of a loss that is not finite."""
        part, config = self.part, self.config
        lower = f"--set {part.settings}.training.learning_rate={config.learning_rate / 10:.1g}"
        exact = " or --precision float32" if config.precision == "bfloat16" else ""
        return (
            f"the {part.caption}'s loss or gradient is not finite any more by step {self.done}, "
            f"with a third of the learning rate, too: try {lower}{exact}; {self.kept()}"
        )

    def kept(self) -> str:
        """Return what is left after a failure, in words."""
        if not self.saved:
            return "no checkpoint had been written yet"
        return (
            f"the checkpoint after step {self.saved} is kept ({self.part.checkpoint_path}), "
            "--resume continues from it"
        )
