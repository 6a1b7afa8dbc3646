"""Classifier-free guidance (Ho & Salimans 2022) as a closure over a denoiser and labels.

Samplers call `denoise(x, sigma)` and never see labels.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

Interval = tuple[float, float] | Literal["all"]  # of noise levels
Denoise = Callable[[Tensor, float], Tensor]
Conditional = Callable[[Tensor, Tensor, Tensor], Tensor]  # (x, sigma (N,), labels) -> clean
Scale = float | Sequence[float]  # one for all rows, or one for each


def acts(scale: Scale, interval: Interval, sigma: float) -> bool:
    """Return whether guidance changes the prediction of any row at this noise level.

    Where it does, the network is evaluated twice for such a row.
    """
    if interval != "all" and not interval[0] <= sigma <= interval[1]:
        return False
    scales = [scale] if isinstance(scale, int | float) else scale
    return any(one != 1 for one in scales)


def guided(
    denoiser: Conditional,
    labels: Tensor,
    null_label: int,
    scale: Scale,
    interval: Interval = "all",
) -> Denoise:
    """Return `denoise(x (N, C, h, w), sigma) -> clean`: null + scale * (conditional - null).

    Scale 1 is the conditional prediction alone, 0 the unconditional one (one network evaluation
    each); above 1 the samples become more typical of their class and less varied. A sequence holds
    one scale for each row. Guidance may be limited to an interval of noise levels (Kynkäänniemi et
    al. 2024); at the others the conditional prediction is taken.
    """
    if isinstance(scale, int | float):
        return guided_alike(denoiser, labels, null_label, scale, interval)
    return guided_by_row(denoiser, labels, null_label, scale, interval)


def guided_alike(
    denoiser: Conditional, labels: Tensor, null_label: int, scale: float, interval: Interval
) -> Denoise:
    """Guide every row by one scale."""
    null = torch.full_like(labels, null_label)

    def denoise(x: Tensor, sigma: float) -> Tensor:
        levels = torch.full((len(x),), sigma, device=x.device)
        if not acts(scale, interval, sigma):
            return denoiser(x, levels, labels)
        if scale == 0:
            return denoiser(x, levels, null)
        both = denoiser(torch.cat([x, x]), torch.cat([levels, levels]), torch.cat([labels, null]))
        conditional, unconditional = both[: len(x)], both[len(x) :]
        return unconditional + scale * (conditional - unconditional)

    return denoise


def guided_by_row(
    denoiser: Conditional,
    labels: Tensor,
    null_label: int,
    scale: Sequence[float],
    interval: Interval,
) -> Denoise:
    """Guide every row by a scale of its own; rows with scale 1 need one prediction only."""
    null = torch.full_like(labels, null_label)
    scales = torch.tensor(scale, device=labels.device).view(-1, 1, 1, 1)
    rows = (scales.flatten() != 1).nonzero().flatten()

    def denoise(x: Tensor, sigma: float) -> Tensor:
        levels = torch.full((len(x),), sigma, device=x.device)
        if not acts(scale, interval, sigma):
            return denoiser(x, levels, labels)
        both = denoiser(
            torch.cat([x, x[rows]]),
            torch.cat([levels, levels[rows]]),
            torch.cat([labels, null[rows]]),
        )
        conditional = both[: len(x)]
        unconditional = conditional.clone().index_copy_(0, rows, both[len(x) :])
        return unconditional + scales * (conditional - unconditional)

    return denoise
