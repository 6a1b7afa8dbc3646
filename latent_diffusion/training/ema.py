"""A moving average of the weights with a power-function profile (Karras et al. 2024, "EDM2", section 3.1)."""

import torch
from torch import Tensor, nn


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
        self.gamma = exponent(length)
        self.current = model.state_dict(keep_vars=True)  # views of the live tensors
        self.tensors = {key: tensor.detach().clone() for key, tensor in self.current.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        weight = 1 - (1 - 1 / step) ** (self.gamma + 1)  # of the new weights
        averaged, live = list(self.tensors.values()), [tensor.detach() for tensor in self.current.values()]
        torch._foreach_lerp_(averaged, live, weight)

    def state(self) -> dict[str, Tensor]:
        return self.tensors

    def load(self, tensors: dict[str, Tensor]) -> None:
        for key, tensor in self.tensors.items():
            tensor.copy_(tensors[key])
