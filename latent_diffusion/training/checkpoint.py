"""All that a training needs to go on as if it had never stopped, in one safetensors file, written atomically."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from latent_diffusion.run import load_metadata, load_tensors, load_weights, save_tensors
from latent_diffusion.training.ema import PowerAverage


def save_checkpoint(
    path: Path,
    step: int,
    model: nn.Module,
    averages: Sequence[PowerAverage],
    optimizers: list[torch.optim.Optimizer],
) -> None:
    tensors = {f"model.{key}": value for key, value in model.state_dict().items()}
    for which, average in enumerate(averages):
        tensors |= {f"average.{which}.{key}": value for key, value in average.state().items()}
    for which, optimizer in enumerate(optimizers):
        for number, state in optimizer.state_dict()["state"].items():
            tensors |= {
                f"optimizer.{which}.{number}.{key}": torch.as_tensor(value)
                for key, value in state.items()
            }
    save_tensors(
        path,
        tensors,
        {
            "step and averages": " ".join(
                map(str, [step, *(average.length for average in averages)])
            )
        },
    )


def read_progress(path: Path) -> tuple[int, list[float]]:
    """Steps done, and the lengths of the averages that are kept; ValueError for a file of another kind."""
    try:
        step, *lengths = load_metadata(path)["step and averages"].split()
    except KeyError:
        raise ValueError(
            f"{path} was written by another version and cannot be resumed: --overwrite trains anew"
        ) from None
    return int(step), [float(length) for length in lengths]


def load_checkpoint(
    path: Path,
    model: nn.Module,
    averages: Sequence[PowerAverage],
    optimizers: list[torch.optim.Optimizer],
) -> int:
    """Fill them all and return the number of steps done. ValueError when the file does not fit them."""
    done, lengths = read_progress(path)
    assert lengths == [average.length for average in averages], "begin() refuses this"
    tensors, _ = load_tensors(path)
    load_weights(model, section(tensors, "model."), path)
    for which, average in enumerate(averages):
        average.load(section(tensors, f"average.{which}."))
    for which, optimizer in enumerate(optimizers):
        parameters = [
            parameter for group in optimizer.param_groups for parameter in group["params"]
        ]
        states: dict[int, dict[str, Tensor]] = {}
        for key, value in section(tensors, f"optimizer.{which}.").items():
            number, name = key.split(".", 1)
            like = parameters[int(number)]
            if (
                value.shape == like.shape
            ):  # the fused kernel walks both in memory order, so they must have the same strides
                value = torch.empty_like(like).copy_(value)
            states.setdefault(int(number), {})[name] = value
        optimizer.load_state_dict(
            {"state": states, "param_groups": optimizer.state_dict()["param_groups"]}
        )
    return done


def section(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)
    }
