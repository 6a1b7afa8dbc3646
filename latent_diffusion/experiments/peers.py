"""The peers of the race: how large they are and how they are trained, on a CPU, a GPU, or quickly.

peers_ddpm.py and peers_dcgan.py take their turns in the race with these.
"""

import math
from dataclasses import dataclass, replace

from torch import nn


@dataclass(frozen=True)
class UnetSettings:
    """A UNet2DModel and how it is trained."""

    widths: tuple[int, ...]
    layers: int
    attention_levels: tuple[int, ...]
    learning_rate: float
    batch_size: int
    guidance: float
    sampler_steps: int = 50  # of DDIM

    def make(self, channels: int, side: int, classes: int) -> nn.Module:
        """Return a new network; its null label is `classes`."""
        from diffusers import UNet2DModel

        attention = [level in self.attention_levels for level in range(len(self.widths))]
        down = ["AttnDownBlock2D" if attends else "DownBlock2D" for attends in attention]
        up = ["AttnUpBlock2D" if attends else "UpBlock2D" for attends in reversed(attention)]
        return UNet2DModel(
            sample_size=side,
            in_channels=channels,
            out_channels=channels,
            block_out_channels=self.widths,
            layers_per_block=self.layers,
            num_class_embeds=classes + 1,
            norm_num_groups=math.gcd(32, *self.widths),
            down_block_types=tuple(down),
            up_block_types=tuple(up),
        )

    def __str__(self) -> str:
        return (
            f"UNet2DModel {dashed(self.widths)} x{self.layers}, AdamW {self.learning_rate:g}, "
            f"batch {self.batch_size}, DDIM-{self.sampler_steps}, guidance {self.guidance:g}"
        )


@dataclass(frozen=True)
class Sizes:
    """How large the peers are."""

    course: UnetSettings
    small: UnetSettings
    autoencoder: tuple[int, ...]  # widths of an AutoencoderKL
    latent: UnetSettings
    dcgan: int  # channels of the finest level


# The course's size as the course has it, without guidance. The others are small enough to see
# thousands of images in ten minutes.
CPU = Sizes(
    course=UnetSettings(
        widths=(128, 256, 512, 512),
        layers=2,
        attention_levels=(2, 3),
        learning_rate=1e-4,
        batch_size=16,
        guidance=1.0,
    ),
    small=UnetSettings(
        widths=(32, 64, 128, 128),
        layers=1,
        attention_levels=(3,),
        learning_rate=1e-3,
        batch_size=16,
        guidance=1.5,
    ),
    autoencoder=(16, 32, 64),
    latent=UnetSettings(
        widths=(64, 128, 128),
        layers=1,
        attention_levels=(1, 2),
        learning_rate=1e-3,
        batch_size=32,
        guidance=1.5,
    ),
    dcgan=32,
)
GPU = replace(
    CPU,
    autoencoder=(64, 128, 128),
    latent=UnetSettings(
        widths=(64, 128, 256),
        layers=2,
        attention_levels=(1, 2),
        learning_rate=5e-4,
        batch_size=128,
        guidance=1.5,
    ),
    dcgan=64,
)
QUICK_PIXELS = UnetSettings(
    widths=(16, 32, 32, 32),
    layers=1,
    attention_levels=(3,),
    learning_rate=2e-3,
    batch_size=16,
    guidance=1.5,
    sampler_steps=10,
)
QUICK = Sizes(
    course=QUICK_PIXELS,
    small=QUICK_PIXELS,
    autoencoder=(16, 16, 32),
    latent=UnetSettings(
        widths=(32, 32, 64),
        layers=1,
        attention_levels=(2,),
        learning_rate=2e-3,
        batch_size=32,
        guidance=1.5,
        sampler_steps=10,
    ),
    dcgan=16,
)


def dashed(widths: tuple[int, ...]) -> str:
    """Return widths as in 32-64-128."""
    return "-".join(map(str, widths))


def count(*networks: nn.Module) -> int:
    """Return the number of parameters of all the networks."""
    return sum(parameter.numel() for network in networks for parameter in network.parameters())
