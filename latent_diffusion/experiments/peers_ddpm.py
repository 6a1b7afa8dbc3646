"""Two peers of the race by diffusers: a DDPM of pixels, and one of an AutoencoderKL's latents."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from latent_diffusion.data.rows import ImageRows
from latent_diffusion.denoiser import guided
from latent_diffusion.experiments.peers import UnetSettings, count, dashed
from latent_diffusion.experiments.peers_training import Batch, Batches, PeerTrainer
from latent_diffusion.experiments.race_turn import Race, Turn
from latent_diffusion.images import to_uint8
from latent_diffusion.sampling.noise import PerSeedNoise
from latent_diffusion.subsets import spread
from latent_diffusion.training.randomness import Shuffle, StepRandom

TRAINING_STEPS = 1000  # of linear betas
LABEL_DROPOUT = 0.1
AUTOENCODER_SHARE = 1 / 3  # of the time
AUTOENCODER_BATCH = 16
LATENT_CHANNELS = 4
MEASURED_ON = 1_000  # images, for the deviation of latents


class Ddpm:
    """Noise prediction (Ho et al. 2020) with diffusers, sampled by DDIM (Song et al. 2021)."""

    def __init__(self, race: Race, settings: UnetSettings, channels: int, side: int, clip: bool):
        from diffusers import DDIMScheduler, DDPMScheduler

        self.race, self.settings = race, settings
        self.shape = (channels, side, side)
        self.null_label = race.data.num_classes
        self.network = settings.make(channels, side, race.data.num_classes)
        self.noising = DDPMScheduler(num_train_timesteps=TRAINING_STEPS)
        self.sampler = DDIMScheduler.from_config(self.noising.config, clip_sample=clip)
        self.sampler.set_timesteps(settings.sampler_steps)

    def loss(self, clean: Tensor, labels: Tensor, random: StepRandom) -> Tensor:
        """Return the error of the noise predicted for clean (N, C, h, w), some labels hidden."""
        noise = random.normal_like(clean)
        times = (TRAINING_STEPS * random.uniform(len(clean))).long()
        hidden = random.uniform(len(labels)) < LABEL_DROPOUT
        labels = torch.where(hidden, self.null_label, labels)
        predicted = self.network(self.noising.add_noise(clean, noise, times), times, labels).sample
        return F.mse_loss(predicted.float(), noise)

    def predict(self, x: Tensor, times: Tensor, labels: Tensor) -> Tensor:
        """Return the noise in x (N, C, h, w)."""
        with self.race.cast():
            return self.network(x, times, labels).sample.float()

    @torch.inference_mode()
    def sample(
        self, decode: Callable[[Tensor], Tensor], seeds: Sequence[int], labels: Sequence[int]
    ) -> np.ndarray:
        """Return images uint8 (N, H, W, 3); `decode` makes images of the network's x."""
        parts, size = [], self.race.config.sampling.compute_batch
        for first in range(0, len(seeds), size):
            chosen = torch.tensor(labels[first : first + size], device=self.race.device)
            denoise = guided(self.predict, chosen, self.null_label, self.settings.guidance)
            x = PerSeedNoise(seeds[first : first + size], self.race.device).draw(self.shape)
            for done, time in enumerate(self.sampler.timesteps):
                self.race.tell(
                    f"drawing: {first} of {len(seeds)} images, {done} of "
                    f"{self.settings.sampler_steps} steps of the next {len(chosen)}"
                )
                x = self.sampler.step(denoise(x, float(time)), time, x).prev_sample
            with self.race.cast():
                parts.append(to_uint8(decode(x)))
        return np.concatenate(parts)

    def train(
        self, turn: Turn, batches: Callable[[int], Batch], decode: Callable[[Tensor], Tensor]
    ) -> None:
        """Train to the end of the turn, and score on the way."""
        settings = self.settings

        def score(steps: int, last: bool) -> None:
            turn.score(
                lambda seeds, labels: self.sample(decode, seeds, labels),
                steps * settings.batch_size,
                last,
            )

        trainer = PeerTrainer(turn, self.network, settings.learning_rate)
        trainer.run(lambda number: self.loss(*batches(number)), turn.race.seconds, score)


def ddpm(turn: Turn) -> None:
    """Take the turn of the course's way, in the course's size: a DDPM of pixels."""
    pixels(turn, turn.race.sizes.course)


def small_ddpm(turn: Turn) -> None:
    """Take the turn of a DDPM of pixels that is small enough for the time."""
    pixels(turn, turn.race.sizes.small)


def pixels(turn: Turn, settings: UnetSettings) -> None:
    """Train a DDPM of pixels."""
    model = Ddpm(turn.race, settings, 3, turn.race.data.info.image_size, clip=True)
    turn.parameters = count(model.network)
    turn.how = f"pixels, {settings}"
    model.train(turn, Batches(turn.race, settings.batch_size), lambda x: x)


class Latents:
    """Latents of a trained AutoencoderKL, of deviation 1, labels, and a step's random numbers.

    Each view of an image is encoded when it is first needed; the second half is mirrored.
    """

    def __init__(self, race: Race, autoencoder: Any, size: int):
        self.race, self.autoencoder = race, autoencoder
        self.images = ImageRows(race.data, race.data.train, race.device)
        views = (2 if race.data.info.flip else 1) * len(self.images)
        self.shuffle = Shuffle(views, size, 0)
        self.known = np.zeros(views, bool)
        some = np.array_split(spread(len(self.images), MEASURED_ON), 16)
        first = [self.encode(views_chosen) for views_chosen in some]
        self.deviation = torch.cat(first).std().item()
        self.latents = torch.zeros(views, *first[0].shape[1:], device=race.device)

    @torch.no_grad()
    def encode(self, views: np.ndarray) -> Tensor:
        """Return latents (N, C, h, w) of views, as the autoencoder has them."""
        images, _ = self.images(views % len(self.images))
        mirrored = torch.from_numpy(views >= len(self.images)).to(images.device)
        images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
        with self.race.cast():
            return self.autoencoder.encode(images).latent_dist.sample().float()

    def decode(self, x: Tensor) -> Tensor:
        """Return images (N, 3, H, W) of latents of deviation 1."""
        return self.autoencoder.decode(x * self.deviation).sample

    def __call__(self, number: int) -> Batch:
        views = self.shuffle.batch(number)
        new = views[~self.known[views]]
        if len(new):
            self.latents[new] = self.encode(new) / self.deviation
            self.known[new] = True
        labels = self.images.labels[self.images.rows[views % len(self.images)]]
        return self.latents[views], labels, StepRandom(0, number, self.race.device)


def kl_autoencoder(widths: tuple[int, ...], side: int) -> Any:
    """Return an AutoencoderKL (without types) of images side x side, a level for each width."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        block_out_channels=widths,
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=math.gcd(32, *widths),
        sample_size=side,
    )


def diffusers_latent(turn: Turn) -> None:
    """Take the turn of an AutoencoderKL with L1 and a little KL, then a DDPM of its latents."""
    race, widths, settings = turn.race, turn.race.sizes.autoencoder, turn.race.sizes.latent
    side = race.data.info.image_size
    autoencoder = kl_autoencoder(widths, side)
    batches = Batches(race, AUTOENCODER_BATCH)

    def reconstruction(number: int) -> Tensor:
        images, _, _ = batches(number)
        posterior = autoencoder.encode(images).latent_dist
        decoded = autoencoder.decode(posterior.sample()).sample.float()
        return F.l1_loss(decoded, images) + 1e-6 * posterior.kl().mean()

    trainer = PeerTrainer(turn, autoencoder, 1e-3)
    trainer.run(reconstruction, AUTOENCODER_SHARE * race.seconds)
    latents = Latents(race, autoencoder, settings.batch_size)
    latent_side = side // 2 ** (len(widths) - 1)
    model = Ddpm(race, settings, LATENT_CHANNELS, latent_side, clip=False)
    turn.parameters = count(model.network, autoencoder)
    share = f"{AUTOENCODER_SHARE:.0%} of the time"
    turn.how = f"AutoencoderKL {dashed(widths)} for {share}, {settings}"
    model.train(turn, latents, latents.decode)
