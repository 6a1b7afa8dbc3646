"""All that a training needs to go on as if it had never stopped, in one safetensors file.

It is written atomically. The loop writes and reads it; a stage that resumes asks how far it is.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from latent_diffusion.ema import PowerEMA
from latent_diffusion.run import load_metadata, load_tensors, load_weights, save_tensors

PROGRESS = "step and ema lengths"  # key of the metadata
EARLIER_PROGRESS, EARLIER_EMA = "step and averages", "average"  # as older checkpoints say it


def save_checkpoint(
    path: Path,
    step: int,
    model: nn.Module,
    emas: Sequence[PowerEMA],
    optimizers: Sequence[torch.optim.Optimizer],
) -> None:
    """Write the state after so many steps."""
    tensors = {f"model.{key}": value for key, value in model.state_dict().items()}
    for which, ema in enumerate(emas):
        tensors |= {f"ema.{which}.{key}": value for key, value in ema.state().items()}
    for which, optimizer in enumerate(optimizers):
        for number, state in optimizer.state_dict()["state"].items():
            for key, value in state.items():
                tensors[f"optimizer.{which}.{number}.{key}"] = torch.as_tensor(value)
    progress = [step, *(ema.length for ema in emas)]
    save_tensors(path, tensors, {PROGRESS: " ".join(map(str, progress))})


def read_progress(path: Path) -> tuple[int, list[float]]:
    """Return the steps done, and the lengths of the EMAs that are kept.

    Raise ValueError for a file of another kind.
    """
    metadata = load_metadata(path)
    progress = metadata.get(PROGRESS, metadata.get(EARLIER_PROGRESS))
    if progress is None:
        raise ValueError(
            f"{path} was written by another version and cannot be resumed: --overwrite trains anew"
        )
    step, *lengths = progress.split()
    return int(step), [float(length) for length in lengths]


def load_checkpoint(
    path: Path,
    model: nn.Module,
    emas: Sequence[PowerEMA],
    optimizers: Sequence[torch.optim.Optimizer],
) -> int:
    """Fill them all and return the number of steps done; ValueError when the file does not fit."""
    done, lengths = read_progress(path)
    assert lengths == [ema.length for ema in emas], "stage.check_resume refuses this"
    tensors, metadata = load_tensors(path)
    kind = "ema" if PROGRESS in metadata else EARLIER_EMA
    load_weights(model, section(tensors, "model."), path)
    for which, ema in enumerate(emas):
        ema.load(section(tensors, f"{kind}.{which}."))
    for which, optimizer in enumerate(optimizers):
        load_optimizer(optimizer, section(tensors, f"optimizer.{which}."))
    return done


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Give an optimizer the state of its parameters, by their number and its name for it."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split(".", 1)
        like = parameters[int(number)]
        if value.shape == like.shape:
            # The fused kernel walks both in memory order, so they must have the same strides.
            value = torch.empty_like(like).copy_(value)
        states.setdefault(int(number), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": states, "param_groups": groups})


def section(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with the prefix, without it."""
    return {
        key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)
    }
