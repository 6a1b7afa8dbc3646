"""The teacher's trajectories, from noise to latents, of which a student learns every jump.

They are drawn once and kept beside the student's checkpoints: one of them depends on its number
alone, so that a training that was killed goes on with the same, and a longer one with more.
"""

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from latent_diffusion.denoiser import Denoiser
from latent_diffusion.device import DeviceRows
from latent_diffusion.progress import Progress
from latent_diffusion.sampling.fast import MOST_STEPS, VISITED, FastSampling
from latent_diffusion.sampling.generate import guided_by
from latent_diffusion.sampling.noise import PerSeedNoise
from latent_diffusion.sampling.samplers import dpmpp_2m, noise_levels
from latent_diffusion.tensors import Damaged, load_tensors, save_tensors

FIRST_SEED = 2**61  # of their noise: none that people draw
BATCH = 64  # trajectories that are drawn at a time
SAVED_EVERY = 60.0  # seconds
MADE_BY = "made by"  # key of the metadata: what says which teacher, settings and levels

Jump = tuple[int, int]  # numbers of the levels where it begins and ends


@dataclass(frozen=True)
class Plan:
    """How a teacher's trajectories are drawn: its settings, and who it is."""

    sampling: FastSampling  # of the student that learns from them
    latent_shape: tuple[int, int, int]
    precision: str
    teacher: str  # names its weights
    parts: int = 1  # steps of the teacher for one of four of the student

    @property
    def levels(self) -> list[float]:
        """Return the falling noise levels at which states are kept, the last one 0."""
        return self.sampling.of(MOST_STEPS).levels

    @property
    def visited(self) -> list[float]:
        """Return the falling noise levels that the teacher visits: some between, evenly, as well.

        From the last one above 0 it goes in one step.
        """
        found: list[float] = []
        for high, low in pairwise(self.levels[:-1]):
            found += noise_levels(self.parts + 1, high, low)[:-2]
        return [*found, *self.levels[-2:]]

    @property
    def identity(self) -> str:
        """Return what names everything that bears on the trajectories, as a sha256."""
        settings = self.sampling.model_dump_json(exclude={"guidance", "class_guidance", "steps"})
        text = [self.teacher, settings, self.latent_shape, self.precision, self.visited, BATCH]
        return hashlib.sha256(repr(text).encode()).hexdigest()


@dataclass(frozen=True)
class Trajectories:
    """States float16 (N, L, C, h, w) at the levels of a plan, labels (N,) and guidance (N,)."""

    states: np.ndarray
    labels: np.ndarray
    guidance: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> "Trajectories":
        """Return so many of them."""
        return Trajectories(self.states[:count], self.labels[:count], self.guidance[:count])


def jumps() -> list[Jump]:
    """Return every jump of one to MOST_STEPS of them, each once, by the numbers of its levels."""
    every = [jump for visited in VISITED.values() for jump in pairwise(visited)]
    return sorted(set(every))


@torch.inference_mode()
def draw(teacher: Denoiser, plan: Plan, first: int, count: int) -> Trajectories:
    """Return the trajectories with the numbers first, …, first + count - 1.

    Each has a class and a guidance of its own: log guidance is evenly distributed up to the most
    that is learnt. They are drawn on full compute batches, whatever else is drawn.
    """
    device = next(teacher.parameters()).device
    numbers = range(first, first + count)
    random = [np.random.default_rng(number) for number in numbers]
    shares = np.array([one.random() for one in random])
    classes = [int(one.integers(teacher.null_label)) for one in random]
    scales = (plan.sampling.most_guidance**shares).astype(np.float32)
    denoise = guided_by(teacher, classes, scales.tolist(), plan.sampling, plan.precision)
    noise = PerSeedNoise([FIRST_SEED + number for number in numbers], device)
    x = plan.levels[0] * noise.draw(plan.latent_shape)
    states = [x, *dpmpp_2m(denoise, x, plan.visited, noise.like)]
    kept = [*states[:: plan.parts][: len(plan.levels) - 1], states[-1]]
    rows = torch.stack(kept, dim=1).to(torch.float16).cpu().numpy()
    return Trajectories(rows, np.array(classes, np.int64), scales)


def any_trajectories(plan: Plan) -> Trajectories:
    """Return two of noise alone, of the shape of those of a plan: what a step with them costs."""
    shape = (2, len(plan.levels), *plan.latent_shape)
    noise = np.random.default_rng(0).standard_normal(shape).astype(np.float16)
    return Trajectories(noise, np.zeros(2, np.int64), np.ones(2, np.float32))


def seconds_for_one(teacher: Denoiser, plan: Plan) -> float:
    """Return how long a trajectory takes, measured on a batch of them, in seconds."""
    start = time.perf_counter()
    draw(teacher, plan, 0, BATCH)
    return (time.perf_counter() - start) / BATCH


def kept_trajectories(path: Path, teacher: Denoiser, plan: Plan, count: int) -> Trajectories:
    """Return the first `count` trajectories; what the file lacks of them is drawn and added.

    What another teacher drew there is replaced. Who interrupts it keeps what is drawn by then.
    """
    there = read(path, plan)
    drawn = [] if there is None else [there.first(count)]
    done = kept = sum(map(len, drawn))
    saved = time.monotonic()
    try:
        with Progress("trajectories of the teacher", count, done=done) as progress:
            for batch in drawn_anew(teacher, plan, done, count):
                drawn.append(batch)
                done += len(batch)
                progress.advance(len(batch))
                if time.monotonic() - saved > SAVED_EVERY:
                    drawn = [joined(drawn)]
                    write(path, drawn[0], plan)
                    kept, saved = done, time.monotonic()
    finally:
        if done > kept:
            drawn = [joined(drawn)]
            write(path, drawn[0], plan)
    return drawn[0]


def drawn_anew(teacher: Denoiser, plan: Plan, done: int, count: int) -> Iterator[Trajectories]:
    """Yield the trajectories from `done` to `count`, a batch at a time."""
    for first in range(done, count, BATCH):
        yield draw(teacher, plan, first, min(BATCH, count - first))


def joined(parts: Sequence[Trajectories]) -> Trajectories:
    """Return trajectories one behind the other."""
    return Trajectories(
        np.concatenate([part.states for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.guidance for part in parts]),
    )


def read(path: Path, plan: Plan) -> Trajectories | None:
    """Return the trajectories of a file; None where there are none of this plan, or it is damaged.

    Then they are drawn again, to the same bits on the same machine.
    """
    try:
        tensors, metadata = load_tensors(path) if path.is_file() else ({}, {})
    except Damaged:
        return None
    if metadata.get(MADE_BY) != plan.identity:
        return None
    return Trajectories(*(tensors[name].numpy() for name in ("states", "labels", "guidance")))


def write(path: Path, drawn: Trajectories, plan: Plan) -> None:
    """Write trajectories."""
    tensors = {
        "states": torch.from_numpy(drawn.states),
        "labels": torch.from_numpy(drawn.labels),
        "guidance": torch.from_numpy(drawn.guidance),
    }
    save_tensors(path, tensors, {MADE_BY: plan.identity})


class JumpRows:
    """Every jump of every trajectory as one row.

    `rows(indices)` gives (x, sigma, labels, guidance, following, target) on the device, states
    (N, C, h, w) and the rest (N,).
    """

    def __init__(self, drawn: Trajectories, levels: Sequence[float], device: torch.device):
        self.jumps = np.array(jumps())
        self.levels = torch.tensor(levels, device=device)
        self.states = DeviceRows(drawn.states.reshape(-1, *drawn.states.shape[2:]), device)
        self.labels = torch.from_numpy(drawn.labels).to(device)
        self.guidance = torch.from_numpy(drawn.guidance).to(device)

    def __len__(self) -> int:
        return len(self.labels) * len(self.jumps)

    def __call__(self, indices: np.ndarray) -> tuple[Tensor, ...]:
        which, jump = np.divmod(indices, len(self.jumps))
        begin, end = self.jumps[jump].T
        rows = torch.from_numpy(which).to(self.labels.device)
        return (
            self.states[which * len(self.levels) + begin].float(),
            self.levels[torch.from_numpy(begin).to(self.levels.device)],
            self.labels[rows],
            self.guidance[rows],
            self.levels[torch.from_numpy(end).to(self.levels.device)],
            self.states[which * len(self.levels) + end].float(),
        )
