"""What a training costs, and the steps that fit a time.

Both are known before it begins: a few steps that change nothing are measured. The demo and the
experiments ask.
"""

import math

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from autoencoder import AutoencoderConfig
from latent_diffusion.classifier import Classifier
from latent_diffusion.data.rows import ImageRows
from latent_diffusion.data.store import Dataset
from latent_diffusion.distributed import World
from latent_diffusion.training.alignment import Sight
from latent_diffusion.training.autoencoder import AutoencoderStage, autoencoder_task
from latent_diffusion.training.classifier import ClassifierStage, classifier_task
from latent_diffusion.training.config import Stage, TrainingConfig, with_training
from latent_diffusion.training.diffusion import DiffusionStage, diffusion_task
from latent_diffusion.training.loop import Task
from latent_diffusion.training.randomness import StepRandom
from latent_diffusion.training.stages import Config
from latent_diffusion.training.timing import STEPS, measured_seconds, with_steps

ROWS = 256  # of zeros, for latents
FLOPS_ROWS = 8
STAGES = ("autoencoder", "classifier", "diffusion")
AnyStage = AutoencoderStage | ClassifierStage | DiffusionStage


def planned(config: Config, minutes: float) -> Config:
    """Return a config whose stages share so many minutes as they share those of the config.

    What stage one and the judge learn they learn soon: of more time than the config's they take
    the square root, and stage two gets the rest. Raise ValueError for a config without minutes.
    """
    if config.minutes is None:
        raise ValueError(
            "the config does not say how many minutes it is made for: give one that sets minutes"
        )
    share = minutes / config.minutes
    early = min(share, math.sqrt(share))
    shares = {"autoencoder": early, "classifier": early, "diffusion": share}
    stages = {name: scaled(getattr(config, name), shares[name]) for name in STAGES}
    return config.model_copy(update={**stages, "minutes": minutes})


def minutes_of(stage: AnyStage) -> float:
    """Return the minutes that a stage is given, with those of all that it trains on the way."""
    minutes = stage.training.minutes or 0.0
    if isinstance(stage, AutoencoderStage):
        if stage.perceptual == "classifier":
            minutes += stage.perceptual_classifier.training.minutes or 0.0
        if stage.adversarial:
            minutes += stage.adversary.training.minutes or 0.0
    return minutes


def scaled(stage: Stage, share: float) -> Stage:
    """Return a stage's config with a share of its time, and so of what it trains on the way."""
    training: TrainingConfig = stage.training  # type: ignore[attr-defined]  # every stage has one
    if share == 1:
        return stage
    if training.minutes:
        fewer = with_training(stage, minutes=share * training.minutes)
    else:
        fewer = with_steps(stage, share * training.steps)
    if isinstance(stage, DiffusionStage):
        early = min(share, math.sqrt(max(share, 0)))  # of time that is up there is less than none
        classifier = scaled(stage.alignment.classifier, early)
        alignment = stage.alignment.model_copy(update={"classifier": classifier})
        return fewer.model_copy(update={"alignment": alignment})
    if not isinstance(stage, AutoencoderStage):
        return fewer
    others = ("adversary", "perceptual_classifier")
    return fewer.model_copy(update={name: scaled(getattr(stage, name), share) for name in others})


def trial_task(
    stage: AnyStage, autoencoder: AutoencoderConfig, data: Dataset, device: torch.device
) -> Task:
    """Return what the stage trains, before anything is trained.

    Stage two gets zeros for the latents of such an autoencoder, and an untrained classifier for
    the one that it may be aligned with.
    """
    if isinstance(stage, AutoencoderStage):
        return autoencoder_task(data, stage, device)
    if isinstance(stage, ClassifierStage):
        return classifier_task(data, stage, device)
    side = -(-data.info.image_size // autoencoder.factor)
    moments = np.zeros((1, ROWS, 2 * autoencoder.latent_channels, side, side), np.float16)
    labels = np.zeros(ROWS, np.int64)
    sight = None
    if stage.alignment.weight:
        classifier = Classifier(stage.alignment.classifier.model, len(data.info.class_names))
        sight = Sight(classifier, ImageRows(data, data.train, device))
    return diffusion_task(stage, moments, labels, data.info.class_names, device, sight)


def seconds_per_step(
    stage: AnyStage,
    autoencoder: AutoencoderConfig,
    data: Dataset,
    world: World,
    steps: int = STEPS,
) -> float:
    """Return the median time of a training step, in seconds, at a learning rate of 0.

    It is without stage one's perceptual term and adversary.
    """
    task = trial_task(stage, autoencoder, data, world.device)
    return measured_seconds(task, stage.training, world, steps)


def flops_per_image(
    stage: AnyStage, autoencoder: AutoencoderConfig, data: Dataset, device: torch.device
) -> float:
    """Return the FLOPs of a training step for an image: 2 x MAC, as three forward passes.

    It is without stage one's perceptual term and adversary.
    """
    task = trial_task(stage, autoencoder, data, device)
    batch = task.batch(np.arange(FLOPS_ROWS) % task.rows)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        task.objective(batch, StepRandom(0, 0, device))
    return 3 * counter.get_total_flops() / FLOPS_ROWS
