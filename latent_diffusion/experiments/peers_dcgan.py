"""A peer of the race: DCGAN (Radford et al. 2016), with classes."""

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from latent_diffusion.device import place
from latent_diffusion.ema import PowerEMA
from latent_diffusion.experiments.peers import count
from latent_diffusion.experiments.peers_training import EMA_LENGTH, Batches, by_the_clock
from latent_diffusion.experiments.race_turn import Turn
from latent_diffusion.images import to_uint8
from latent_diffusion.sampling.noise import PerSeedNoise

LATENT = 100  # numbers that an image is drawn from
BATCH = 64
LEARNING_RATE = 2e-4
BETAS = (0.5, 0.999)
DEVIATION = 0.02  # of weights at the start


class Generator(nn.Module):
    """Noise (N, LATENT) and labels -> images (N, 3, side, side).

    Transposed convolutions, batch norm, ReLU, tanh at the end.
    """

    def __init__(self, width: int, side: int, classes: int):
        super().__init__()
        levels = side.bit_length() - 3  # from 4x4 to half the side
        widths = [width * 2**k for k in reversed(range(levels))]
        self.embedding = nn.Embedding(classes, LATENT)
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(2 * LATENT, widths[0], 4, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        ]
        for before, after in itertools.pairwise(widths):
            layers += [
                nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1), nn.Tanh())

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        return self.layers(torch.cat([noise, self.embedding(labels)], dim=1)[:, :, None, None])


class Discriminator(nn.Module):
    """Images and labels -> (N,) logits of being real: strided convolutions, batch norm, leaky ReLU.

    Classes enter as by projection (Miyato & Koyama 2018): one output for all images and one for
    each class are added.
    """

    def __init__(self, width: int, side: int, classes: int):
        super().__init__()
        widths = [width * 2**k for k in range(side.bit_length() - 3)]
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for before, after in itertools.pairwise(widths):
            layers += [
                nn.Conv2d(before, after, 4, 2, 1, bias=False),
                nn.BatchNorm2d(after),
                nn.LeakyReLU(0.2),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1 + classes, 4), nn.Flatten())

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        found = self.layers(images).float()
        return found[:, 0] + found.gather(1, 1 + labels[:, None])[:, 0]


def begin(network: nn.Module) -> None:
    """Give the weights their start, and batch norm's counters a kind that an EMA can hold."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0, DEVIATION)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1, DEVIATION)
            assert layer.num_batches_tracked is not None
            layer.num_batches_tracked = layer.num_batches_tracked.float()


class Adversaries:
    """A generator and a discriminator that learn from each other's mistakes.

    Batch norm's running figures are part of the generator's EMA, like weights.
    """

    def __init__(self, turn: Turn):
        race, width = turn.race, turn.race.sizes.dcgan
        side, classes = race.data.info.image_size, race.data.num_classes
        generator = Generator(width, side, classes)
        discriminator = Discriminator(width, side, classes)
        begin(generator)
        begin(discriminator)
        self.race = race
        self.generator = place(generator, race.device)
        self.discriminator = place(discriminator, race.device)
        self.optimizers: dict[nn.Module, torch.optim.Adam] = {
            network: torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, betas=BETAS)
            for network in (self.generator, self.discriminator)
        }
        self.batches = Batches(race, BATCH)

    def step(self, number: int, _: float) -> None:
        """Do a step of the discriminator, then one of the generator."""
        images, labels, random = self.batches(number)
        with self.race.cast():
            noise = random.normal_like(images.new_empty(len(images), LATENT))
            fakes = self.generator(noise, labels)
            loss_of_reals = F.softplus(-self.discriminator(images, labels)).mean()
            loss_of_fakes = F.softplus(self.discriminator(fakes.detach(), labels)).mean()
            loss = loss_of_reals + loss_of_fakes
        self.learn(loss, self.discriminator)
        with self.race.cast():
            loss = F.softplus(-self.discriminator(fakes, labels)).mean()
        self.learn(loss, self.generator)

    def learn(self, loss: Tensor, network: nn.Module) -> None:
        """Do one of the two networks' step."""
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers[network].step()

    @torch.inference_mode()
    def sample(self, seeds: Sequence[int], labels: Sequence[int]) -> np.ndarray:
        """Return images uint8 (N, H, W, 3)."""
        noise = PerSeedNoise(seeds, self.race.device).draw((LATENT,))
        with self.race.cast():
            return to_uint8(self.generator(noise, torch.tensor(labels, device=self.race.device)))


def dcgan(turn: Turn) -> None:
    """Take the turn of a DCGAN."""
    networks = Adversaries(turn)
    generator = networks.generator
    turn.parameters = count(generator)
    turn.how = (
        f"{turn.race.sizes.dcgan} channels at the finest level, Adam {LEARNING_RATE:g} "
        f"({BETAS[0]:g}, {BETAS[1]:g}), batch {BATCH}"
    )
    by_the_clock(
        turn,
        networks.step,
        generator,
        PowerEMA(generator, EMA_LENGTH),
        turn.race.seconds,
        lambda steps, last: turn.score(networks.sample, steps * BATCH, last),
    )
