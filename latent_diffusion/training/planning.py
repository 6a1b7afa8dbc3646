"""What a training costs, and the steps that fit a time.

Both are known before it begins: a few steps that change nothing are measured. The demo and the
experiments ask.
"""

import time
from typing import TypeVar

import numpy as np
import torch
from pydantic import BaseModel
from torch.utils.flop_counter import FlopCounterMode

from autoencoder import AutoencoderConfig
from latent_diffusion.data.store import Dataset
from latent_diffusion.training.autoencoder import AutoencoderStage, autoencoder_task
from latent_diffusion.training.classifier import ClassifierStage, classifier_task
from latent_diffusion.training.compilation import compiled
from latent_diffusion.training.config import TrainingConfig, with_training
from latent_diffusion.training.diffusion import DiffusionStage, diffusion_task
from latent_diffusion.training.distributed import World
from latent_diffusion.training.loop import Task
from latent_diffusion.training.optimizers import make_optimizers, set_learning_rate
from latent_diffusion.training.randomness import StepRandom
from latent_diffusion.training.step import gradient_step

STEPS = 8
WARM_UP = 2  # of them do not count
ROWS = 256  # of zeros, for latents
FEWEST_STEPS = 10
FLOPS_ROWS = 8
AnyStage = AutoencoderStage | ClassifierStage | DiffusionStage
Stage = TypeVar("Stage", bound=BaseModel)


def with_steps(stage: Stage, wanted: float, previews: int | None = None) -> Stage:
    """Return a stage's config with so many steps, and a warm-up of at most a tenth of them.

    previews: how many there are, evenly spread; by default as many as there were.
    """
    training: TrainingConfig = stage.training  # type: ignore[attr-defined]  # every stage has one
    steps = max(FEWEST_STEPS, int(wanted))
    previews = previews or -(-training.steps // training.preview_every)
    return with_training(
        stage,
        steps=steps,
        warmup_steps=min(training.warmup_steps, steps // 10),
        preview_every=-(-steps // previews),
    )


def shortened(stage: Stage, share: float) -> Stage:
    """Return a stage's config with a share of its steps, and of those that sharpen a decoder."""
    training: TrainingConfig = stage.training  # type: ignore[attr-defined]  # every stage has one
    fewer = with_steps(stage, share * training.steps)
    if not isinstance(stage, AutoencoderStage):
        return fewer
    sharpening = with_steps(stage.adversary, share * stage.adversary.training.steps)
    return fewer.model_copy(update={"adversary": sharpening})


def trial_task(
    stage: AnyStage, autoencoder: AutoencoderConfig, data: Dataset, device: torch.device
) -> Task:
    """Return what the stage trains, before anything is trained.

    Stage two gets zeros for the latents of such an autoencoder.
    """
    if isinstance(stage, AutoencoderStage):
        return autoencoder_task(data, stage, device)
    if isinstance(stage, ClassifierStage):
        return classifier_task(data, stage, device)
    side = -(-data.info.image_size // autoencoder.factor)
    moments = np.zeros((1, ROWS, 2 * autoencoder.latent_channels, side, side), np.float16)
    labels = np.zeros(ROWS, np.int64)
    return diffusion_task(stage, moments, labels, data.info.class_names, device)


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
    task, config = trial_task(stage, autoencoder, data, world.device), stage.training
    for parameter in task.model.parameters():
        if not parameter.any():  # arithmetic with zeros is faster on some devices
            torch.nn.init.normal_(parameter, std=0.02)
    optimizers = make_optimizers(
        task.model, config.optimizer, config.learning_rate, config.weight_decay, world.device
    )
    set_learning_rate(optimizers, 0.0)
    rows = np.arange(config.batch_size) % task.rows
    times = []
    with compiled(task.model, config.compile):
        for step in range(steps):
            start = time.perf_counter()
            batch, random = task.batch(rows), StepRandom(0, step, 0, world.device)
            figures, _ = gradient_step(
                task.model, task.objective, batch, random, optimizers, config, world
            )
            figures["loss"].item()  # waits for the device
            times.append(time.perf_counter() - start)
    return float(np.median(times[WARM_UP:]))


def flops_per_image(
    stage: AnyStage, autoencoder: AutoencoderConfig, data: Dataset, device: torch.device
) -> float:
    """Return the FLOPs of a training step for an image: 2 x MAC, as three forward passes.

    It is without stage one's perceptual term and adversary.
    """
    task = trial_task(stage, autoencoder, data, device)
    batch = task.batch(np.arange(FLOPS_ROWS) % task.rows)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        task.objective(batch, StepRandom(0, 0, 0, device))
    return 3 * counter.get_total_flops() / FLOPS_ROWS
