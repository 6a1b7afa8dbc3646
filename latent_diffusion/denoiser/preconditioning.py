"""The denoiser: a network with the scalings around it, and its training loss.

Everything outside works with x = clean + sigma * noise (Karras et al. 2022). Inside, the network is
trained as a flow (rectified flow, Liu et al. 2022; Esser et al. 2024): with t = sigma / (1 + sigma)
and x_t = x / (1 + sigma) = (1 - t) * clean + t * noise it predicts the velocity v = noise - clean,
so that clean = x_t - t * v.
"""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from latent_diffusion.denoiser.spectrum import fitted_log_sigma

ALIGNMENT = "alignment"  # a part that a denoiser may have while it is trained, see training
UNFITTED_MEAN, UNFITTED_STD = 0.0, 1.0  # of log sigma, for latents that nobody has looked at
Positive = Annotated[float, Field(gt=0)]


class NoiseLevelConfig(BaseModel):
    """Noise levels of training: log sigma, which is the logit of t, is normally distributed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    log_sigma_mean: float | Literal["auto"] = Field(
        "auto", description="or auto: fitted to the latents when the training begins"
    )
    log_sigma_std: Positive | Literal["auto"] = Field("auto", description="likewise")

    def fitted(self, deviations: np.ndarray) -> "NoiseLevelConfig":
        """Return the same for latents whose principal components have these deviations.

        What is a number already stays.
        """
        mean, std = fitted_log_sigma(deviations)
        given = {"log_sigma_mean": mean, "log_sigma_std": std}
        missing = {name: value for name, value in given.items() if getattr(self, name) == "auto"}
        return self.model_copy(update=missing)

    def draw(self, uniform: Tensor) -> Tensor:
        """Return noise levels sigma (N,) for uniform numbers (N,) in [0, 1).

        One lies in each N-th of the distribution, so that every batch covers it (Kingma et al.
        2021, appendix I.1).
        """
        ranks = torch.arange(uniform.shape[0], device=uniform.device)
        quantiles = (ranks + uniform) / uniform.shape[0]
        normal = math.sqrt(2) * torch.erfinv(2 * quantiles.clamp(1e-6, 1 - 1e-6) - 1)
        mean = UNFITTED_MEAN if self.log_sigma_mean == "auto" else self.log_sigma_mean
        std = UNFITTED_STD if self.log_sigma_std == "auto" else self.log_sigma_std
        return torch.exp(mean + std * normal)


class Denoiser(nn.Module):
    """D(x; sigma, labels) -> clean latents (N, C, h, w), float32, for noisy x and sigma (N,) > 0.

    The network takes (x_t, t, labels) and has `num_classes`. class_names: what its labels 0, 1, …
    are called, where they have names.
    """

    def __init__(self, network: nn.Module, class_names: Sequence[str] = ()):
        super().__init__()
        assert hasattr(network, "num_classes"), "a denoiser's network says how many classes it has"
        self.network, self.class_names = network, tuple(class_names)

    @property
    def null_label(self) -> int:
        """Return the label of "no class", which classifier-free guidance compares with."""
        return int(self.network.num_classes)  # type: ignore[arg-type]  # nn.Module hides its type

    def velocity(self, x: Tensor, sigma: Tensor, labels: Tensor) -> Tensor:
        """Return the network's prediction of noise - clean, (N, C, h, w)."""
        return self.network(x / (1 + column(sigma)), sigma / (1 + sigma), labels)

    def forward(self, x: Tensor, sigma: Tensor, labels: Tensor) -> Tensor:
        scaled = 1 / (1 + column(sigma))
        return scaled * x - column(sigma) * scaled * self.velocity(x, sigma, labels)

    def loss(self, clean: Tensor, noise: Tensor, sigma: Tensor, labels: Tensor) -> Tensor:
        """Return the mean squared error of the velocity for each image, (N,)."""
        velocity = self.velocity(clean + column(sigma) * noise, sigma, labels)
        return (velocity - (noise - clean)).square().mean(dim=(1, 2, 3))


def velocity_error(error: Tensor, sigma: Tensor) -> Tensor:
    """Return the mean squared error of the velocity where that of the clean latents is `error`.

    v = (x_t - clean) / t, at noise levels sigma of the same shape.
    """
    return error * ((1 + sigma) / sigma).square()


def column(sigma: Tensor) -> Tensor:
    """Return sigma (N,) as (N, 1, 1, 1)."""
    return sigma.view(-1, 1, 1, 1)
