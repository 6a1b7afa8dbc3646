"""A PatchGAN that sharpens a trained decoder: patches whose fine detail is unlike that of real images are punished.

The encoder, and so the latents, stay as they are. (Adversarial terms for autoencoders: Esser et al. 2021, "Taming transformers";
patches: Isola et al. 2017; hinge: Lim & Ye 2017; spectral norm: Miyato et al. 2018.)
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from autoencoder.losses import AutoencoderLoss
from autoencoder.model import Autoencoder

GAIN = 8.0  # what the blur takes away is an eighth of a photo (root mean square, EuroSAT), a fifth of a cartoon


class Discriminator(nn.Module):
    """Images (N, 3, H, W) -> how real their patches look, (N, 1, H/4, W/4). It sees only what a blur of 3x3 takes away:
    what is coarse is the latents' business, and none of the decoder's."""

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
        coarse = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        return self.layers(GAIN * (images - coarse)).float()


class AdversarialLoss(nn.Module):
    """What decoder and discriminator minimise, in one sum: the gradient of either's part leaves the other alone."""

    def __init__(self, loss: AutoencoderLoss, discriminator: Discriminator, weight: float):
        """weight: of the generator's loss, which is how unreal reconstructions look to the discriminator."""
        super().__init__()
        self.loss, self.discriminator, self.weight = loss, discriminator, weight

    def forward(
        self,
        autoencoder: Autoencoder,
        images: Tensor,
        noise_like: Callable[[Tensor], Tensor],
        uniform_like: Callable[[Tensor], Tensor],
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss () and its terms for images (N, 3, H, W) in [-1, 1]. The encoder gets no gradient."""
        with torch.no_grad():
            latents = self.loss.noisy_latents(autoencoder.encode(images), noise_like, uniform_like)
        reconstructions = autoencoder.decode(latents)
        loss, terms = self.loss.distance(images, reconstructions)
        fixed = {name: value.detach() for name, value in self.discriminator.named_parameters()}
        generator = -functional_call(self.discriminator, fixed, reconstructions).mean()
        real, fake = self.discriminator(torch.cat([images, reconstructions.detach()])).chunk(2)
        discriminator = F.relu(1 - real).mean() + F.relu(1 + fake).mean()
        return loss + self.weight * generator + discriminator, terms | {
            "generator": generator,
            "discriminator": discriminator,
        }
