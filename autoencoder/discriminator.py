"""A PatchGAN that sharpens a trained decoder, and the loss that both of them minimise.

Patches whose fine detail is unlike that of real images are punished; the encoder, and so the
latents, stay as they are. Called by the sharpening that may follow stage one's training.
(Adversarial terms for autoencoders: Esser et al. 2021, "Taming transformers"; patches: Isola et
al. 2017; hinge: Lim & Ye 2017; spectral norm: Miyato et al. 2018.)
"""

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from autoencoder.losses import AutoencoderLoss, Like, deviation
from autoencoder.model import Autoencoder

# What the blur takes away is an eighth of a photo (root mean square; EuroSAT), a fifth of a cartoon
GAIN = 8.0


class Discriminator(nn.Module):
    """Judge, patch by patch, how real images look: (N, 3, H, W) -> (N, 1, H/4, W/4), unbounded.

    It sees only what a blur of 3x3 takes away: what is coarse is the latents' business, and none of
    the decoder's.
    """

    def __init__(self, widths: tuple[int, int, int]):
        super().__init__()
        first, second, third = widths
        self.layers = nn.Sequential(
            spectral_norm(nn.Conv2d(3, first, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(first, second, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(second, third, 3, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(third, 1, 3, padding=1)),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return float32 (N, 1, H/4, W/4), high where images (N, 3, H, W) in [-1, 1] look real."""
        coarse = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        realness: Tensor = self.layers(GAIN * (images - coarse))
        return realness.float()


class AdversarialLoss(nn.Module):
    """The sum of what decoder and discriminator minimise; either's gradient leaves the other alone.

    `weight` is that of the generator's loss: how unreal reconstructions look to the discriminator.
    """

    def __init__(self, loss: AutoencoderLoss, discriminator: Discriminator, weight: float):
        super().__init__()
        self.loss = loss
        self.discriminator = discriminator
        self.weight = weight

    def forward(
        self,
        autoencoder: Autoencoder,
        images: Tensor,
        noise_like: Like,
        uniform_like: Like,
        deviation_of: Like = deviation,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss () and its terms for images (N, 3, H, W) in [-1, 1].

        The encoder gets no gradient. `noise_like`, `uniform_like` and `deviation_of` are those of
        AutoencoderLoss.
        """
        with torch.no_grad():
            posterior = autoencoder.encode(images)
            latents = self.loss.noisy_latents(posterior, noise_like, uniform_like, deviation_of)
        reconstructions = autoencoder.decode(latents)
        loss, terms = self.loss.distance(images, reconstructions)

        fixed = {name: value.detach() for name, value in self.discriminator.named_parameters()}
        terms["generator"] = -functional_call(self.discriminator, fixed, reconstructions).mean()

        both = torch.cat([images, reconstructions.detach()])
        real, fake = self.discriminator(both).chunk(2)
        terms["discriminator"] = F.relu(1 - real).mean() + F.relu(1 + fake).mean()
        return loss + self.weight * terms["generator"] + terms["discriminator"], terms
