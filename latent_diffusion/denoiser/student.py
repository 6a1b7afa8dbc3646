"""The student: a denoiser that does a long part of a guided way in one call.

Guidance is a condition (Meng et al. 2023, "On distillation of guided diffusion models"), and so is
the noise level to which a call leads, as in consistency trajectory models (Kim et al. 2024): one
call goes from x at level sigma to where the teacher's way is at level `following`.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from latent_diffusion.denoiser.preconditioning import column

FURTHER = 2  # numbers that its network is told besides: guidance, and the time to which it leads


class Student(nn.Module):
    """S(x; sigma, labels, guidance, following) -> "clean" latents (N, C, h, w), float32.

    sigma, guidance and following are (N,), following below sigma and 0 in the end. From "clean" a
    step of DDIM leads to the state at `following`; to 0 it is the clean latents. class_names: what
    labels 0, 1, … are called. Guidance lies between 1 and most_guidance.
    """

    def __init__(
        self, network: nn.Module, class_names: Sequence[str] = (), most_guidance: float = 4.0
    ):
        super().__init__()
        assert getattr(network, "further", None) is not None, "a student's network is told more"
        self.network, self.class_names = network, tuple(class_names)
        self.most_guidance = most_guidance

    @property
    def null_label(self) -> int:
        """Return the label of "no class", which is a row of its labels' embedding."""
        return int(self.network.num_classes)  # type: ignore[arg-type]  # nn.Module hides its type

    def velocity(
        self, x: Tensor, sigma: Tensor, labels: Tensor, guidance: Tensor, following: Tensor
    ) -> Tensor:
        """Return the mean of noise - clean on the way from sigma to following, (N, C, h, w).

        In the flow's coordinates x_t = x / (1 + sigma), t = sigma / (1 + sigma) it is what Geng et
        al. 2025 call the average velocity: x_t - x_s = (t - s) * velocity.
        """
        told = torch.stack([guidance.log() / math.log(self.most_guidance), time(following)], dim=1)
        return self.network(x / (1 + column(sigma)), time(sigma), labels, told)

    def forward(
        self, x: Tensor, sigma: Tensor, labels: Tensor, guidance: Tensor, following: Tensor
    ) -> Tensor:
        scaled = 1 / (1 + column(sigma))
        velocity = self.velocity(x, sigma, labels, guidance, following)
        return scaled * x - column(sigma) * scaled * velocity

    def loss(
        self,
        x: Tensor,
        sigma: Tensor,
        labels: Tensor,
        guidance: Tensor,
        following: Tensor,
        target: Tensor,
    ) -> Tensor:
        """Return the mean squared error of the velocity of each jump, (N,).

        x and target (N, C, h, w) are states at sigma and at following.
        """
        way = column(time(sigma) - time(following))
        wanted = (x / (1 + column(sigma)) - target / (1 + column(following))) / way
        velocity = self.velocity(x, sigma, labels, guidance, following)
        return (velocity - wanted).square().mean(dim=(1, 2, 3))


def time(sigma: Tensor) -> Tensor:
    """Return the time t of the flow, 0 .. 1, at a noise level."""
    return sigma / (1 + sigma)
