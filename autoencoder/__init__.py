"""Stage one, a library: images <-> latents, by a KL autoencoder.

(Kingma & Welling 2013; Rombach et al. 2022.) It knows nothing of data sets, training loops or
diffusion, and imports neither of the other two packages. Others import from here, not from the
modules inside.
"""

from autoencoder.blocks import GroupNorm
from autoencoder.discriminator import AdversarialLoss, Discriminator
from autoencoder.losses import AutoencoderLoss, AutoencoderLossConfig
from autoencoder.model import Autoencoder, AutoencoderConfig
from autoencoder.perceptual import PerceptualDistance, lpips_distance
from autoencoder.posterior import Posterior

__all__ = [
    "AdversarialLoss",
    "Autoencoder",
    "AutoencoderConfig",
    "AutoencoderLoss",
    "AutoencoderLossConfig",
    "Discriminator",
    "GroupNorm",
    "PerceptualDistance",
    "Posterior",
    "lpips_distance",
]
