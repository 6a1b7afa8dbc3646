"""Moving averages of the weights with power-function profiles (Karras et al. 2024, "EDM2", section 3).

An average of any length can be put together after training from snapshots of two of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from latent_diffusion.run import load_tensors, save_tensors

SNAPSHOT_LENGTHS = (0.05, 0.10)  # of the two averages of which snapshots are kept; the paper's


def exponent(length: float) -> float:
    """gamma of the profile t ** gamma whose relative standard deviation is `length`, in (0, 0.28); appendix C.1.

    `length` 0.1 averages over about the last tenth of the training, however long it was.
    """
    low, high = 0.0, 1e4
    for _ in range(100):  # (gamma + 1) ** .5 / ((gamma + 2) * (gamma + 3) ** .5) falls in gamma
        gamma = (low + high) / 2
        wide = (gamma + 1) ** 0.5 / ((gamma + 2) * (gamma + 3) ** 0.5) > length
        low, high = (gamma, high) if wide else (low, gamma)
    return gamma


class PowerAverage:
    """The average of a model's parameters and buffers; `update(step)` after each step, steps counted from 1."""

    def __init__(self, model: nn.Module, length: float):
        self.length, self.gamma = length, exponent(length)
        self.current = model.state_dict(keep_vars=True)  # views of the live tensors
        self.tensors = {key: tensor.detach().clone() for key, tensor in self.current.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        weight = 1 - (1 - 1 / step) ** (self.gamma + 1)  # of the new weights
        averaged, live = (
            list(self.tensors.values()),
            [tensor.detach() for tensor in self.current.values()],
        )
        torch._foreach_lerp_(averaged, live, weight)

    def state(self) -> dict[str, Tensor]:
        return self.tensors

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        for key, tensor in self.tensors.items():
            tensor.copy_(tensors[key])


def save_snapshot(folder: Path, average: PowerAverage, step: int) -> None:
    """As float16: the averages' own rounding is far below what training leaves to chance."""
    tensors = {
        key: tensor.half() if tensor.dtype == torch.float32 else tensor
        for key, tensor in average.state().items()
    }
    save_tensors(
        folder / f"{step:08d}-{average.length:g}.safetensors",
        tensors,
        {"step and length": f"{step} {average.length}"},
    )


def average_after(folder: Path, length: float, steps: int) -> dict[str, Tensor]:
    """The average of this length after all `steps`, from the snapshots in `folder`; ValueError where they are missing."""
    paths = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    if not paths:
        raise ValueError(
            f"{folder} holds no snapshots: train with --set diffusion.training.snapshots=8 to choose an average afterwards"
        )
    if not 0 < length < 0.28:
        raise ValueError(f"average length {length:g} must lie between 0 and 0.28")
    loaded = [load_tensors(path) for path in paths]
    profiles = [
        (int(step), float(own))
        for step, own in (facts["step and length"].split() for _, facts in loaded)
    ]
    if (last := max(step for step, _ in profiles)) != steps:
        raise ValueError(
            f"the snapshots in {folder} end after step {last} of {steps}: other averages need those of the last step"
        )
    weights = combination(profiles, steps, length)
    return weighted_sum([tensors for tensors, _ in loaded], weights)


def combination(profiles: Sequence[tuple[int, float]], step: int, length: float) -> np.ndarray:
    """Weights, together 1, of averages (their last step, their length) whose sum comes nearest, in least squares over the
    steps, to the average of `length` at `step` (section 3.2 and algorithm 3, which leaves the sum of the weights free)."""
    known = [(float(last), exponent(own)) for last, own in profiles]
    wanted = (float(step), exponent(length))
    ones = np.ones((len(known), 1))
    gram = np.block(
        [
            [np.array([[overlap(a, b) for b in known] for a in known]), ones],
            [ones.T, np.zeros((1, 1))],
        ]
    )
    return np.linalg.solve(gram, np.array([*(overlap(a, wanted) for a in known), 1.0]))[
        :-1
    ]  # the last one: Lagrange's multiplier


def overlap(a: tuple[float, float], b: tuple[float, float]) -> float:
    """The integral of the product of two profiles (gamma + 1) t ** gamma / last ** (gamma + 1), each on [0, last]."""
    (first, gamma), (last, other) = sorted([a, b])
    return (gamma + 1) * (other + 1) / (gamma + other + 1) / last * (first / last) ** other


def weighted_sum(states: Iterable[Mapping[str, Tensor]], weights: np.ndarray) -> dict[str, Tensor]:
    total: dict[str, Tensor] = {}
    for state, weight in zip(states, weights):
        for key, tensor in state.items():
            total[key] = total.get(key, 0) + weight * tensor.double()
    return {key: tensor.float() for key, tensor in total.items()}
