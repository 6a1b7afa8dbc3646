"""Classifier-free guidance (Ho & Salimans 2022) as a closure: samplers call `denoise(x, sigma)` and never see labels."""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

Interval = tuple[float, float] | Literal["all"]  # of noise levels
Denoise = Callable[[Tensor, float], Tensor]


def acts(scale: float | Sequence[float], interval: Interval, sigma: float) -> bool:
    """Whether guidance changes the prediction of any row at this noise level, and so needs two of them."""
    return (scale != 1 if isinstance(scale, int | float) else any(one != 1 for one in scale)) and (
        interval == "all" or interval[0] <= sigma <= interval[1]
    )


def guided(
    denoiser: Callable[[Tensor, Tensor, Tensor], Tensor],
    labels: Tensor,
    null_label: int,
    scale: float | Sequence[float],
    interval: Interval = "all",
) -> Denoise:
    """`denoise(x (N, C, h, w), sigma) -> clean`: null + scale * (conditional - null).

    Scale 1 is the conditional prediction alone, 0 the unconditional one (one network call each); above 1 the samples
    become more typical of their class and less varied. A sequence holds one scale for each row. Guidance may be limited to an interval of noise levels
    (Kynkäänniemi et al. 2024); at the others the conditional prediction is taken.
    """
    null = torch.full_like(labels, null_label)
    one_for_all = isinstance(scale, int | float)
    scales = scale if one_for_all else torch.tensor(scale, device=labels.device).view(-1, 1, 1, 1)
    rows = (
        slice(None) if one_for_all else (scales.flatten() != 1).nonzero().flatten()
    )  # the others need one prediction

    def denoise(x: Tensor, sigma: float) -> Tensor:
        levels = torch.full((len(x),), sigma, device=x.device)
        if not acts(scale, interval, sigma):
            return denoiser(x, levels, labels)
        if scale == 0:
            return denoiser(x, levels, null)
        both = denoiser(
            torch.cat([x, x[rows]]),
            torch.cat([levels, levels[rows]]),
            torch.cat([labels, null[rows]]),
        )
        conditional, unconditional = both[: len(x)], both[len(x) :]
        if not one_for_all:
            unconditional = conditional.clone().index_copy_(0, rows, unconditional)
        return unconditional + scales * (conditional - unconditional)

    return denoise
