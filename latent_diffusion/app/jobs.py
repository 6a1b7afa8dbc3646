"""Drawing for several people at once: every step of every job takes its turn at the network.

First come, first served. So nobody waits for the end of another's long job, only for single steps
of it; and a job that nobody listens to any more stops after the step in hand. Called by the app's
tabs; no Gradio here.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, ParamSpec, TypeVar

import numpy as np
from torch import Tensor

from latent_diffusion.exploration.walks import seed_walk_states
from latent_diffusion.loading import has_student
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.run import Run
from latent_diffusion.sampling.config import SamplingConfig
from latent_diffusion.sampling.generate import generate_latents
from latent_diffusion.sampling.plan import cycle
from latent_diffusion.sampling.samplers import SAMPLERS

MOST_IMAGES, MOST_FRAMES, MOST_STEPS, MOST_GUIDANCE = 64, 32, 200, 10.0
MOST_SEED = 2**32 - 1  # a browser's numbers are exact up to 2**53
EMA_LENGTHS = (0.05, 0.1, 0.15, 0.2)  # offered where the run kept snapshots
PREVIEWS = 6  # pictures of the state on the way, the finished ones among them

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Order(NamedTuple):
    """What is to be drawn: one image for each pair of seed and label."""

    pipe: Pipeline
    seeds: list[int]
    labels: list[int]
    config: SamplingConfig


class JobState(NamedTuple):
    """A job after some of its steps; images uint8 (N, H, W, 3), None between previews."""

    step: int
    images: np.ndarray | None


class Jobs:
    """One run's pipeline, shared; and, where the run kept snapshots, those of other EMAs."""

    def __init__(self, run: Run, pipe: Pipeline):
        self.run, self.pipe = run, pipe
        kept = any(run.diffusion.ema_folder.glob("*.safetensors"))
        self.ema_lengths = sorted({pipe.ema_length, *EMA_LENGTHS}) if kept else [pipe.ema_length]
        self.pipelines = {pipe.ema_length: pipe}  # by EMA length, as they are asked for
        self.has_student = has_student(run)
        self.fast: Pipeline | None = None  # loaded when it is asked for
        self.network = ThreadPoolExecutor(1, "network")  # one thread is the queue of turns

    def order(
        self,
        label: int | None,
        count: float | None,
        seed: float | None,
        guidance: float | None,
        steps: float | None,
        sampler: str | None,
        ema_length: float | None = None,
        jumps: int = 0,
    ) -> Order:
        """Return the order of `count` seeds from `seed` on, in one class.

        Without a label they are drawn in all classes in turn, as `ldm sample` does. jumps: by the
        student, in so many, whatever steps and sampler are. Raise ValueError for what cannot be
        drawn or would keep the machine to one person.
        """
        images = whole(count, "number of images", 1, MOST_IMAGES)
        first = whole(seed, "seed", 0, MOST_SEED)
        if jumps:
            pipe, config = self.by_student(guidance, jumps)
        else:
            pipe, config = self.with_ema(ema_length), self.settings(guidance, steps, sampler)
        classes = list(range(self.pipe.facts.num_classes))
        if label is not None:
            if label not in classes:
                raise ValueError("this run has no such class: choose one from the list")
            classes = [label]
        seeds = list(range(first, first + images))
        return Order(pipe, seeds, cycle(seeds, classes), config)

    def by_student(self, guidance: float | None, jumps: int) -> tuple[Pipeline, SamplingConfig]:
        """Return the pipeline of the run's student, and its settings for so many jumps.

        Raise ValueError for a guidance that it did not learn, and where there is no student.
        """
        if self.fast is None:
            self.fast = Pipeline.from_run(
                self.run.folder, str(self.pipe.device), self.pipe.precision, fast=True
            )
        own = guidance == self.pipe.sampling.guidance
        return self.fast, self.fast.configured(guidance=None if own else guidance, steps=jumps)

    def with_ema(self, length: float | None) -> Pipeline:
        """Return the pipeline with that EMA of the weights, None for the run's own.

        Raise ValueError for none of `ema_lengths`.
        """
        if length is None:
            return self.pipe
        if length not in self.ema_lengths:
            offered = ", ".join(f"{one:g}" for one in self.ema_lengths)
            raise ValueError(f"this run offers EMAs of the lengths {offered}")
        if length not in self.pipelines:
            self.pipelines[length] = Pipeline.from_run(
                self.run.folder, str(self.pipe.device), self.pipe.precision, length
            )
        return self.pipelines[length]

    def settings(
        self, guidance: float | None, steps: float | None, sampler: str | None
    ) -> SamplingConfig:
        """Return the run's sampling settings with these; ValueError outside the limits.

        With the run's own guidance each class keeps the guidance that the run gives it.
        """
        if guidance is None or not 0 <= guidance <= MOST_GUIDANCE:
            raise ValueError(
                f"guidance must be a number from 0 to {MOST_GUIDANCE:g}, where 1 is none"
            )
        if sampler not in SAMPLERS:
            raise ValueError(f"no sampler {sampler!r}: there are {', '.join(SAMPLERS)}")
        own = guidance == self.pipe.sampling.guidance
        return self.pipe.configured(
            guidance=None if own else float(guidance),
            steps=whole(steps, "number of steps", 1, MOST_STEPS),
            sampler=sampler,
        )

    def draw(self, order: Order) -> Iterator[JobState]:
        """Return the job after each step; the last images are those that `ldm sample` writes."""
        pipe, config = order.pipe, order.config
        states = generate_latents(
            pipe.denoiser,
            pipe.autoencoder.latent_shape,
            order.seeds,
            order.labels,
            config,
            pipe.precision,
        )
        return self.follow(states, config)

    def walk(
        self,
        seeds: tuple[float | None, float | None],
        labels: tuple[int, int],
        frames: float | None,
        config: SamplingConfig,
    ) -> Iterator[JobState]:
        """Return a walk from (seed, label) to (seed, label), as `ldm interpolate` writes it.

        Raise ValueError outside the limits.
        """
        first, second = (whole(seed, "seed", 0, MOST_SEED) for seed in seeds)
        count = whole(frames, "number of frames", 2, MOST_FRAMES)
        states = seed_walk_states(self.pipe, (first, second), [labels], count, config)
        return self.follow(states, config)

    def follow(self, states: Iterator[Tensor], config: SamplingConfig) -> Iterator[JobState]:
        """Yield the sampler's states, each in a turn of its own, a preview every few steps."""
        previewed = {round(part * config.steps / PREVIEWS) for part in range(1, PREVIEWS + 1)}
        for step in range(1, config.steps + 1):
            state = self.turn(next, states)
            images = None
            if step in previewed:
                images = self.decode(state, config.levels[step], config)
            yield JobState(step, images)

    def decode(self, state: Tensor, sigma: float, config: SamplingConfig) -> np.ndarray:
        """Return uint8 (N, H, W, 3) of a state (N, C, h, w), made as large as clean latents."""
        codec = self.pipe.codec.batched(config.compute_batch)
        return self.turn(codec.decode, state / (1 + sigma**2) ** 0.5)

    def turn(
        self,
        work: Callable[Arguments, Result],
        *arguments: Arguments.args,
        **options: Arguments.kwargs,
    ) -> Result:
        """Wait for a turn at the network, and return what the work gives."""
        return self.network.submit(work, *arguments, **options).result()


def whole(value: float | None, name: str, least: int, most: int) -> int:
    """Return a whole number within limits; raise ValueError that names them for any other."""
    if value is None or not least <= value <= most or value != int(value):
        raise ValueError(f"the {name} must be a whole number from {least} to {most:,}")
    return int(value)
