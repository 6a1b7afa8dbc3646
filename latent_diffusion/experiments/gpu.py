"""The reference job at full size in one go; `scripts/gpu OUT` calls `main`.

Steps are measured first, those of stage two on a GPU also as torch.compile makes them. Every
training then gets a share of the minutes that are left, and as many steps, of the faster kind, as
fit into it. What comes after begins only where it should end in time: 100, 2,000 and, where there
are held-out images enough, 10,000 samples; a sweep that chooses the guidance of each class, and 100
and 2,000 samples with it; the benchmark. OUT holds summary.md (from the start, growing), scores,
curves, grids, the benchmark's figures and run/, which `ldm sample` takes. It runs unchanged on a
CPU; --tiny is for seeing that it does.
"""

import argparse
import math
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from latent_diffusion.data.prepare import prepare
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import choose_device
from latent_diffusion.distributed import World
from latent_diffusion.evaluation.judge_training import make_judge
from latent_diffusion.evaluation.reconstruction import reconstruct_images
from latent_diffusion.evaluation.scores import Scores
from latent_diffusion.evaluation.scoring import evaluate
from latent_diffusion.experiments.gpu_plan import (
    SHARES,
    TINY,
    Measured,
    in_short,
    measured,
    planned,
)
from latent_diffusion.experiments.gpu_summary import Summary, add_trainings, shares_of_peak
from latent_diffusion.inspection.grids import grid, reconstruction_grid
from latent_diffusion.pipeline import Pipeline, whole_batch
from latent_diffusion.progress import LateProgress, Progress, say
from latent_diffusion.run import Interrupted, Run
from latent_diffusion.samples import sample_to_folder
from latent_diffusion.studies.sweep.search import GUIDANCE, sweep
from latent_diffusion.training.autoencoder import train_autoencoder
from latent_diffusion.training.config import with_training
from latent_diffusion.training.diffusion import train_diffusion
from latent_diffusion.training.stage import Start
from latent_diffusion.training.stages import Config, load_config

SAMPLES = (100, 2_000)
MANY = 10_000  # for which only a source that can make more held-out images has enough
SWEPT = 1_000  # samples of each trial of the sweep
SHOWN = 10  # seeds of each class
SOME_ALONE = 7  # images that are drawn by themselves as well
BENCHMARK = 60  # seconds that must be left for it; it is ended when the minutes are
TINY_SIZE, TINY_SAMPLES, TINY_SWEPT = 16, 20, 60
REPORTED = (
    "inception_score",
    "class_coverage",
    "accuracy",
    "precision",
    "recall",
    "sharpness",
)


def main() -> None:
    """Do the job that the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--source", default="cartoons:22000")
    parser.add_argument("--config", type=Path, default=Path("cartoons"))
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--tiny", action="store_true", help="small networks, few samples")
    options = parser.parse_args()
    device = choose_device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device
    title = f"{options.source} on {name}, torch {torch.__version__}"
    limit = float("inf") if options.tiny else 60 * options.minutes
    job = GpuJob(options, Summary(options.out / "summary.md", title, limit))
    try:
        job.do()
    except NotForThisData as reason:
        parser.error(str(reason))
    print(job.summary.path.read_text())


class NotForThisData(Exception):
    """The job needs other data."""


class GpuJob:
    """The job under way: what was asked for, its run, its summary."""

    def __init__(self, options: argparse.Namespace, summary: Summary):
        self.options, self.summary = options, summary
        self.out: Path = options.out
        self.device: str = options.device
        self.tiny: bool = options.tiny
        self.run = Run(self.out / "run")

    def do(self) -> None:
        """Prepare, train, score; sweep and benchmark where there is time."""
        data = self.summary.clocked("preparing", self.prepared)
        if data.num_classes < 2:
            raise NotForThisData(
                f"{self.options.source} has one class, and the judge needs at least two"
            )
        steps = self.trained(data)
        self.reconstructed()
        self.peak(steps)
        self.sampled()
        if self.summary.fits("benchmark", BENCHMARK):
            sections = "unet,autoencoder,sampling"
            self.summary.add("", self.summary.clocked("benchmark", lambda: self.bench(sections)))

    def prepared(self) -> Dataset:
        """Return the data set, prepared now."""
        folder, size = self.out / "data", TINY_SIZE if self.tiny else None
        with LateProgress("preparing") as progress:
            prepare(self.options.source, folder, size, on_progress=progress.update)
        return Dataset.open(folder)

    def trained(self, data: Dataset) -> dict[str, list[Measured]]:
        """Measure the steps, train the three networks, and return what was measured."""
        summary, run = self.summary, self.run
        world = World(0, 1, choose_device(self.device))
        config = load_config(self.options.config, TINY if self.tiny else [])
        steps = summary.clocked(
            "measuring", lambda: {name: measured(name, config, data, world) for name in SHARES}
        )
        summary.add_steps(steps)
        chosen = planned(config, steps, 60 * self.options.minutes - summary.elapsed)
        summary.clocked(
            "stage one", lambda: train_autoencoder(run, data, chosen.autoencoder, world)
        )
        summary.clocked("judge", lambda: make_judge(run, data, chosen.classifier, world))
        summary.clocked("stage two", lambda: train_denoiser(run, data, chosen, world))
        add_trainings(run, summary)
        return steps

    def reconstructed(self) -> None:
        """Reconstruct the held-out images, and add the scores of it."""
        originals, decoded, scores = self.summary.clocked(
            "reconstructing", lambda: reconstruct_images(self.run, device=self.device)
        )
        reconstruction_grid(originals[:20], decoded[:20]).save(self.out / "reconstructions.png")
        self.summary.add(
            f"- PSNR {scores.psnr:.2f} dB, rFID {scores.rfid:.3f} (floor {scores.rfid_floor:.3f})",
            f"- judge: {self.run.read_scores()['judge']}",
        )

    def peak(self, steps: dict[str, list[Measured]]) -> None:
        """Add how near the stages come to the highest rate of arithmetic."""
        self.summary.clocked("peak", lambda: self.bench("peak"))
        self.summary.add(shares_of_peak(self.out / "benchmark.json", steps))

    def sampled(self) -> None:
        """Draw and score samples, then those with a guidance for each class."""
        pipe, summary = Pipeline.from_run(self.run.folder, self.device), self.summary
        names, seeds = pipe.facts.class_names, list(range(1, SHOWN + 1))
        labels = [label for label in range(len(names)) for _ in seeds]
        images = pipe.generate(seeds * len(names), labels, pipe.sampling)
        shown = images.reshape(len(names), len(seeds), *images.shape[1:])
        grid(list(shown), names).save(self.out / "samples.png")
        summary.add(in_other_company(pipe, images))
        counts: tuple[int, ...] = (*SAMPLES, MANY) if pipe.facts.has_more_images else SAMPLES
        counts = (TINY_SAMPLES,) if self.tiny else counts
        pace = score_samples(counts, "", 0.0, pipe, self.run, summary, self.device)
        trials = len(GUIDANCE) + 2
        if summary.fits("guidance by class", trials * SWEPT * pace):
            summary.clocked("guidance by class", self.swept)
            pipe = Pipeline.from_run(self.run.folder, self.device)
            few = counts[: len(SAMPLES)]
            score_samples(few, " by class", pace, pipe, self.run, summary, self.device)

    def swept(self) -> None:
        """Let the run sample with the guidance that a sweep chooses for each class."""
        images, folder = TINY_SWEPT if self.tiny else SWEPT, self.run.folder / "sweep"
        sweep(self.run, folder, {}, [], images, self.device, apply=True, by_class=True)

    def bench(self, sections: str) -> str:
        """Return the benchmark's table, or why there is none."""
        command = [sys.executable, "-m", "latent_diffusion.experiments.benchmark"]
        command += ["--json", str(self.out / "benchmark.json"), "--device", self.device]
        command += ["--only", sections, *(["--quick"] if self.tiny else [])]
        left = self.summary.limit - self.summary.elapsed
        timeout = left if math.isfinite(left) else None
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
        except subprocess.TimeoutExpired:
            return (
                "The benchmark was ended, as the minutes were spent; benchmark.json has its "
                "figures so far."
            )
        if done.returncode:
            return f"The benchmark failed: {done.stderr[-2000:]}"
        return done.stdout


def train_denoiser(run: Run, data: Dataset, config: Config, world: World) -> None:
    """Train stage two; if it fails compiled, then as it is, with half of the steps."""
    stage = config.diffusion
    try:
        train_diffusion(run, data, stage, config.sampling, world)
        return
    except Exception as error:
        if stage.training.compile == "none" or isinstance(error, Interrupted):
            raise
        say(f"stage two failed compiled, and begins again as it is: {in_short(error)}")
    torch.compiler.reset()  # with the error gone, nothing holds the memory of what failed
    fewer = with_training(stage, compile="none", steps=max(20, stage.training.steps // 2))
    train_diffusion(run, data, fewer, config.sampling, world, Start(overwrite=True))


def score_samples(
    counts: Sequence[int],
    how: str,
    pace: float,
    pipe: Pipeline,
    run: Run,
    summary: Summary,
    device: str,
) -> float:
    """Draw and score so many samples, each count where it fits at this pace (seconds a sample).

    Return the last pace.
    """
    for count in counts:
        what = f"{count} samples{how}"
        if summary.fits(what, count * pace):
            start = time.perf_counter()
            folder = summary.path.parent / f"samples-{count}{how.replace(' ', '-')}"
            summary.add(scored(what, count, folder, pipe, run, summary, device))
            drawn = max(count, whole_batch(pipe.sampling))
            pace = (time.perf_counter() - start) / drawn
    return pace


def scored(
    what: str, count: int, folder: Path, pipe: Pipeline, run: Run, summary: Summary, device: str
) -> str:
    """Return the scores of so many samples, drawn into a folder, as a line."""
    seeds = range(1, count + 1)
    with Progress(what, count) as progress:
        summary.clocked(
            what,
            lambda: sample_to_folder(
                pipe,
                folder,
                seeds,
                None,
                "data",
                pipe.sampling,
                None,
                progress.advance,
                replace=True,
            ),
        )
    scores = summary.clocked(f"scores of {what}", lambda: evaluate(run, folder, device=device))
    ratio = f"{scores.fid_over_floor:.2f} x floor" if scores.fid_over_floor else "no floor"
    others = ", ".join(in_words(scores, name) for name in REPORTED)
    return f"- {what}: FID {scores.value('fid'):.3f} ({ratio}), {others}"


def in_words(scores: Scores, name: str) -> str:
    """Return a score with that of real images, where there is one."""
    real = scores.scores[name].real
    beside = f" (real {real:.3f})" if real else ""
    return f"{name.replace('_', ' ')} {scores.value(name):.3f}{beside}"


def in_other_company(pipe: Pipeline, images: np.ndarray) -> str:
    """Return whether some images come out the same, byte for byte, drawn by themselves.

    images: the first seeds of every class.
    """
    rows = range(0, len(images), max(1, len(images) // SOME_ALONE))
    alike = 0
    for row in rows:
        label, seed = divmod(row, SHOWN)
        alone = pipe.generate([1 + seed], [label], pipe.sampling)[0]
        alike += np.array_equal(images[row], alone)
    return f"- drawn by themselves, {alike} of {len(rows)} images are the same, byte for byte"
