"""How long a step takes, measured, and the steps that fit the minutes of a training.

A stage measures its own task when it begins, and its steps are fixed from then on: a training that
is resumed does what was left of them. The planner measures tasks that are not trained yet.
"""

import time

import numpy as np
import torch

from latent_diffusion.distributed import World
from latent_diffusion.progress import clock
from latent_diffusion.training.compilation import compiled
from latent_diffusion.training.config import Stage, TrainingConfig, with_training
from latent_diffusion.training.loop import Task
from latent_diffusion.training.optimizers import make_optimizers, set_learning_rate
from latent_diffusion.training.randomness import StepRandom
from latent_diffusion.training.step import Parts, gradient_step, shares

WARM_UP = 2  # steps that do not count
STEPS = 8  # at least, with them
MOST_SECONDS = 3.0  # for more than those
MOST_STEPS = 40
FEWEST_STEPS = 10  # of a training
KEPT_BACK = 0.04  # of a training's time: its checkpoints, averages and records
PREVIEWS = 4  # of a training that is given minutes
LOST_AT_MOST = 2  # minutes between its checkpoints


def measured_seconds(task: Task, config: TrainingConfig, world: World, steps: int = STEPS) -> float:
    """Return the median time of a training step, in seconds; the task is left as it was.

    It is that of this process's share of the images, without what it waits for others.
    """
    state = {name: value.clone() for name, value in task.model.state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    for parameter in task.model.parameters():
        if not parameter.any():  # arithmetic with zeros is faster on some devices
            noise = 0.02 * torch.randn(parameter.shape, generator=generator)
            parameter.data.copy_(noise)
    optimizers = make_optimizers(
        task.model, config.optimizer, config.learning_rate, config.weight_decay, world.device
    )
    set_learning_rate(optimizers, 0.0)
    times: list[float] = []
    with compiled(task.model, config.compile):
        while len(times) < steps or (sum(times) < MOST_SECONDS and len(times) < MOST_STEPS):
            start = time.perf_counter()
            parts = own_parts(task, config, world, len(times))
            figures, _ = gradient_step(
                task.model, task.objective, parts, optimizers, config, alone(world)
            )
            figures["loss"].item()  # waits for the device
            times.append(time.perf_counter() - start)
    task.model.load_state_dict(state)
    return float(np.median(times[WARM_UP:]))


def own_parts(task: Task, config: TrainingConfig, world: World, step: int) -> Parts:
    """Yield what this process would compute of a step, without the others."""
    rows = np.arange(config.batch_size) % task.rows
    for share in shares(config, world):
        random = StepRandom(0, step, world.device, share)
        yield task.batch(rows[share.first :: share.of]), random


def alone(world: World) -> World:
    """Return a world of this process only, on its device."""
    return World(0, 1, world.device)


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
        minutes=None,
        warmup_steps=min(training.warmup_steps, steps // 10),
        preview_every=-(-steps // previews),
    )


def in_minutes(stage: Stage, task: Task, world: World, caption: str, besides: float = 0.0) -> Stage:
    """Return the config of a stage with as many steps as fit its minutes, and say so.

    besides: seconds that go for each step before the first. One that has no minutes is returned as
    it is.
    """
    training: TrainingConfig = stage.training  # type: ignore[attr-defined]  # every stage has one
    if training.minutes is None:
        return stage
    seconds = float(world.agree(str(measured_seconds(task, training, world))))
    given = (1 - KEPT_BACK) * 60 * training.minutes
    fixed = with_steps(stage, given / (seconds + besides), PREVIEWS)
    often = max(1, int(60 * LOST_AT_MOST / seconds))
    fixed = with_training(
        fixed,
        minutes=training.minutes,
        checkpoint_every=min(training.checkpoint_every, often),
    )
    world.say(
        f"{caption}: {fixed.training.steps} steps of {1000 * seconds:.0f} ms, in the "  # type: ignore[attr-defined]
        f"{clock(60 * training.minutes)} minutes that it is given"
    )
    return fixed


def as_begun(stage: Stage, before: Stage) -> Stage:
    """Return the config of a stage that goes on, with the steps that were fixed when it began.

    before: what was recorded then. A stage that is given other minutes has its steps fixed anew.
    """
    now, then = stage.training, before.training  # type: ignore[attr-defined]  # every stage has one
    if now.minutes is None or now.minutes != then.minutes:
        return stage
    names = ("steps", "warmup_steps", "preview_every", "checkpoint_every")
    return with_training(stage, **{name: getattr(then, name) for name in names})
