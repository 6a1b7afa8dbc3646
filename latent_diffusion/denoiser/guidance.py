"""Classifier-free guidance (Ho & Salimans 2022) as a closure: samplers call `denoise(x, sigma)` and never see labels."""

from collections.abc import Callable

import torch
from torch import Tensor

Denoise = Callable[[Tensor, float], Tensor]


def guided(denoiser: Callable[[Tensor, Tensor, Tensor], Tensor], labels: Tensor, null_label: int, scale: float) -> Denoise:
    """`denoise(x (N, C, h, w), sigma) -> clean`: null + scale * (conditional - null).

    Scale 1 is the conditional prediction alone, 0 the unconditional one (one network call each); above 1 the samples
    become more typical of their class and less varied.
    """
    null = torch.full_like(labels, null_label)

    def denoise(x: Tensor, sigma: float) -> Tensor:
        levels = torch.full((len(x),), sigma, device=x.device)
        if scale in (0, 1):
            return denoiser(x, levels, labels if scale == 1 else null)
        both = denoiser(torch.cat([x, x]), torch.cat([levels, levels]), torch.cat([labels, null]))
        conditional, unconditional = both.chunk(2)
        return unconditional + scale * (conditional - unconditional)

    return denoise
