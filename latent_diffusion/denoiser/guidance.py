"""Classifier-free guidance (Ho & Salimans 2022) as a closure: samplers call `denoise(x, sigma)` and never see labels."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

Interval = tuple[float, float] | Literal["all"]  # of noise levels
Denoise = Callable[[Tensor, float], Tensor]


def acts(scale: float, interval: Interval, sigma: float) -> bool:
    """Whether guidance changes the prediction at this noise level, and so needs two of them."""
    return scale != 1 and (interval == "all" or interval[0] <= sigma <= interval[1])


def guided(denoiser: Callable[[Tensor, Tensor, Tensor], Tensor], labels: Tensor, null_label: int, scale: float,
           interval: Interval = "all") -> Denoise:
    """`denoise(x (N, C, h, w), sigma) -> clean`: null + scale * (conditional - null).

    Scale 1 is the conditional prediction alone, 0 the unconditional one (one network call each); above 1 the samples
    become more typical of their class and less varied. Guidance may be limited to an interval of noise levels
    (Kynkäänniemi et al. 2024); at the others the conditional prediction is taken.
    """
    null = torch.full_like(labels, null_label)

    def denoise(x: Tensor, sigma: float) -> Tensor:
        levels = torch.full((len(x),), sigma, device=x.device)
        if not acts(scale, interval, sigma):
            return denoiser(x, levels, labels)
        if scale == 0:
            return denoiser(x, levels, null)
        both = denoiser(torch.cat([x, x]), torch.cat([levels, levels]), torch.cat([labels, null]))
        conditional, unconditional = both.chunk(2)
        return unconditional + scale * (conditional - unconditional)

    return denoise
