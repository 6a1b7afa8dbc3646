"""EMA of the weights with power-function profiles (Karras et al. 2024, "EDM2", section 3).

Trainings keep one and leave snapshots of two, from which `loading` puts one of any length together.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from latent_diffusion.tensors import load_tensors, save_tensors

SNAPSHOT_LENGTHS = (0.05, 0.10)  # of the two EMAs of which snapshots are kept; the paper's
MOST_LENGTH = 0.28  # where the profile's exponent reaches 0 (appendix C.1)


def exponent(length: float) -> float:
    """Return gamma of the profile t ** gamma whose relative standard deviation is `length`.

    The length lies in (0, 0.28) (appendix C.1): 0.1 averages over about the last tenth of the
    training, however long it was.
    """
    low, high = 0.0, 1e4
    for _ in range(100):  # (gamma + 1) ** .5 / ((gamma + 2) * (gamma + 3) ** .5) falls in gamma
        gamma = (low + high) / 2
        if (gamma + 1) ** 0.5 / ((gamma + 2) * (gamma + 3) ** 0.5) > length:
            low = gamma
        else:
            high = gamma
    return gamma


class PowerEMA:
    """The EMA of a model's parameters and buffers, kept beside the live ones."""

    def __init__(self, model: nn.Module, length: float):
        self.length, self.gamma = length, exponent(length)
        self.current = model.state_dict(keep_vars=True)  # views of the live tensors
        self.tensors = {key: tensor.detach().clone() for key, tensor in self.current.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the live weights in after a step; steps count from 1."""
        weight = 1 - (1 - 1 / step) ** (self.gamma + 1)  # of the live weights
        live = [tensor.detach() for tensor in self.current.values()]
        torch._foreach_lerp_(list(self.tensors.values()), live, weight)

    def state(self) -> dict[str, Tensor]:
        """Return the averaged tensors by name, as `state_dict` does the live ones."""
        return self.tensors

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from a state that was saved."""
        for key, tensor in self.tensors.items():
            tensor.copy_(tensors[key])


@contextmanager
def ema_weights(model: nn.Module, ema: PowerEMA) -> Iterator[None]:
    """Give the model the EMA's weights, evaluating and not compiled, while the block lasts."""
    live = {key: value.clone() for key, value in model.state_dict().items()}
    model.load_state_dict(ema.state())
    model.eval()
    try:
        with torch.compiler.set_stance("force_eager"):
            yield
    finally:
        model.load_state_dict(live)
        model.train()


def save_snapshot(folder: Path, ema: PowerEMA, step: int) -> None:
    """Write the EMA's state after a step, as float16: that rounding is far below chance's part."""
    tensors = {
        key: tensor.half() if tensor.dtype == torch.float32 else tensor
        for key, tensor in ema.state().items()
    }
    path = folder / f"{step:08d}-{ema.length:g}.safetensors"
    save_tensors(path, tensors, {"step and length": f"{step} {ema.length}"})


def ema_after(folder: Path, length: float, steps: int) -> dict[str, Tensor]:
    """Return the EMA of this length after all `steps`, from the snapshots in `folder`.

    Raise ValueError where there are none, where they end earlier, and for an impossible length.
    """
    paths = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    if not paths:
        raise ValueError(
            f"{folder} holds no snapshots: train with --set diffusion.training.snapshots=8 to "
            "choose an EMA afterwards"
        )
    if not 0 < length < MOST_LENGTH:
        raise ValueError(f"EMA length {length:g} must lie between 0 and {MOST_LENGTH:g}")
    states, profiles = [], []
    for path in paths:
        tensors, facts = load_tensors(path)
        step, own = facts["step and length"].split()
        states.append(tensors)
        profiles.append((int(step), float(own)))
    last = max(step for step, _ in profiles)
    if last != steps:
        raise ValueError(
            f"the snapshots in {folder} end after step {last} of {steps}: another EMA needs those "
            "of the last step"
        )
    return weighted_sum(states, combination(profiles, steps, length))


def combination(profiles: Sequence[tuple[int, float]], step: int, length: float) -> np.ndarray:
    """Return weights, together 1, for EMAs (their last step, their length).

    Their weighted sum comes nearest, in least squares over the steps, to the EMA of `length` at
    `step` (section 3.2 and algorithm 3, which leaves the sum of the weights free).
    """
    known = [(float(last), exponent(own)) for last, own in profiles]
    wanted = (float(step), exponent(length))
    overlaps = np.array([[overlap(a, b) for b in known] for a in known])
    ones = np.ones((len(known), 1))
    gram = np.block([[overlaps, ones], [ones.T, np.zeros((1, 1))]])
    target = np.array([*(overlap(a, wanted) for a in known), 1.0])
    solution = np.linalg.solve(gram, target)
    return solution[:-1]  # the last one is Lagrange's multiplier


def overlap(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Return the integral of the product of two profiles (their last step, their gamma).

    Each is (gamma + 1) t ** gamma / last ** (gamma + 1) on [0, last].
    """
    (first, gamma), (last, other) = sorted([a, b])
    return (gamma + 1) * (other + 1) / (gamma + other + 1) / last * (first / last) ** other


def weighted_sum(states: Iterable[Mapping[str, Tensor]], weights: np.ndarray) -> dict[str, Tensor]:
    """Return the sum of states of equal names, in float32 from float64."""
    total: dict[str, Tensor] = {}
    for state, weight in zip(states, weights, strict=True):
        for key, tensor in state.items():
            scaled = float(weight) * tensor.double()
            total[key] = total[key] + scaled if key in total else scaled
    return {key: tensor.float() for key, tensor in total.items()}
