"""The peers of scripts/race: a DDPM of pixels, a DDPM of an AutoencoderKL's latents (both with diffusers), and a DCGAN.

Each takes its turn (the script's `Turn`: the race, a clock, `look` for drawing and scoring) and trains until the clock says so.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from latent_diffusion.data.rows import ImageRows, flipped
from latent_diffusion.denoiser import guided
from latent_diffusion.device import place
from latent_diffusion.ema import PowerEMA, ema_weights
from latent_diffusion.images import to_uint8
from latent_diffusion.sampling.noise import PerSeedNoise
from latent_diffusion.subsets import spread
from latent_diffusion.training.optimizers import set_learning_rate
from latent_diffusion.training.randomness import Shuffle, StepRandom

LABEL_DROPOUT = 0.1
EMA_LENGTH = 0.1  # of the weights' average, as a share of the training: what our denoisers have
WARMUP = 0.05  # share of a training
AUTOENCODER_SHARE = 1 / 3  # of the time
MEASURED_ON = 1_000  # images, for the deviation of latents
LATENT = 100  # numbers a DCGAN draws an image from


@dataclass(frozen=True)
class Unet:
    """A UNet2DModel and how it is trained."""

    widths: tuple[int, ...]
    layers: int
    attention: tuple[int, ...]  # levels
    rate: float
    batch: int
    guidance: float
    steps: int = 50  # of DDIM

    def make(self, channels: int, side: int, classes: int) -> nn.Module:
        from diffusers import UNet2DModel

        attention = [level in self.attention for level in range(len(self.widths))]
        return UNet2DModel(
            sample_size=side,
            in_channels=channels,
            out_channels=channels,
            block_out_channels=self.widths,
            layers_per_block=self.layers,
            num_class_embeds=classes + 1,
            norm_num_groups=math.gcd(32, *self.widths),
            down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in attention),
            up_block_types=tuple(
                "AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attention)
            ),
        )

    def __str__(self) -> str:
        return (
            f"UNet2DModel {'-'.join(map(str, self.widths))} x{self.layers}, AdamW {self.rate:g}, batch {self.batch}, "
            f"DDIM-{self.steps}, guidance {self.guidance:g}"
        )


@dataclass(frozen=True)
class Sizes:
    """Of the peers."""

    course: Unet
    small: Unet
    autoencoder: tuple[int, ...]
    latent: Unet
    dcgan: int  # channels of the finest level


# The course's size as the course has it, without guidance. The others are small enough to see thousands of images in ten minutes.
CPU = Sizes(
    Unet((128, 256, 512, 512), 2, (2, 3), 1e-4, 16, 1.0),
    Unet((32, 64, 128, 128), 1, (3,), 1e-3, 16, 1.5),
    (16, 32, 64),
    Unet((64, 128, 128), 1, (1, 2), 1e-3, 32, 1.5),
    32,
)
GPU = replace(
    CPU,
    autoencoder=(64, 128, 128),
    latent=Unet((64, 128, 256), 2, (1, 2), 5e-4, 128, 1.5),
    dcgan=64,
)
QUICK = Sizes(
    *2 * [Unet((16, 32, 32, 32), 1, (3,), 2e-3, 16, 1.5, 10)],
    (16, 16, 32),
    Unet((32, 32, 64), 1, (2,), 2e-3, 32, 1.5, 10),
    16,
)


class Batches:
    """Training images (N, 3, H, W), mirrored at random where the data may be, their labels, and a step's random numbers."""

    def __init__(self, race, size: int):
        self.images, self.size, self.flip = (
            ImageRows(race.data, race.data.train, race.device),
            size,
            race.data.info.flip,
        )
        self.shuffle = Shuffle(len(self.images), size, 0)

    def __call__(self, number: int) -> tuple[Tensor, Tensor, StepRandom]:
        random = StepRandom(0, number, 0, self.images.device)
        images, labels = self.images(self.shuffle.batch(number))
        return flipped(images, random.uniform(len(images))) if self.flip else images, labels, random


class Trainer:
    """AdamW with a warm-up and cosine decay that end with the clock, gradients of at most 1, an average of the weights."""

    def __init__(self, turn, network: nn.Module, rate: float):
        self.turn, self.network, self.rate = turn, place(network, turn.race.device), rate
        self.optimizer = torch.optim.AdamW(
            network.parameters(), lr=rate, fused=turn.race.device.type != "mps"
        )
        self.average = PowerEMA(network, EMA_LENGTH)

    def run(
        self,
        loss: Callable[[int], Tensor],
        until: float,
        look: Callable[[int, bool], None] | None = None,
    ) -> None:
        """Minimise loss(step) until that second of the clock; the network ends as its average."""

        def step(number: int, share: float) -> None:
            set_learning_rate(
                [self.optimizer],
                self.rate * min(share / WARMUP, 0.5 + 0.5 * math.cos(math.pi * share)),
            )
            with self.turn.race.cast():
                value = loss(number)
            value.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            self.optimizer.step()
            self.network.zero_grad(set_to_none=True)

        by_the_clock(self.turn, step, self.network, self.average, until, look)
        self.network.load_state_dict(self.average.state())
        self.network.eval()


def by_the_clock(
    turn,
    step: Callable[[int, float], None],
    network: nn.Module,
    average: PowerEMA,
    until: float,
    look: Callable[[int, bool], None] | None,
) -> None:
    """step(number, share of the time gone) until that second of the clock, and look(steps done, last) at averaged weights."""
    begin, number = turn.elapsed(), 0
    every = (
        1 if turn.race.device.type == "cpu" else 20
    )  # steps between looks at the clock, for which a GPU has to be waited for
    network.train()
    while number % every or (now := turn.elapsed()) < until:
        step(number, (now - begin) / (until - begin))
        number += 1
        turn.race.tell(
            f"{turn.name}: {number} steps, {now / 60:.1f} of {turn.race.seconds / 60:g} minutes"
        )
        average.update(number)
        if look and number % every == 0 and turn.is_due():
            with ema_weights(network, average):
                look(number, False)
    if look:
        with ema_weights(network, average):
            look(number, True)


class Ddpm:
    """Noise prediction (Ho et al. 2020) with diffusers: 1000 steps of linear betas to learn, DDIM (Song et al. 2021) to draw."""

    def __init__(self, race, settings: Unet, channels: int, side: int, clip: bool):
        from diffusers import DDIMScheduler, DDPMScheduler

        self.race, self.settings, self.shape = race, settings, (channels, side, side)
        self.network = settings.make(channels, side, race.data.num_classes)
        self.noising = DDPMScheduler(num_train_timesteps=1000)
        self.sampler = DDIMScheduler.from_config(self.noising.config, clip_sample=clip)
        self.sampler.set_timesteps(settings.steps)

    def loss(self, clean: Tensor, labels: Tensor, random: StepRandom) -> Tensor:
        noise, times = random.normal_like(clean), (1000 * random.uniform(len(clean))).long()
        labels = torch.where(
            random.uniform(len(labels)) < LABEL_DROPOUT, self.race.data.num_classes, labels
        )
        predicted = self.network(self.noising.add_noise(clean, noise, times), times, labels).sample
        return F.mse_loss(predicted.float(), noise)

    def predict(self, x: Tensor, times: Tensor, labels: Tensor) -> Tensor:
        with self.race.cast():
            return self.network(x, times, labels).sample.float()

    @torch.inference_mode()
    def draw(
        self, decode: Callable[[Tensor], Tensor], seeds: list[int], labels: list[int]
    ) -> np.ndarray:
        parts, size = [], self.race.config.sampling.compute_batch
        for first in range(0, len(seeds), size):
            chosen = torch.tensor(labels[first : first + size], device=self.race.device)
            denoise = guided(
                self.predict, chosen, self.race.data.num_classes, self.settings.guidance
            )
            x = PerSeedNoise(seeds[first : first + size], self.race.device).draw(self.shape)
            for done, moment in enumerate(self.sampler.timesteps):
                self.race.tell(
                    f"drawing: {first} of {len(seeds)} images, {done} of {self.settings.steps} steps of the next {len(chosen)}"
                )
                x = self.sampler.step(denoise(x, float(moment)), moment, x).prev_sample
            with self.race.cast():
                parts.append(to_uint8(decode(x)))
        return np.concatenate(parts)


def pixels(turn, settings: Unet) -> None:
    """The course's way: a DDPM of pixels."""
    model = Ddpm(turn.race, settings, 3, turn.race.data.info.image_size, clip=True)
    turn.parameters, turn.how = count(model.network), f"pixels, {settings}"
    batches = Batches(turn.race, settings.batch)
    Trainer(turn, model.network, settings.rate).run(
        lambda number: model.loss(*batches(number)),
        turn.race.seconds,
        lambda number, last: turn.look(
            lambda *asked: model.draw(lambda x: x, *asked), number * settings.batch, last
        ),
    )


class Latents:
    """Latents of a trained AutoencoderKL, of deviation 1; each view of an image is encoded when it is first needed."""

    def __init__(self, race, autoencoder: nn.Module, size: int):
        self.race, self.autoencoder, self.images = (
            race,
            autoencoder,
            ImageRows(race.data, race.data.train, race.device),
        )
        views = (1 + race.data.info.flip) * len(self.images)  # the second half is mirrored
        self.shuffle, self.known = Shuffle(views, size, 0), np.zeros(views, bool)
        first = [
            self.encode(rows) for rows in np.array_split(spread(len(self.images), MEASURED_ON), 16)
        ]
        self.deviation = torch.cat(first).std().item()
        self.latents = torch.zeros(views, *first[0].shape[1:], device=race.device)

    @torch.no_grad()
    def encode(self, places: np.ndarray) -> Tensor:
        images, _ = self.images(places % len(self.images))
        mirrored = torch.from_numpy(places >= len(self.images)).to(images.device)
        with self.race.cast():
            return (
                self.autoencoder.encode(
                    torch.where(mirrored[:, None, None, None], images.flip(-1), images)
                )
                .latent_dist.sample()
                .float()
            )

    def decode(self, x: Tensor) -> Tensor:
        return self.autoencoder.decode(x * self.deviation).sample

    def __call__(self, number: int) -> tuple[Tensor, Tensor, StepRandom]:
        places = self.shuffle.batch(number)
        new = places[~self.known[places]]
        if len(new):
            self.latents[new], self.known[new] = self.encode(new) / self.deviation, True
        labels = self.images.labels[self.images.rows[places % len(self.images)]]
        return self.latents[places], labels, StepRandom(0, number, 0, self.race.device)


def diffusers_latent(turn) -> None:
    """AutoencoderKL with L1 and a little KL for its share of the time, then a DDPM of its latents."""
    from diffusers import AutoencoderKL

    race, widths, settings = turn.race, turn.race.sizes.autoencoder, turn.race.sizes.latent
    autoencoder = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        block_out_channels=widths,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=math.gcd(32, *widths),
        sample_size=race.data.info.image_size,
    )
    batches = Batches(race, 16)

    def reconstruction(number: int) -> Tensor:
        images, _, _ = batches(number)
        posterior = autoencoder.encode(images).latent_dist
        return (
            F.l1_loss(autoencoder.decode(posterior.sample()).sample.float(), images)
            + 1e-6 * posterior.kl().mean()
        )

    Trainer(turn, autoencoder, 1e-3).run(reconstruction, AUTOENCODER_SHARE * race.seconds)
    latents = Latents(race, autoencoder, settings.batch)
    model = Ddpm(race, settings, 4, race.data.info.image_size // 2 ** (len(widths) - 1), clip=False)
    turn.parameters = count(model.network, autoencoder)
    turn.how = f"AutoencoderKL {'-'.join(map(str, widths))} for {AUTOENCODER_SHARE:.0%} of the time, {settings}"
    Trainer(turn, model.network, settings.rate).run(
        lambda number: model.loss(*latents(number)),
        race.seconds,
        lambda number, last: turn.look(
            lambda *asked: model.draw(latents.decode, *asked), number * settings.batch, last
        ),
    )


class Generator(nn.Module):
    """Noise (N, LATENT) and labels -> images (N, 3, side, side): transposed convolutions, batch norm, ReLU, tanh at the end."""

    def __init__(self, width: int, side: int, classes: int):
        super().__init__()
        widths = [
            width * 2**k for k in reversed(range(side.bit_length() - 3))
        ]  # from 4x4 to half the side
        self.embedding = nn.Embedding(classes, LATENT)
        layers = [
            nn.ConvTranspose2d(2 * LATENT, widths[0], 4, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        ]
        for before, after in zip(widths, widths[1:]):
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

    Classes enter as by projection (Miyato & Koyama 2018): one output for all images and one a class are added.
    """

    def __init__(self, width: int, side: int, classes: int):
        super().__init__()
        widths = [width * 2**k for k in range(side.bit_length() - 3)]
        layers = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for before, after in zip(widths, widths[1:]):
            layers += [
                nn.Conv2d(before, after, 4, 2, 1, bias=False),
                nn.BatchNorm2d(after),
                nn.LeakyReLU(0.2),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1 + classes, 4), nn.Flatten())

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        found = self.layers(images).float()
        return found[:, 0] + found.gather(1, 1 + labels[:, None])[:, 0]


def dcgan(turn, batch: int = 64) -> None:
    """Radford et al. 2016, with classes. Batch norm's running figures are averaged like weights."""
    race, width = turn.race, turn.race.sizes.dcgan
    networks = [
        kind(width, race.data.info.image_size, race.data.num_classes)
        for kind in (Generator, Discriminator)
    ]
    for layer in (layer for network in networks for layer in network.modules()):
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(layer.weight, 0, 0.02)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1, 0.02)
            layer.num_batches_tracked = (
                layer.num_batches_tracked.float()
            )  # so that it can be averaged, as all else is
    generator, discriminator = (place(network, race.device) for network in networks)
    optimizers = [
        torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999)) for network in networks
    ]
    turn.parameters, turn.how = (
        count(generator),
        f"{width} channels at the finest level, Adam 0.0002 (0.5, 0.999), batch {batch}",
    )
    batches = Batches(race, batch)

    def step(number: int, _: float) -> None:
        images, labels, random = batches(number)
        with race.cast():
            fakes = generator(random.normal_like(images.new_empty(len(images), LATENT)), labels)
            loss = (
                F.softplus(-discriminator(images, labels)).mean()
                + F.softplus(discriminator(fakes.detach(), labels)).mean()
            )
        learn(loss, optimizers[1])
        with race.cast():
            loss = F.softplus(-discriminator(fakes, labels)).mean()
        learn(loss, optimizers[0])

    def learn(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        for one in optimizers:
            one.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    @torch.inference_mode()
    def draw(seeds: list[int], labels: list[int]) -> np.ndarray:
        with race.cast():
            return to_uint8(
                generator(
                    PerSeedNoise(seeds, race.device).draw((LATENT,)),
                    torch.tensor(labels, device=race.device),
                )
            )

    by_the_clock(
        turn,
        step,
        generator,
        PowerEMA(generator, EMA_LENGTH),
        race.seconds,
        lambda number, last: turn.look(draw, number * batch, last),
    )


def count(*networks: nn.Module) -> int:
    return sum(parameter.numel() for network in networks for parameter in network.parameters())
