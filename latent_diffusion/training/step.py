"""One step of a training, and what is counted of many: figures, and steps that failed.

A step whose loss or gradient is not finite changes nothing. That is decided and counted on the
device: nobody waits for a GPU until the loop looks. The loop and the planner do steps.
"""

from typing import Any

import torch
from torch import Tensor, nn

from latent_diffusion.device import autocast
from latent_diffusion.training.config import TrainingConfig
from latent_diffusion.training.distributed import World
from latent_diffusion.training.optimizers import step_unless
from latent_diffusion.training.randomness import StepRandom

MOST_IN_A_ROW = 10  # steps that may fail, before the loop goes back
LOWER = 1 / 3  # of the learning rate, when it went back


def gradient_step(
    model: nn.Module,
    objective: nn.Module,
    batch: Any,
    random: StepRandom,
    optimizers: list[torch.optim.Optimizer],
    config: TrainingConfig,
    world: World,
) -> tuple[dict[str, Tensor], Tensor]:
    """Do one step of all optimizers, unless its loss or gradient is not finite in some process.

    Return the loss, the gradient's norm and the loss's terms, each () on the device, and whether
    the step failed, () bool there.
    """
    with autocast(world.device, config.precision):
        loss, terms = objective(batch, random)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), config.gradient_norm)
    failed = world.any_on_device(~(loss.detach().isfinite() & norm.isfinite()))
    step_unless(failed, optimizers)
    model.zero_grad(set_to_none=True)
    figures = {name: value.detach() for name, value in terms.items()}
    return {"loss": loss.detach(), "gradient_norm": norm, **figures}, failed


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

    def take(self) -> dict[str, float]:
        """Return the means, none where every step failed, and begin anew."""
        steps = int(self.steps)
        means = {name: value.item() / steps for name, value in self.sums.items()} if steps else {}
        self.sums, self.steps = {}, 0
        return means


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
