"""Our system's turn in the race: both stages as `ldm train-…` runs them, in the steps that fit."""

from typing import TypeVar

from pydantic import BaseModel
from torch import nn

from latent_diffusion.denoiser import Denoiser, NetworkConfig, UNetConfig
from latent_diffusion.distributed import World
from latent_diffusion.experiments.peers import count, dashed
from latent_diffusion.experiments.race_turn import Turn
from latent_diffusion.loading import Codec, latents_checksum, load_autoencoder
from latent_diffusion.progress import say
from latent_diffusion.run import Run
from latent_diffusion.sampling.generate import generate
from latent_diffusion.training.alignment import sight_of
from latent_diffusion.training.autoencoder import train_autoencoder
from latent_diffusion.training.config import TrainingConfig, with_training
from latent_diffusion.training.diffusion import train_diffusion
from latent_diffusion.training.latents import cached_moments, forget_moments
from latent_diffusion.training.loop import Preview
from latent_diffusion.training.planning import scaled, seconds_per_step
from latent_diffusion.training.stage import Job, Start
from latent_diffusion.training.timing import with_steps

KEPT_BACK = 0.04  # of the time of our stage two: what a step takes beyond what is measured
STOPS = 64  # times at which our training stops to see whether a score is due
Stage = TypeVar("Stage", bound=BaseModel)


class TimeUp(Exception):
    """Our training took longer than was planned, and was stopped."""


def ours(turn: Turn) -> None:
    """Take our turn: steps are measured first, and both stages share the time as in the config."""
    race, data, start = turn.race, turn.race.data, Start(overwrite=True)
    run, world = Run(race.out / "ours"), World(0, 1, race.device)
    first, second = race.config.autoencoder, race.config.diffusion
    step_one = seconds_per_step(first, first.model, data, world)
    step_two = seconds_per_step(second, first.model, data, world)
    planned = lasting(first.training, step_one) + lasting(second.training, step_two)
    share = (race.seconds - turn.elapsed()) / planned
    train_autoencoder(run, data, without_checkpoints(scaled(first, share)), world, start)
    codec = Codec(load_autoencoder(run, race.device), race.precision)
    checksum = latents_checksum(run.autoencoder)
    # train_diffusion finds them and its classifier: the time that is left is without them.
    cached_moments(data, run, codec.autoencoder, checksum, race.precision, world)
    second = scaled(second, share)
    sight_of(Job(run, data, world, start), second.alignment)
    left = race.seconds - turn.elapsed()
    second = with_steps(second, (1 - KEPT_BACK) * left / step_two, previews=STOPS)
    second = without_checkpoints(second)
    turn.how = described(turn, second.model, second.training)
    preview = scoring(turn, codec, second.training)
    try:
        train_diffusion(run, data, second, race.config.sampling, world, start, preview)
    except TimeUp:
        say("ours: this machine became slower than was measured, so the last steps were left out")
    forget_moments(data, run, checksum)


def lasting(training: TrainingConfig, step: float) -> float:
    """Return the seconds that a training is given, or that its steps take, of so many each."""
    return 60 * training.minutes if training.minutes else step * training.steps


def without_checkpoints(stage: Stage) -> Stage:
    """Return a stage's config with a checkpoint at the end alone: nothing here is resumed."""
    training: TrainingConfig = stage.training  # type: ignore[attr-defined]  # every stage has one
    return with_training(stage, checkpoint_every=training.steps)


def scoring(turn: Turn, codec: Codec, training: TrainingConfig) -> Preview:
    """Return stage two's preview: it scores when it is time, and ends a training that is late."""
    race, sampling = turn.race, turn.race.config.sampling

    def preview(denoiser: nn.Module, step: int) -> None:
        assert isinstance(denoiser, Denoiser)
        turn.parameters = count(denoiser, codec.autoencoder)
        late = turn.elapsed() >= race.seconds
        last = late or step == training.steps
        if last or turn.is_due():
            turn.score(
                lambda seeds, labels: generate(denoiser, codec, seeds, labels, sampling),
                step * training.batch_size,
                last,
            )
        if late and step < training.steps:
            raise TimeUp

    return preview


def described(turn: Turn, model: NetworkConfig, training: TrainingConfig) -> str:
    """Return in words what stage two trains and how it is sampled from."""
    sampling, stage_one = turn.race.config.sampling, turn.race.config.autoencoder.model
    side = -(-turn.race.data.info.image_size // stage_one.factor)
    if isinstance(model, UNetConfig):
        network = f"UNet {dashed(model.widths)} x{model.blocks}"
    else:
        network = f"DiT {model.width} x{model.depth}"
    text = (
        f"{network} on {side}x{side}x{stage_one.latent_channels}, {training.optimizer} "
        f"{training.learning_rate:g}, batch {training.batch_size}, {sampling.steps} steps of "
        f"{sampling.sampler}, guidance {sampling.guidance:g}"
    )
    if sampling.class_guidance:
        text += " and others by class"
    if sampling.epsilon_scale != 1:
        text += f", epsilon scale {sampling.epsilon_scale:g}"
    return text
