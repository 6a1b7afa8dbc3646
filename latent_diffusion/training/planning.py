"""What a training will cost: measured before it begins, on a few steps that change nothing."""

import time

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from autoencoder import AutoencoderConfig
from latent_diffusion.data.store import Dataset
from latent_diffusion.training.autoencoder import AutoencoderStage, autoencoder_task
from latent_diffusion.training.classifier import ClassifierStage, classifier_task
from latent_diffusion.training.compilation import compiled
from latent_diffusion.training.diffusion import DiffusionStage, diffusion_task
from latent_diffusion.training.distributed import World
from latent_diffusion.training.loop import Task, gradient_step
from latent_diffusion.training.optimizers import make_optimizers, set_learning_rate
from latent_diffusion.training.randomness import StepRandom

STEPS = 8
WARM_UP = 2  # of them do not count
ROWS = 256  # of zeros, for latents
Stage = AutoencoderStage | ClassifierStage | DiffusionStage


def trial_task(
    stage: Stage, autoencoder: AutoencoderConfig, data: Dataset, device: torch.device
) -> Task:
    """What the stage trains, before anything is trained: stage two gets zeros for the latents of such an autoencoder."""
    if isinstance(stage, AutoencoderStage):
        return autoencoder_task(data, stage, device)
    if isinstance(stage, ClassifierStage):
        return classifier_task(data, stage, device)
    side = -(-data.info.image_size // autoencoder.factor)
    moments = np.zeros((1, ROWS, 2 * autoencoder.latent_channels, side, side), np.float16)
    return diffusion_task(stage, moments, np.zeros(ROWS, np.int64), data.info.class_names, device)


def seconds_per_step(
    stage: Stage, autoencoder: AutoencoderConfig, data: Dataset, world: World, steps: int = STEPS
) -> float:
    """Median time of a training step, at a learning rate of 0. Without stage one's perceptual term and adversary."""
    task, config = trial_task(stage, autoencoder, data, world.device), stage.training
    for parameter in task.model.parameters():
        if not parameter.any():  # arithmetic with zeros is faster on some devices
            torch.nn.init.normal_(parameter, std=0.02)
    optimizers = make_optimizers(
        task.model, config.optimizer, config.learning_rate, config.weight_decay, world.device
    )
    set_learning_rate(optimizers, 0.0)
    times = []
    with compiled(task.model, config.compile):
        for step in range(steps):
            start = time.perf_counter()
            batch, random = (
                task.batch(np.arange(config.batch_size) % task.rows),
                StepRandom(0, step, 0, world.device),
            )
            gradient_step(
                task.model, task.objective, batch, random, optimizers, config, world.device
            )["loss"].item()
            times.append(time.perf_counter() - start)
    return float(np.median(times[WARM_UP:]))


def flops_per_image(
    stage: Stage, autoencoder: AutoencoderConfig, data: Dataset, device: torch.device
) -> float:
    """Of a training step, 2 x MAC, as three forward passes. Without stage one's perceptual term and adversary."""
    task, images = trial_task(stage, autoencoder, data, device), 8
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        task.objective(task.batch(np.arange(images) % task.rows), StepRandom(0, 0, 0, device))
    return 3 * counter.get_total_flops() / images
