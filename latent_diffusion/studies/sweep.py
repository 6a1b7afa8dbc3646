"""Which sampling settings are best for a run: every combination tried on some seeds, the best confirmed on others.

Every trial is written when it ends, so that an interrupted sweep goes on, and a later one tries only what is new.
"""

import hashlib
import io
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from pydantic import AliasChoices, BaseModel, Field
from rich.table import Table
from rich.text import Text

from latent_diffusion.data.reference import Reference
from latent_diffusion.denoiser import Interval
from latent_diffusion.evaluation.features import look
from latent_diffusion.evaluation.judge import Judge, judge_statistics
from latent_diffusion.evaluation.references import ReferenceStatistics
from latent_diffusion.evaluation.scores import Scores
from latent_diffusion.evaluation.scoring import score
from latent_diffusion.evaluation.sources import ImageSource
from latent_diffusion.evaluation.targets import choose_target
from latent_diffusion.inspection.plots import Curve, Panel, plot
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import Progress, say
from latent_diffusion.run import Run, write_atomic, write_json
from latent_diffusion.sampling.config import SamplingConfig, by_class_spoken
from latent_diffusion.sampling.plan import follow
from latent_diffusion.studies.by_class import best_by_class

TRIED, CONFIRMED = (
    1_000_001,
    2_000_001,
)  # first seeds: far from those that people draw and score, which must not have been chosen for
GUIDANCE = (1.0, 1.25, 1.5, 2.0, 3.0, 4.0)  # what is tried where nothing is named
LIST = "sweep.json"
SHOWN = {
    "fid": "FID",
    "inception_score": "Inception score",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "sharpness": "sharpness",
}
VARIED = {
    "sampler": "sampler",
    "steps": "steps",
    "guidance": "guidance",
    "guidance_interval": "interval",
    "temperature": "temp.",
    "epsilon_scale": "eps. scale",
    "ema_length": "average",
}


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
    ema_length: float = Field(validation_alias=AliasChoices("ema_length", "average_length"))
    evaluations: int
    seconds: float
    first_seed: int
    scores: Scores


@dataclass
class Trials:
    """Scores settings by one judge, with as many images each, and keeps what is scored in `out`: `known`."""

    reference: Reference
    judge: Judge
    against: ReferenceStatistics
    images: int
    out: Path
    progress: Progress
    known: list[Trial]

    def attempt(self, pipe: Pipeline, config: SamplingConfig, first_seed: int) -> Trial:
        """The trial of this setting, drawn now unless it is known. Of those on the seeds tried, features are kept as well."""
        setting = {
            name: getattr(config, name)
            for name in ("class_guidance", *VARIED)
            if name != "ema_length"
        }
        setting |= {
            "ema_length": pipe.ema_length,
            "first_seed": first_seed,
            "run": pipe.checksum,
        }
        if done := next(
            (
                trial
                for trial in self.known
                if all(getattr(trial, name) == value for name, value in setting.items())
            ),
            None,
        ):
            self.progress.advance(self.images)
            return done
        began, names, labels = (
            time.perf_counter(),
            pipe.facts.class_names,
            self.labels(pipe, first_seed),
        )
        drawn = pipe.generate(
            range(first_seed, first_seed + self.images), labels, config, self.progress.advance
        )
        seconds = time.perf_counter() - began
        source = ImageSource(
            "a sweep",
            self.images,
            drawn.shape[1],
            lambda rows: drawn[rows],
            [names[label] for label in labels],
        )
        trial = Trial(
            **setting,
            evaluations=config.evaluations,
            seconds=seconds / self.images,
            scores=score(self.reference, source, self.judge, self.against, title=None),
        )
        if first_seed == TRIED:
            seen = look(self.judge, source.batches(), self.images, self.images, title=None)
            write_atomic(features_of(trial, self.out), packed(seen.features))
        self.known.append(trial)
        self.save(self.known)
        return trial

    def labels(self, pipe: Pipeline, first_seed: int) -> list[int]:
        return follow(
            range(first_seed, first_seed + self.images),
            range(pipe.facts.num_classes),
            pipe.facts.histogram,
        )

    def by_class(
        self, rivals: list[Trial], pipe: Pipeline, config: SamplingConfig
    ) -> SamplingConfig:
        """The config with a guidance for each class that does better with another of the rivals' than with its own."""
        labels = np.array(self.labels(pipe, TRIED))
        against = choose_target(labels, self.reference, self.against).statistics
        features = {
            trial.guidance: np.load(features_of(trial, self.out), allow_pickle=False)
            for trial in rivals
        }
        chosen, fid = best_by_class(features, labels, against, config.guidance)
        named = {
            name: scale
            for name, scale in zip(pipe.facts.class_names, chosen)
            if scale != config.guidance
        }
        say(
            f"by class: FID {fid:.3f} on the seeds tried"
            if named
            else "by class: no class does better with another guidance"
        )
        return config.model_copy(update={"class_guidance": named})

    def save(self, trials: list[Trial]) -> None:
        write_json(self.out / LIST, [trial.model_dump() for trial in trials])


def sweep(
    run: Run,
    out: Path,
    settings: dict[str, Sequence],
    ema_lengths: Sequence[float],
    images: int,
    device: str,
    apply: bool = False,
    by_class: bool = False,
) -> tuple[Table, list[Path]]:
    """Score `images` samples of every combination of `settings` (names of SamplingConfig; GUIDANCE where there are none) and
    averages of the weights; the one of the least FID again with as many other seeds.

    by_class: also choose among the guidances tried (GUIDANCE where none are named) one for each class, all else being that of
    the best, and score that with the other seeds, too. `apply`: make it how the run samples from now on; of the two that were
    scored with other seeds the better one. ValueError for settings that cannot be, and for data of one class, which no judge
    scores.
    """
    if "guidance" not in settings and (by_class or not (settings or ema_lengths)):
        settings = {"guidance": GUIDANCE, **settings}
    if by_class and len(set(settings["guidance"])) < 2:
        raise ValueError("--by-class chooses among the values of --guidance: give two or more")
    pipes = {
        length: Pipeline.from_run(run.folder, device, ema_length=length)
        for length in ema_lengths or [None]
    }
    own = next(iter(pipes.values()))
    plans = [
        (pipe, own.configured(**dict(zip(settings, values, strict=True))))
        for pipe in pipes.values()
        for values in product(*settings.values())
    ]
    if own.facts.num_classes < 2:
        raise ValueError("the data has one class: a sweep goes by FID, which needs a judge of two")
    if own.sampling.class_guidance and "guidance" in settings:
        say(
            f"the guidance tried is for all classes, in place of the run's own by class ({by_class_spoken(own.sampling.class_guidance)})"
        )
    reference, judge = Reference.open(run), Judge.load(run, own.device)
    known = [
        trial
        for trial in read_trials(out)
        if trial.scores.n == images
        and trial.scores.identity == judge.identity
        and not (by_class and trial.first_seed == TRIED and not features_of(trial, out).is_file())
    ]
    if known:
        say(
            f"{out / LIST} has {len(known)} settings with {images} samples already: those among them are not tried again"
        )
    with Progress("sweeping", (len(plans) + 1 + by_class) * images) as progress:
        trials = Trials(
            reference, judge, judge_statistics(run, judge), images, out, progress, known
        )
        tried = [trials.attempt(*plan, TRIED) for plan in plans]
        best = min(range(len(tried)), key=lambda i: tried[i].scores.value("fid"))
        pipe, config = plans[best]
        finalists = [config]
        if by_class:
            rivals = [
                trial
                for trial, (other, plan) in zip(tried, plans)
                if other is pipe and plan.model_copy(update={"guidance": config.guidance}) == config
            ]
            finalists.insert(0, trials.by_class(rivals, pipe, config))
        again = [trials.attempt(pipe, finalist, CONFIRMED) for finalist in finalists]
    again = sorted(
        {trial.model_dump_json(): trial for trial in again}.values(),
        key=lambda trial: -trial.scores.value("fid"),
    )
    trials.save([*tried, *again])
    kept = {features_of(trial, out) for trial in tried}
    for path in (out / "features").glob("*.npy"):
        if path not in kept:
            path.unlink()
    if apply:
        adopt(run, pipe, config.model_copy(update={"class_guidance": again[-1].class_guidance}))
    return table(tried, best, again), [
        draw(tried, out / "sweep.png"),
        pareto(tried, best, out / "pareto.png"),
    ]


def read_trials(folder: Path) -> list[Trial]:
    """What a sweep wrote there, a finished one last what it found best, confirmed; none from another version, or where there is nothing."""
    path = folder / LIST
    try:
        return (
            [Trial.model_validate(trial) for trial in json.loads(path.read_text())]
            if path.is_file()
            else []
        )
    except (ValueError, TypeError):
        return []


def adopt(run: Run, pipe: Pipeline, config: SamplingConfig) -> None:
    """Make these the run's sampling settings, and this average of the weights the one that it samples with."""
    run.diffusion.write_config(
        {
            **run.diffusion.read_config(),
            "sampling": config.model_dump(mode="json"),
            "ema_length": pipe.ema_length,
        }
    )


def features_of(trial: Trial, out: Path) -> Path:
    """Where the features of its samples are kept: those of several trials make a mixture with a guidance for each class."""
    setting = (
        trial.model_dump_json(exclude={"evaluations", "seconds", "scores"})
        + trial.scores.identity
        + str(trial.scores.n)
    )
    return out / "features" / f"{hashlib.sha256(setting.encode()).hexdigest()[:16]}.npy"


def packed(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array.astype(np.float32), allow_pickle=False)
    return buffer.getvalue()


def spoken(trial: Trial, names: Iterable[str] = VARIED) -> str:
    words = [f"{VARIED[name]} {said(getattr(trial, name))}" for name in names]
    return ", ".join(
        words + [by_class_spoken(trial.class_guidance)]
        if trial.class_guidance and "guidance" in names
        else words
    )


def table(trials: list[Trial], best: int, again: list[Trial]) -> Table:
    """A row for each trial, and after a line the ones with other seeds, the best of them last."""
    n, shown = again[0].scores.n, Table()
    shown.title = f"{n} samples each"
    varied = [name for name in VARIED if len({getattr(trial, name) for trial in trials}) > 1]
    for column in (
        "",
        *(VARIED[name] for name in varied),
        "passes",
        "ms",
        "FID",
        "/ floor",
        "/ matched",
        "IS",
        "accuracy",
        "prec.",
        "recall",
        "sharp.",
    ):
        shown.add_column(
            column, justify="left" if column in ("", "sampler") else "right", no_wrap=True
        )
    for number, trial in enumerate([*trials, *again]):
        ratios = [trial.scores.fid_over_floor, trial.scores.fid_over_matched_floor]
        mark = (
            ("again" if trial.class_guidance == trials[best].class_guidance else "by class")
            if number >= len(trials)
            else ""
        )
        mark = "best" if number == best else mark
        values = [trial.scores.value(name) for name in SHOWN]
        cells = [f"{value:.3f}" if value is not None else "-" for value in values]
        shown.add_row(
            mark,
            *(said(getattr(trial, name)) for name in varied),
            str(trial.evaluations),
            f"{1000 * trial.seconds:.0f}",
            cells[0],
            *(f"{ratio:.2f}" if ratio else "-" for ratio in ratios),
            *cells[1:],
            style="bold" if mark else None,
            end_section=number == len(trials) - 1,
        )
    fixed = spoken(trials[best], [name for name in VARIED if name not in varied])
    for trial in again:
        if trial.class_guidance != trials[best].class_guidance:
            fixed += f"\nby class: {by_class_spoken(trial.class_guidance)}, the others {trial.guidance:g}"
    shown.caption = Text(
        f"always: {fixed}\npasses of the network and milliseconds an image; again: the best with other seeds\n/ matched: FID over that of held-out images with the samples' own class counts",
        justify="center",
    )
    return shown


def said(value) -> str:
    return (
        f"{value[0]:g}-{value[1]:g}"
        if isinstance(value, tuple)
        else str(value)
        if isinstance(value, str)
        else f"{value:g}"
    )


def draw(trials: list[Trial], path: Path) -> Path:
    """Scores over the first setting that takes numbers and varies; a curve for each combination of the others."""
    numeric = ("guidance", "temperature", "epsilon_scale", "ema_length", "steps")
    over = next(
        (name for name in numeric if len({getattr(trial, name) for trial in trials}) > 1),
        "guidance",
    )
    others = [
        name
        for name in VARIED
        if name != over and len({getattr(trial, name) for trial in trials}) > 1
    ]
    groups: dict[str, list[Trial]] = {}
    for trial in sorted(trials, key=lambda trial: getattr(trial, over)):
        groups.setdefault(spoken(trial, others), []).append(trial)
    across = "evaluations" if over == "steps" else over
    label = {"evaluations": "passes of the network", "ema_length": "average length"}.get(
        across, across
    )
    panels = [
        Panel(
            title,
            label,
            title,
            [
                Curve(
                    name,
                    [getattr(t, across) for t in group],
                    [t.scores.value(score) for t in group],
                )
                for name, group in groups.items()
            ],
            log_x=across == "evaluations",
            log_y=score == "fid" and far_apart(trials),
        )
        for score, title in SHOWN.items()
    ]
    return plot(panels, path, columns=3)


def far_apart(trials: list[Trial]) -> bool:
    """Whether the FIDs differ so much that the best could not be told apart on a linear axis."""
    found = [trial.scores.value("fid") for trial in trials]
    return max(found) > 10 * max(min(found), 1e-9)


def pareto(trials: list[Trial], best: int, path: Path) -> Path:
    """What is paid for what: FID over recall, and over the time an image takes."""

    def points(name: str, chosen: list[Trial], x) -> Curve:
        return Curve(
            name, [x(trial) for trial in chosen], [trial.scores.value("fid") for trial in chosen]
        )

    panels = []
    for title, label, x in (
        ("quality and variety", "recall", lambda t: t.scores.value("recall")),
        ("quality and time", "milliseconds an image", lambda t: 1000 * t.seconds),
    ):
        sign = -1 if label == "recall" else 1  # more recall is better, less time is
        front, least = [], float("inf")
        for trial in sorted(trials, key=lambda t: (sign * x(t), t.scores.value("fid"))):
            if trial.scores.value("fid") < least:
                front.append(trial)
                least = trial.scores.value("fid")
        rest = [trial for trial in trials if trial not in front]
        panels.append(
            Panel(
                title,
                label,
                "FID",
                [
                    points("Pareto front", front, x),
                    *([points("others", rest, x)] if rest else []),
                    points("least FID", [trials[best]], x),
                ],
                scattered=True,
                log_y=far_apart(trials),
            )
        )
    return plot(panels, path, columns=2)
