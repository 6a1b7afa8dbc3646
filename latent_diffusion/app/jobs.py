"""Drawing for several people at once: every step of every job takes its turn at the network, first come, first served.

So nobody waits for the end of another's long job, only for single steps of it; and a job that nobody listens to any more
stops after the step in hand. Called by the app's tabs; no Gradio here.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import NamedTuple

import numpy as np
from torch import Tensor

from latent_diffusion.exploration.walks import seed_walk_states
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


class Order(NamedTuple):
    """What is to be drawn: one image for each pair of seed and label."""

    pipe: Pipeline
    seeds: list[int]
    labels: list[int]
    config: SamplingConfig


class Drawing(NamedTuple):
    """A job after some of its steps; images uint8 (N, H, W, 3) of the state, None between previews."""

    step: int
    images: np.ndarray | None


class Jobs:
    """One run's pipeline, shared; and, where the run kept snapshots, those with other averages of the weights."""

    def __init__(self, run: Run, pipe: Pipeline):
        self.run, self.pipe = run, pipe
        kept = any(run.diffusion.ema_folder.glob("*.safetensors"))
        self.ema_lengths = sorted({pipe.ema_length, *EMA_LENGTHS}) if kept else [pipe.ema_length]
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
    ) -> Order:
        """Seeds `seed`, `seed` + 1, … in one class, or (None) in all classes in turn, as `ldm sample` draws them.

        ValueError for what cannot be drawn or would keep the machine to one person.
        """
        count, seed = (
            whole(count, "number of images", 1, MOST_IMAGES),
            whole(seed, "seed", 0, MOST_SEED),
        )
        config = self.settings(guidance, steps, sampler)
        classes = range(self.pipe.facts.num_classes)
        if label is not None and label not in classes:
            raise ValueError("this run has no such class: choose one from the list")
        seeds = list(range(seed, seed + count))
        return Order(
            self.averaged(ema_length),
            seeds,
            cycle(seeds, classes if label is None else [label]),
            config,
        )

    @cache
    def averaged(self, length: float | None) -> Pipeline:
        """The pipeline with that average of the weights; ValueError for none of `ema_lengths`."""
        if length in (None, self.pipe.ema_length):
            return self.pipe
        if length not in self.ema_lengths:
            raise ValueError(
                f"this run offers averages of the lengths {', '.join(f'{one:g}' for one in self.ema_lengths)}"
            )
        return Pipeline.from_run(
            self.run.folder, str(self.pipe.device), self.pipe.precision, length
        )

    def settings(
        self, guidance: float | None, steps: float | None, sampler: str | None
    ) -> SamplingConfig:
        """The run's sampling settings with these; ValueError outside the limits."""
        if guidance is None or not 0 <= guidance <= MOST_GUIDANCE:
            raise ValueError(
                f"guidance must be a number from 0 to {MOST_GUIDANCE:g}, where 1 is none"
            )
        if sampler not in SAMPLERS:
            raise ValueError(f"no sampler {sampler!r}: there are {', '.join(SAMPLERS)}")
        own = (
            guidance == self.pipe.sampling.guidance
        )  # then each class keeps the guidance that the run gives it
        return self.pipe.configured(
            guidance=None if own else float(guidance),
            steps=whole(steps, "number of steps", 1, MOST_STEPS),
            sampler=sampler,
        )

    def draw(self, order: Order) -> Iterator[Drawing]:
        """The job after each of its steps; the last images are those that `ldm sample` writes."""
        pipe, config = order.pipe, order.config
        shape = pipe.autoencoder.latent_shape
        return self.follow(
            generate_latents(
                pipe.denoiser, shape, order.seeds, order.labels, config, pipe.precision
            ),
            config,
        )

    def walk(
        self,
        seeds: tuple[float | None, float | None],
        labels: tuple[int, int],
        frames: float | None,
        config: SamplingConfig,
    ) -> Iterator[Drawing]:
        """A walk from (seed, label) to (seed, label), the same as `ldm interpolate` writes. ValueError outside the limits."""
        ends = tuple(whole(seed, "seed", 0, MOST_SEED) for seed in seeds)
        count = whole(frames, "number of frames", 2, MOST_FRAMES)
        return self.follow(seed_walk_states(self.pipe, ends, [labels], count, config), config)

    def follow(self, states: Iterator[Tensor], config: SamplingConfig) -> Iterator[Drawing]:
        """The sampler's states, each in a turn of its own, with a preview every few steps."""
        shown = {round(part * config.steps / PREVIEWS) for part in range(1, PREVIEWS + 1)}
        for step in range(1, config.steps + 1):
            state = self.turn(next, states)
            yield Drawing(
                step, self.decode(state, config.levels[step], config) if step in shown else None
            )

    def decode(self, state: Tensor, sigma: float, config: SamplingConfig) -> np.ndarray:
        """uint8 (N, H, W, 3) of a state, made as large as clean latents."""
        codec = self.pipe.codec.batched(config.compute_batch)
        return self.turn(codec.decode, state / (1 + sigma**2) ** 0.5)

    def turn(self, work: Callable, *arguments):
        return self.network.submit(work, *arguments).result()


def whole(value: float | None, name: str, least: int, most: int) -> int:
    """A whole number within limits, or ValueError that names them."""
    if value is None or not least <= value <= most or value != int(value):
        raise ValueError(f"the {name} must be a whole number from {least} to {most:,}")
    return int(value)
