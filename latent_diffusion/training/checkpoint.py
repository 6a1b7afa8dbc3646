"""All that a training needs to go on as if it had never stopped, in one safetensors file.

Two are kept: the older one is replaced only once the new one is on the disk and was read back. A
stage that resumes reads the newest that is whole; the loop writes them and is filled from one.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from latent_diffusion.ema import PowerEMA
from latent_diffusion.run import Part
from latent_diffusion.tensors import Damaged, load_tensors, load_weights, save_tensors
from latent_diffusion.training.optimizers import STATES

PROGRESS = "step and ema lengths"  # keys of the metadata
FACTS = "facts"
EARLIER_PROGRESS, EARLIER_EMA = "step and averages", "average"  # as older checkpoints say it


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read.

    `done` steps, the EMAs' `lengths`, whatever else the loop recorded in `facts` (nothing in older
    ones), and the tensors of everything.
    """

    path: Path
    done: int
    lengths: list[float]
    facts: dict[str, Any]
    tensors: dict[str, Tensor]

    @classmethod
    def read(cls, path: Path) -> "Checkpoint":
        """Read a file; raise Damaged for one that is, ValueError for one of another kind."""
        tensors, metadata = load_tensors(path)
        progress = metadata.get(PROGRESS, metadata.get(EARLIER_PROGRESS))
        if progress is None:
            raise ValueError(
                f"{path} was written by another version and cannot be resumed: --overwrite trains "
                "anew"
            )
        if PROGRESS not in metadata:
            tensors = {as_named_now(key): value for key, value in tensors.items()}
        try:
            step, *lengths = progress.split()
            facts = json.loads(metadata.get(FACTS, "{}"))
            found = cls(path, int(step), [float(length) for length in lengths], facts, tensors)
            assert isinstance(found.is_good, bool)
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
            raise ValueError(
                f"{path} does not say at which step it is, so it cannot be resumed: --overwrite "
                "trains anew"
            ) from None
        return found

    @property
    def is_good(self) -> bool:
        """Whether the step before it did not fail."""
        return not self.facts.get("failed", [0, 0])[1]

    def fill(
        self,
        model: nn.Module,
        emas: Sequence[PowerEMA],
        optimizers: Sequence[torch.optim.Optimizer],
    ) -> None:
        """Give them all their state; ValueError, before any is changed, where it does not fit."""
        assert self.lengths == [ema.length for ema in emas], "stage.check_resume refuses this"
        states = [
            optimizer_state(optimizer, section(self.tensors, f"optimizer.{which}."))
            for which, optimizer in enumerate(optimizers)
        ]
        if None in states or section(self.tensors, f"optimizer.{len(optimizers)}."):
            raise ValueError(
                f"{self.path} was written by another optimizer than the one that is set, so it "
                "cannot be resumed: --set the former one, or train anew with --overwrite"
            )
        load_weights(model, section(self.tensors, "model."), self.path)
        for which, ema in enumerate(emas):
            ema.load(section(self.tensors, f"ema.{which}."))
        for optimizer, state in zip(optimizers, states, strict=True):
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": state, "param_groups": groups})


def newest_checkpoint(
    part: Part, say: Callable[[str], None], good: bool = False
) -> Checkpoint | None:
    """Return the newest checkpoint that is whole, None where there is none.

    good: the earlier one rather than a last one after a step that failed. Say so where the last
    one is damaged. Raise ValueError where all are.
    """
    damage: Damaged | None = None
    paths = [part.checkpoint_path, part.earlier_checkpoint_path]
    for path in filter(Path.is_file, paths):
        try:
            found = Checkpoint.read(path)
        except Damaged as error:
            damage = damage or error
            continue
        if good and not found.is_good and path == paths[0] and paths[1].is_file():
            continue
        if damage:
            why = str(damage).removesuffix(": copy or train it again")
            say(f"{why}: going back to the checkpoint before it, after step {found.done}")
        return found
    if damage:
        raise ValueError(
            f"no checkpoint of the {part.caption} is whole, so it cannot be resumed ({damage}): "
            "--overwrite trains anew"
        )
    return None


def save_checkpoint(
    part: Part,
    step: int,
    facts: dict[str, Any],
    model: nn.Module,
    emas: Sequence[PowerEMA],
    optimizers: Sequence[torch.optim.Optimizer],
    keep_last: bool = True,
) -> None:
    """Write the state after so many steps.

    The last one becomes the earlier one, unless it is not to be kept: then the earlier one stays.
    """
    tensors = {f"model.{key}": value for key, value in model.state_dict().items()}
    for which, ema in enumerate(emas):
        tensors |= {f"ema.{which}.{key}": value for key, value in ema.state().items()}
    for which, optimizer in enumerate(optimizers):
        for number, state in optimizer.state_dict()["state"].items():
            for key, value in state.items():
                tensors[f"optimizer.{which}.{number}.{key}"] = torch.as_tensor(value)
    progress = " ".join(map(str, [step, *(ema.length for ema in emas)]))
    metadata = {PROGRESS: progress, FACTS: json.dumps(facts)}
    former = part.earlier_checkpoint_path if keep_last else part.checkpoint_path
    save_tensors(part.checkpoint_path, tensors, metadata, former)


def optimizer_state(
    optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]
) -> dict[int, dict[str, Tensor]] | None:
    """Return an optimizer's state by the number of a parameter and its own names.

    It is None where these tensors are not the state of such an optimizer on such parameters.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    names = STATES[type(optimizer).__name__]
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split(".", 1)
        if int(number) >= len(parameters):
            return None
        like = parameters[int(number)]
        if value.shape != (() if name == "step" else like.shape):
            return None
        if value.shape == like.shape:
            # The fused kernel walks both in memory order, so they must have the same strides.
            value = torch.empty_like(like).copy_(value)
        states.setdefault(int(number), {})[name] = value
    if not states and parameters:
        return None
    return states if all(state.keys() == names for state in states.values()) else None


def as_named_now(key: str) -> str:
    """Return the name of a tensor of a checkpoint in whose format an EMA was called an average."""
    return f"ema.{key.removeprefix('average.')}" if key.startswith("average.") else key


def section(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with the prefix, without it."""
    return {
        key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)
    }
