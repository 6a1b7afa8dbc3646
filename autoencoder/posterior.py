"""The diagonal Gaussian that the encoder predicts for every latent.

(Kingma & Welling 2013, section 3.) `Autoencoder.encode` returns it.
"""

import torch
from torch import Tensor

LOG_VARIANCE_RANGE = (-20.0, 10.0)  # exp() of anything outside is no use as a variance in float32


class Posterior:
    """q(latents | images), from moments (N, 2C, h, w): the mean, then the log variance."""

    def __init__(self, moments: Tensor):
        self.mean, log_variance = moments.float().chunk(2, dim=1)  # (N, C, h, w) each
        self.log_variance = log_variance.clamp(*LOG_VARIANCE_RANGE)

    @property
    def moments(self) -> Tensor:
        """Return (N, 2C, h, w) float32, the log variance clamped to LOG_VARIANCE_RANGE."""
        return torch.cat([self.mean, self.log_variance], dim=1)

    def sample(self, noise: Tensor) -> Tensor:
        """Return latents (N, C, h, w) for standard normal `noise` of the same shape."""
        return self.mean + torch.exp(0.5 * self.log_variance) * noise

    def kl(self) -> Tensor:
        """Return KL(q || N(0, I)) of each image in nats, (N,); appendix B of the paper."""
        each = self.mean.square() + self.log_variance.exp() - 1 - self.log_variance  # (N, C, h, w)
        return 0.5 * each.sum(dim=(1, 2, 3))
