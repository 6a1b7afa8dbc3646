"""One step of a training, and what is counted of many: figures, and steps that failed.

A step whose loss or gradient is not finite changes nothing. That is decided and counted on the
device: nobody waits for a GPU until the loop looks. The loop and the planner do steps.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from latent_diffusion.device import autocast
from latent_diffusion.distributed import World
from latent_diffusion.training.config import TrainingConfig
from latent_diffusion.training.optimizers import step_unless
from latent_diffusion.training.randomness import Share, StepRandom

MOST_IN_A_ROW = 10  # steps that may fail, before the loop goes back
LOWER = 1 / 3  # of the learning rate, when it went back


Parts = Iterator[tuple[Any, StepRandom]]  # of a batch: what is computed together, and its numbers


def shares(config: TrainingConfig, world: World) -> list[Share]:
    """Return the shares of a batch that this process computes, one after the other.

    What all processes compute at one time is a part that one process alone would compute.
    """
    of = config.accumulate * world.size
    own = config.accumulate * world.rank
    return [Share(own + part, of) for part in range(config.accumulate)]


def gradient_step(
    model: nn.Module,
    objective: nn.Module,
    parts: Parts,
    optimizers: list[torch.optim.Optimizer],
    config: TrainingConfig,
    world: World,
) -> tuple[dict[str, Tensor], Tensor]:
    """Do one step of all optimizers, unless its loss or gradient is not finite in some process.

    parts: those of this process, config.accumulate of them. Return the loss, the gradient's norm
    and the loss's terms, each () on the device and the mean of the parts, and whether the step
    failed, () bool there.
    """
    figures = gradient(objective, parts, config, world)
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), config.gradient_norm)
    failed = world.any_on_device(~(figures["loss"].isfinite() & norm.isfinite()))
    step_unless(failed, optimizers)
    model.zero_grad(set_to_none=True)
    return {**figures, "gradient_norm": norm}, failed


def gradient(
    objective: nn.Module, parts: Parts, config: TrainingConfig, world: World
) -> dict[str, Tensor]:
    """Add the gradient of a batch to that of the parameters; return its loss and terms, each ()."""
    sums: dict[str, Tensor] = {}
    for number, (batch, random) in enumerate(parts, 1):
        with world.gathering(objective, now=number == config.accumulate):
            with autocast(world.device, config.precision):
                loss, terms = objective(batch, random)
            (loss / config.accumulate).backward()
        found = {"loss": loss, **terms}
        own = {name: value.detach() / config.accumulate for name, value in found.items()}
        sums = {name: sums[name] + value if sums else value for name, value in own.items()}
    return sums


class Means:
    """The means of the figures of steps since they were last taken, which waits for the device."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.steps: Tensor | int = 0

    def add(self, figures: dict[str, Tensor], failed: Tensor) -> None:
        """Add the figures of one step, each (), unless it failed."""
        sums = self.sums
        good = {name: torch.where(failed, 0, value) for name, value in figures.items()}
        self.sums = {n: sums[n] + value if n in sums else value for n, value in good.items()}
        self.steps = self.steps + ~failed

    def take(self, world: World) -> dict[str, float]:
        """Return the means over steps and processes, none where every step failed; begin anew."""
        steps, sums = int(self.steps), self.sums
        self.sums, self.steps = {}, 0
        if not steps:
            return {}
        values = world.mean(torch.stack([value.float() for value in sums.values()])).tolist()
        return {name: value / steps for name, value in zip(sums, values, strict=True)}


class Faults:
    """The failed steps of a training, and by how much its learning rate was lowered for them."""

    def __init__(self, device: torch.device):
        self.counts = torch.zeros(2, dtype=torch.long, device=device)  # in all, and now in a row
        self.share = 1.0  # of the learning rate that is set

    def add(self, failed: Tensor) -> None:
        """Count one more step, which failed or did not."""
        in_all, in_a_row = self.counts
        self.counts = torch.stack([in_all + failed, (in_a_row + 1) * failed])

    def look(self) -> tuple[int, int]:
        """Return how many steps failed in all, and how many without a good one after them."""
        in_all, in_a_row = self.counts.tolist()
        return in_all, in_a_row

    def record(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"failed": self.counts.tolist(), "share": self.share}

    def restore(self, recorded: dict[str, Any]) -> None:
        """Go on from what a checkpoint kept."""
        self.counts = self.counts.new_tensor(recorded.get("failed", [0, 0]))
        self.share = recorded.get("share", 1.0)
