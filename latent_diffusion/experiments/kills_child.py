"""A training in a process of its own, which can be watched and killed, also inside a write.

It is forked, so that a kill costs no start of Python; torch computes in the children alone.
"""

import mmap
import os
import shutil
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch  # noqa: F401  # here, so that no child has to
import torch
import torch._dynamo  # optimizers import it

from latent_diffusion import tensors
from latent_diffusion.data.store import Dataset
from latent_diffusion.distributed import World
from latent_diffusion.run import Part, Run
from latent_diffusion.tensors import Damaged
from latent_diffusion.training import loop
from latent_diffusion.training.autoencoder import train_autoencoder
from latent_diffusion.training.checkpoint import newest_checkpoint
from latent_diffusion.training.classifier import train_classifier
from latent_diffusion.training.diffusion import train_diffusion
from latent_diffusion.training.stage import Start
from latent_diffusion.training.stages import TRAININGS as TABLES
from latent_diffusion.training.stages import load_config

TRAININGS = ("autoencoder", "sharpening", "classifier", "diffusion")
PARTS = {"sharpening": "adversary"}  # of a run, where it is called otherwise
PATIENCE = 600.0  # seconds that a training may take
PIECE = 2**15  # bytes written between two moments of a write
SEEN = struct.Struct("5d")


@dataclass(frozen=True)
class Killable:
    """One of the four trainings, short, on a data set; `begun` holds what comes before it."""

    name: str
    data: Path
    begun: Path
    config: Path | None
    settings: tuple[str, ...]
    steps: int
    checkpoint_every: int

    @property
    def resumes(self) -> bool:
        """Whether its beginning is already a resumed one: that of a sharpening."""
        return self.name == "sharpening"

    def part(self, run: Path) -> Part:
        """Return the part of a run that it trains."""
        part: Part = getattr(Run(run), PARTS.get(self.name, self.name))
        return part

    def checkpoint(self, run: Path) -> Path:
        """Return where its checkpoint is."""
        return self.part(run).checkpoint_path

    def steps_saved(self, run: Path) -> int:
        """Return how many steps the newest whole checkpoint holds."""
        try:
            found = newest_checkpoint(self.part(run), lambda text: None)
        except Damaged:
            found = None
        return found.done if found else 0

    def begin(self, folder: Path) -> Path:
        """Return a new run in a folder, with what this training needs before its first step.

        That is trained once, into `begun`.
        """
        run = folder / "run"
        shutil.rmtree(run, ignore_errors=True)
        if self.name in ("sharpening", "diffusion"):
            before = self.begun / self.name
            if not before.is_dir():
                self.prepare(before)
            shutil.copytree(before, run)
        return run

    def prepare(self, before: Path) -> None:
        """Train an autoencoder; for a sharpening as far as its own begins."""
        stage_one = Killable(
            "sharpening" if self.name == "sharpening" else "autoencoder",
            *(self.data, self.begun, self.config, self.settings),
            *(self.steps, self.checkpoint_every),
        )
        child = Child(stage_one, before, resume=False)
        child.wait_for_end()
        if child.status != 0:
            raise ValueError(f"the autoencoder's training does not end: {child.said()}")
        if self.name == "sharpening":
            shutil.rmtree(before / "adversary")
            (before / "autoencoder" / "model.safetensors").unlink()

    def train(self, folder: Path, start: Start) -> None:
        """Train, in this process."""
        run, data, world = Run(folder), Dataset.open(self.data), World(0, 1, torch.device("cpu"))
        settings = [*self.settings, f"autoencoder.adversarial={self.resumes}".lower()]
        for table in TABLES:
            settings += [
                f"{table}.training.steps={self.steps}",
                f"{table}.training.batch_size=8",
                f"{table}.training.warmup_steps=2",
                f"{table}.training.checkpoint_every={self.checkpoint_every}",
                f"{table}.training.precision=float32",
            ]
        settings.append("diffusion.training.snapshots=2")
        config = load_config(self.config or Path("own_cpu"), settings)
        if self.name in ("autoencoder", "sharpening"):
            stage = config.autoencoder.model_copy(update={"perceptual": "none"})
            train_autoencoder(run, data, stage, world, start)
        elif self.name == "classifier":
            train_classifier(run, data, config.classifier, world, start)
        else:
            train_diffusion(run, data, config.diffusion, config.sampling, world, start)

    def files(self, run: Path) -> dict[str, str]:
        """Return the checksums of all weights and last checkpoints of a run, by their paths."""
        paths = sorted(run.rglob("*.safetensors"))
        return {str(p.relative_to(run)): sha256(p.read_bytes()).hexdigest() for p in paths}


class Seen(NamedTuple):
    """What a child tells of itself: its steps, its checkpoints, and how long both took together."""

    done: int
    checkpoints: int
    moments: int  # inside of checkpoint writes
    seconds_of_checkpoints: float
    seconds_of_steps: float


class Child:
    """A forked training. `status` is as subprocess has it: 0, 2 for a refusal, -9 for SIGKILL.

    die_at: the moment inside of checkpoint writes, counted from 1, at which it kills itself.
    """

    def __init__(self, killable: Killable, run: Path, resume: bool, die_at: int | None = None):
        self.shared = mmap.mmap(-1, SEEN.size)
        self.log = killable.begun / "said.txt"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.status: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            os._exit(self.live(killable, run, resume, die_at))

    def live(self, killable: Killable, run: Path, resume: bool, die_at: int | None) -> int:
        """Train, in the child, and return the exit status."""
        try:
            with self.log.open("w") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            torch.set_num_threads(1)
            Watch(self.shared, die_at).begin()
            killable.train(run, Start(resume=resume))
            return 0
        except ValueError as error:
            print(error, file=sys.stderr, flush=True)
            return 2
        except BaseException:
            traceback.print_exc()
            return 1

    @property
    def seen(self) -> Seen:
        """What the child has told so far."""
        done, checkpoints, moments, *seconds = SEEN.unpack(self.shared[:])
        return Seen(int(done), int(checkpoints), int(moments), *seconds)

    def said(self) -> str:
        """Return the last line that the child wrote."""
        lines = self.log.read_text(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "")

    def has_ended(self) -> bool:
        """Return whether the child is no more; `status` then says how it ended."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def wait_for_step(self, step: int) -> None:
        """Wait until a step is done, or the training has ended."""
        self.wait(lambda: self.seen.done >= step, pause=0.001)

    def wait_for_end(self) -> None:
        """Wait until the training has ended."""
        self.wait(lambda: False, pause=0.02)

    def wait(self, enough: Callable[[], bool], pause: float) -> None:
        """Wait until it is enough or the training has ended; one that hangs is killed.

        pause: seconds between two looks.
        """
        end = time.monotonic() + PATIENCE
        try:
            while not self.has_ended() and not enough():
                time.sleep(pause)
                if time.monotonic() > end:
                    self.kill()
        except BaseException:  # no training goes on without who watches it
            self.kill()
            raise

    def kill(self) -> None:
        """Kill the training, if it is still there."""
        if not self.has_ended():
            os.kill(self.pid, signal.SIGKILL)


class Watch:
    """Counts the steps of this process and the moments of its checkpoint writes, and dies at one.

    A write has a moment before each piece, before it is flushed to the disk, before it is read
    back, and before each renaming.
    """

    def __init__(self, shared: mmap.mmap, die_at: int | None):
        self.shared, self.die_at = shared, die_at
        self.seen, self.writing = [0.0] * 5, False

    def begin(self) -> None:
        """Put itself around what trains and writes in this process."""
        step, save, sealed = loop.Trainer.step, loop.save_checkpoint, tensors.sealed
        patched: list[tuple[Any, str, Any]] = [
            (loop.Trainer, "step", lambda trainer: self.step(step, trainer)),
            (loop, "save_checkpoint", partial(self.save, save)),
            (tensors, "sealed", lambda *what: self.pieces(sealed(*what))),
            (tensors, "prove", self.at_a_moment(tensors.prove)),
            (os, "fsync", self.at_a_moment(os.fsync)),
            (os, "replace", self.at_a_moment(os.replace)),
        ]
        for owner, name, value in patched:
            setattr(owner, name, value)

    def step(self, step: Callable[[loop.Trainer], None], trainer: loop.Trainer) -> None:
        """Do a step, and tell of it."""
        began = time.perf_counter()
        step(trainer)
        self.tell(0, trainer.done)
        self.tell(4, self.seen[4] + time.perf_counter() - began)

    def save(self, save: Callable[..., None], *what: Any, **how: Any) -> None:
        """Write a checkpoint, and tell of it."""
        began, self.writing = time.perf_counter(), True
        save(*what, **how)
        self.writing = False
        self.tell(1, self.seen[1] + 1)
        self.tell(3, self.seen[3] + time.perf_counter() - began)

    def pieces(self, content: Iterable[bytes | memoryview]) -> Iterator[bytes]:
        """Yield what is written in small pieces."""
        for whole in content:
            for start in range(0, len(whole), PIECE):
                self.moment()
                yield bytes(whole[start : start + PIECE])

    def at_a_moment(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with a moment before it."""

        def wrapped(*arguments: Any, **named: Any) -> Any:
            self.moment()
            return call(*arguments, **named)

        return wrapped

    def moment(self) -> None:
        """Count a moment inside of a checkpoint write, and die if it is the one."""
        if self.writing:
            self.tell(2, self.seen[2] + 1)
            if self.seen[2] == self.die_at:
                os.kill(os.getpid(), signal.SIGKILL)

    def tell(self, place: int, value: float) -> None:
        """Tell the parent one of the numbers of `Seen`."""
        self.seen[place] = value
        self.shared[:] = SEEN.pack(*self.seen)
