"""Which sampling settings are best for a run: every combination tried on some seeds, the best confirmed on others.

Every trial is written when it ends, so that an interrupted sweep goes on, and a later one tries only what is new.
"""

import hashlib
import io
import json
import time
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ValidationError
from rich.table import Table

from latent_diffusion.config import explain
from latent_diffusion.data.reference import Reference
from latent_diffusion.denoiser import Interval
from latent_diffusion.evaluation.features import look
from latent_diffusion.evaluation.judge import Judge, judge_statistics
from latent_diffusion.evaluation.scores import Scores, score
from latent_diffusion.evaluation.sources import ImageSource
from latent_diffusion.inspection.plots import Curve, Panel, plot
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import Progress, say
from latent_diffusion.run import Run, write_atomic, write_json
from latent_diffusion.sampling.generate import SamplingConfig
from latent_diffusion.sampling.plan import follow
from latent_diffusion.studies.by_class import best_by_class

TRIED, CONFIRMED = 1_000_001, 2_000_001  # first seeds: far from those that people draw and score, which must not have been chosen for
LIST = "sweep.json"
SHOWN = {"fid": "FID", "inception_score": "Inception score", "accuracy": "accuracy", "precision": "precision", "recall": "recall",
         "sharpness": "sharpness"}
VARIED = {"sampler": "sampler", "steps": "steps", "guidance": "guidance", "guidance_interval": "interval", "temperature": "temp.",
          "epsilon_scale": "eps. scale", "average_length": "average"}


class Trial(BaseModel):
    """One setting: what it costs an image, in passes of the network and in seconds, and what it scores. run: checksum of
    the networks."""

    run: str
    sampler: str
    steps: int
    guidance: float
    class_guidance: dict[str, float] = {}  # of classes that had another
    guidance_interval: Interval
    temperature: float
    epsilon_scale: float = 1.0  # as in sweeps from before there was one
    average_length: float
    evaluations: int
    seconds: float
    first_seed: int
    scores: Scores


def sweep(run: Run, out: Path, settings: dict[str, Sequence], average_lengths: Sequence[float], images: int,
          device: str, apply: bool = False, by_class: bool = False) -> tuple[Table, list[Path]]:
    """Score `images` samples of every combination of `settings` (names of SamplingConfig) and averages of the weights; the
    one of the least FID again with as many other seeds.

    by_class: then choose among the guidances tried one for each class, all else being that of the best, and score that with
    the other seeds, too. `apply`: make it how the run samples from now on; of the two that were scored with other seeds the
    better one. ValueError for settings that cannot be, and for data of one class, which no judge scores.
    """
    if by_class and len(set(settings.get("guidance", ()))) < 2:
        raise ValueError("--by-class chooses among the values of --guidance: give two or more")
    pipes = {length: Pipeline.from_run(run.folder, device, average_length=length) for length in average_lengths or [None]}
    own = next(iter(pipes.values()))
    try:
        plans = [(pipe, own.configured(**dict(zip(settings, values)))) for pipe in pipes.values() for values in product(*settings.values())]
    except ValidationError as error:
        raise ValueError(explain(error, "sampling")) from None
    if own.facts.num_classes < 2:
        raise ValueError("the data has one class: a sweep goes by FID, which needs a judge of two")
    reference, judge = Reference.open(run), Judge.load(run, own.device)
    against, known = judge_statistics(run, judge), [trial for trial in read_trials(out) if trial.scores.n == images]
    if known:
        say(f"{out / LIST} has {len(known)} settings with {images} samples already: those among them are not tried again")
    names = own.facts.class_names
    with Progress("sweeping", (len(plans) + 1 + by_class) * images) as progress:
        def attempt(pipe: Pipeline, config: SamplingConfig, first_seed: int) -> Trial:
            setting = {name: getattr(config, name) for name in ("class_guidance", *VARIED) if name != "average_length"}
            setting |= {"average_length": pipe.average_length, "first_seed": first_seed, "run": pipe.checksum}
            done = next((trial for trial in known if all(getattr(trial, name) == value for name, value in setting.items())), None)
            if done and (not by_class or kept_features(out, done).is_file()):
                progress.advance(images)
                return done
            known[:] = [trial for trial in known if trial is not done]
            seeds, began = range(first_seed, first_seed + images), time.perf_counter()
            labels = follow(seeds, range(len(names)), pipe.facts.histogram)
            drawn = pipe.generate(seeds, labels, config, progress.advance)
            seconds = time.perf_counter() - began
            source = ImageSource("a sweep", images, drawn.shape[1], lambda rows: drawn[rows], [names[label] for label in labels])
            known.append(Trial(**setting, evaluations=config.evaluations, seconds=seconds / images,
                               scores=score(reference, source, judge, against, title=None)))
            write_atomic(kept_features(out, known[-1]), packed(look(judge, source.batches(), images, images, title=None).features))
            write_json(out / LIST, [trial.model_dump() for trial in known])
            return known[-1]

        trials = [attempt(*plan, TRIED) for plan in plans]
        best = min(range(len(trials)), key=lambda i: trials[i].scores.value("fid"))
        again = [attempt(*plans[best], CONFIRMED)]
        pipe, config = plans[best]
        if by_class:
            rivals = [trial for trial, (other, tried) in zip(trials, plans)
                      if other is pipe and tried.model_copy(update={"guidance": config.guidance}) == config]
            labels = follow(range(TRIED, TRIED + images), range(len(names)), pipe.facts.histogram)
            scales, fid = best_by_class({trial.guidance: np.load(kept_features(out, trial), allow_pickle=False) for trial in rivals},
                                        np.array(labels), against.statistics, config.guidance)
            named = {name: scale for name, scale in zip(names, scales) if scale != config.guidance}
            say(f"by class, on the seeds tried: FID {fid:.3f} for {trials[best].scores.value('fid'):.3f}")
            if named:
                again.append(attempt(pipe, config.model_copy(update={"class_guidance": named}), CONFIRMED))
                again.sort(key=lambda trial: -trial.scores.value("fid"))
    write_json(out / LIST, [trial.model_dump() for trial in [*trials, *again]])
    if apply:
        adopt(run, pipe, config.model_copy(update={"class_guidance": again[-1].class_guidance}))
    return table(trials, best, again), [draw(trials, out / "sweep.png"), pareto(trials, best, out / "pareto.png")]


def read_trials(folder: Path) -> list[Trial]:
    """What a sweep wrote there, a finished one last what it found best, confirmed; none from another version, or where there is nothing."""
    path = folder / LIST
    try:
        return [Trial.model_validate(trial) for trial in json.loads(path.read_text())] if path.is_file() else []
    except (ValueError, TypeError):
        return []


def adopt(run: Run, pipe: Pipeline, config: SamplingConfig) -> None:
    """Make these the run's sampling settings, and this average of the weights the one that it samples with."""
    run.diffusion.write_config({**run.diffusion.read_config(), "sampling": config.model_dump(mode="json"), "average_length": pipe.average_length})


def kept_features(out: Path, trial: Trial) -> Path:
    """Where a trial's features are kept, as a mixture of classes is scored from those of several."""
    setting = trial.model_dump_json(exclude={"evaluations", "seconds", "scores"}) + str(trial.scores.n)
    return out / "features" / f"{hashlib.sha256(setting.encode()).hexdigest()[:16]}.npy"


def packed(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array.astype(np.float32), allow_pickle=False)
    return buffer.getvalue()


def spoken(trial: Trial, names: Iterable[str] = VARIED) -> str:
    by_class = [f"for {name} {scale:g}" for name, scale in trial.class_guidance.items()] if "guidance" in names else []
    return ", ".join([*(f"{VARIED[name]} {said(getattr(trial, name))}" for name in names), *by_class])


def table(trials: list[Trial], best: int, again: list[Trial]) -> Table:
    """A row for each trial, and after a line the ones with other seeds, the best of them last."""
    n, shown = again[0].scores.n, Table()
    shown.title = f"{n} samples each"
    varied = [name for name in VARIED if len({getattr(trial, name) for trial in trials}) > 1]
    for column in ("", *(VARIED[name] for name in varied), "passes", "ms", "FID", "/ floor", "/ matched", "IS", "accuracy", "prec.", "recall", "sharp."):
        shown.add_column(column, justify="left" if column in ("", "sampler") else "right", no_wrap=True)
    for number, trial in enumerate([*trials, *again]):
        ratios = [trial.scores.fid_over_floor, trial.scores.fid_over_matched_floor]
        mark = ("by class" if trial.class_guidance else "again") if number >= len(trials) else "best" if number == best else ""
        values = [trial.scores.value(name) for name in SHOWN]
        cells = [f"{value:.3f}" if value is not None else "-" for value in values]
        shown.add_row(mark, *(said(getattr(trial, name)) for name in varied), str(trial.evaluations), f"{1000 * trial.seconds:.0f}", cells[0],
                      *(f"{ratio:.2f}" if ratio else "-" for ratio in ratios), *cells[1:], style="bold" if mark else None, end_section=number == len(trials) - 1)
    fixed = spoken(trials[best], [name for name in VARIED if name not in varied])
    by_class = [trial for trial in again if trial.class_guidance]
    fixed += "".join(f"\nby class, with other seeds as well: {spoken(trial, ['guidance'])}" for trial in by_class)
    shown.caption = f"always: {fixed}\npasses of the network and milliseconds an image; again: the best with other seeds\n/ matched: FID over that of held-out images with the samples' own class counts"
    return shown


def said(value) -> str:
    return f"{value[0]:g}-{value[1]:g}" if isinstance(value, tuple) else str(value) if isinstance(value, str) else f"{value:g}"


def draw(trials: list[Trial], path: Path) -> Path:
    """Scores over the first setting that takes numbers and varies; a curve for each combination of the others."""
    numeric = ("guidance", "temperature", "epsilon_scale", "average_length", "steps")
    over = next((name for name in numeric if len({getattr(trial, name) for trial in trials}) > 1), "guidance")
    others = [name for name in VARIED if name != over and len({getattr(trial, name) for trial in trials}) > 1]
    groups: dict[str, list[Trial]] = {}
    for trial in sorted(trials, key=lambda trial: getattr(trial, over)):
        groups.setdefault(spoken(trial, others), []).append(trial)
    across = "evaluations" if over == "steps" else over
    label = {"evaluations": "passes of the network", "average_length": "average length"}.get(across, across)
    panels = [Panel(title, label, title, [
        Curve(name, [getattr(t, across) for t in group], [t.scores.value(score) for t in group]) for name, group in groups.items()],
        log_x=across == "evaluations") for score, title in SHOWN.items()]
    return plot(panels, path, columns=3)


def pareto(trials: list[Trial], best: int, path: Path) -> Path:
    """What is paid for what: FID over recall, and over the time an image takes."""
    def points(name: str, chosen: list[Trial], x) -> Curve:
        return Curve(name, [x(trial) for trial in chosen], [trial.scores.value("fid") for trial in chosen])

    panels = []
    for title, label, x in (("quality and variety", "recall", lambda t: t.scores.value("recall")),
                            ("quality and time", "milliseconds an image", lambda t: 1000 * t.seconds)):
        sign = -1 if label == "recall" else 1  # more recall is better, less time is
        front, least = [], float("inf")
        for trial in sorted(trials, key=lambda t: (sign * x(t), t.scores.value("fid"))):
            if trial.scores.value("fid") < least:
                front.append(trial)
                least = trial.scores.value("fid")
        rest = [trial for trial in trials if trial not in front]
        panels.append(Panel(title, label, "FID", [points("Pareto front", front, x), *([points("others", rest, x)] if rest else []),
                                                   points("least FID", [trials[best]], x)], scattered=True))
    return plot(panels, path, columns=2)
