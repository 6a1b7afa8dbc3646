"""The search of a sweep: every combination tried on some seeds, the best confirmed on others.

Every trial is written when it ends, so that an interrupted sweep goes on, and a later one tries
only what is new. Called by `ldm sweep` and by reports that are asked for one.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from rich.table import Table

from latent_diffusion.data.reference import Reference
from latent_diffusion.evaluation.detected import add_detectability, choosing_detector
from latent_diffusion.evaluation.detector import SEEN_BY, Detector
from latent_diffusion.evaluation.features import look
from latent_diffusion.evaluation.judge import Judge, judge_statistics
from latent_diffusion.evaluation.references import ReferenceStatistics
from latent_diffusion.evaluation.sampled import labels_in_proportion, sample_in_proportion
from latent_diffusion.evaluation.scoring import score
from latent_diffusion.evaluation.targets import choose_target
from latent_diffusion.lock import locked
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import Progress, say
from latent_diffusion.run import Run
from latent_diffusion.sampling.config import SamplingConfig, by_class_spoken
from latent_diffusion.studies.by_class import best_by_class
from latent_diffusion.studies.sweep.show import VARIED, plot_pareto, plot_scores, scores_table
from latent_diffusion.studies.sweep.store import (
    CONFIRMED,
    SWEEP_FILE,
    TRIED,
    Trial,
    features_path,
    keep_features_of,
    read_features,
    read_trials,
    write_features,
    write_trials,
)

By = Literal["fid", "detectability"]
GUIDANCE = (1.0, 1.25, 1.5, 2.0, 3.0, 4.0)  # what is tried where nothing is named


class Plan(NamedTuple):
    """A setting to be tried: the networks, with one EMA of the weights, and how they sample."""

    pipe: Pipeline
    config: SamplingConfig

    def by_class(self, class_guidance: dict[str, float]) -> "Plan":
        """Return this plan with a guidance of their own for some classes, by name."""
        return Plan(self.pipe, self.config.model_copy(update={"class_guidance": class_guidance}))


@dataclass
class Search:
    """Scores settings by one judge, with as many images each, and keeps what it finds in `folder`.

    `detector` has the held-out images that are for choices, `known` are the trials that need not be
    made again.
    """

    reference: Reference
    judge: Judge
    against: ReferenceStatistics
    images: int
    folder: Path
    progress: Progress
    known: list[Trial]
    detector: Detector | None

    def attempt(self, plan: Plan, first_seed: int) -> Trial:
        """Return the trial of this setting: the known one, or one that is made and written now.

        Of those on the seeds of the search the features are kept as well.
        """
        setting = setting_of(plan, first_seed)
        for trial in self.known:
            if all(getattr(trial, name) == value for name, value in setting.items()):
                self.progress.advance(self.images)
                return trial

        def sample(seeds: Sequence[int], labels: Sequence[int]) -> np.ndarray:
            return plan.pipe.generate(seeds, labels, plan.config, self.progress.advance)

        began = time.perf_counter()
        samples = sample_in_proportion(sample, plan.pipe.facts, self.images, first_seed, "a sweep")
        seconds = time.perf_counter() - began
        scores = score(self.reference, samples, self.judge, self.against, title=None)
        if self.detector:
            add_detectability(scores, self.detector, samples, plan.pipe.facts.class_names)
        trial = Trial(
            **setting,
            evaluations=plan.config.evaluations,
            seconds=seconds / self.images,
            scores=scores,
        )
        if first_seed == TRIED:
            seen = look(self.judge, samples.batches(), self.images, self.images, title=None)
            write_features(trial, self.folder, seen.features)
        self.known.append(trial)
        write_trials(self.folder, self.known)
        return trial

    def by_class(self, best: Plan, rivals: list[Trial]) -> Plan:
        """Return the best plan, with a guidance for each class that does better with another.

        `rivals` are the trials that differ from the best in guidance alone, and the best itself.
        """
        pipe, config = best
        seeds = range(TRIED, TRIED + self.images)
        labels = np.array(labels_in_proportion(pipe.facts, seeds))
        against = choose_target(labels, self.reference, self.against).statistics
        features = {trial.guidance: read_features(trial, self.folder) for trial in rivals}
        chosen, fid = best_by_class(features, labels, against, config.guidance)
        scales = dict(zip(pipe.facts.class_names, chosen, strict=True))
        others = {name: scale for name, scale in scales.items() if scale != config.guidance}
        if others:
            say(f"by class: FID {fid:.3f} on the seeds tried")
        else:
            say("by class: no class does better with another guidance")
        return best.by_class(others)


def setting_of(plan: Plan, first_seed: int) -> dict[str, Any]:
    """Return what tells the trial of this plan from others, by the names of Trial's fields."""
    varied = [name for name in VARIED if name != "ema_length"]
    setting = {name: getattr(plan.config, name) for name in ("class_guidance", *varied)}
    return {
        **setting,
        "ema_length": plan.pipe.ema_length,
        "first_seed": first_seed,
        "run": plan.pipe.checksum,
    }


def sweep(
    run: Run,
    folder: Path,
    settings: Mapping[str, Sequence],
    ema_lengths: Sequence[float],
    images: int,
    device: str,
    apply: bool = False,
    by_class: bool = False,
    by: By = "fid",
    told: bool = True,
) -> tuple[Table, list[Path]]:
    """Score `images` samples of every combination; the best, by one score, with other seeds again.

    Combined are `settings` (names of SamplingConfig; GUIDANCE where there are none) and EMAs of the
    weights. `by_class` also chooses among the guidances tried (GUIDANCE where none are named) one
    for each class, all else being that of the best, and scores that with the other seeds, too.
    `apply` makes it how the run samples from now on; of the two that were scored with other seeds
    the better one. The best has the least `by`; detectability is that from the held-out images that
    are for choices. Return the table and the plots that were written to `folder`. Raise ValueError
    for settings that cannot be, and where there are too few pictures for a detectability.
    """
    if "guidance" not in settings and (by_class or not (settings or ema_lengths)):
        settings = {"guidance": GUIDANCE, **settings}
    if by_class and len(set(settings["guidance"])) < 2:
        raise ValueError("--by-class chooses among the values of --guidance: give two or more")
    if by_class and by != "fid":
        raise ValueError("--by-class goes by FID: leave out --by, or --by-class")
    plans = combined(run, settings, ema_lengths, device)
    judge = Judge.load(run, plans[0].pipe.device)
    known = still_good(folder, images, judge, by_class, by)
    with Progress("sweeping", (len(plans) + 1 + by_class) * images) as progress:
        against = judge_statistics(run, judge)
        reference = Reference.open(run)
        detector = choosing_detector(judge, reference) if told or by == "detectability" else None
        search = Search(reference, judge, against, images, folder, progress, known, detector)
        tried = [search.attempt(plans[0], TRIED)]
        badness(tried[0], by)  # refuses before the others are drawn
        tried += [search.attempt(plan, TRIED) for plan in plans[1:]]
        best = min(range(len(tried)), key=lambda number: badness(tried[number], by))
        finalists = [plans[best]]
        if by_class:
            rivals = [tried[number] for number in differing_in_guidance(plans, best)]
            mixed = search.by_class(plans[best], rivals)
            if mixed == plans[best]:
                progress.advance(images)
            else:
                finalists.insert(0, mixed)
        confirmed = [search.attempt(plan, CONFIRMED) for plan in finalists]
    confirmed.sort(key=lambda trial: -badness(trial, by))
    write_trials(folder, [*tried, *confirmed])
    keep_features_of(tried, folder)
    if apply:
        adopt(run, plans[best].by_class(confirmed[-1].class_guidance))
    plots = [
        plot_scores(tried, folder / "sweep.png"),
        plot_pareto(tried, best, folder / "pareto.png"),
    ]
    return scores_table(tried, best, confirmed), plots


def badness(trial: Trial, by: By) -> float:
    """Return the score of a trial that is to be least; raise ValueError where it has none."""
    value = trial.scores.value(by)
    if value is None:
        raise ValueError(
            f"no {by} to go by: {'; '.join(trial.scores.notes) or 'the judge has no layers'}"
        )
    return value


def combined(
    run: Run, settings: Mapping[str, Sequence], ema_lengths: Sequence[float], device: str
) -> list[Plan]:
    """Return a plan for each combination; ValueError for what cannot be."""
    lengths: list[float | None] = [*dict.fromkeys(ema_lengths)] or [None]
    pipes = [Pipeline.from_run(run.folder, device, ema_length=length) for length in lengths]
    plans = []
    for pipe in pipes:
        for values in product(*settings.values()):
            given = dict(zip(settings, values, strict=True))
            plans.append(Plan(pipe, pipe.configured(**given)))
    own = pipes[0].sampling.class_guidance
    if own and "guidance" in settings:
        say(
            "the guidance tried is for all classes, in place of the run's own by class "
            f"({by_class_spoken(own)})"
        )
    return plans


def still_good(folder: Path, images: int, judge: Judge, by_class: bool, by: By) -> list[Trial]:
    """Return the trials that an earlier sweep left: of as many images, scored by the same judge.

    They must have the score to go by, a detectability of today's detector, and for a choice by
    class their features as well.
    """
    known = []
    for trial in read_trials(folder):
        if trial.scores.n != images or trial.scores.identity != judge.identity:
            continue
        if trial.scores.value(by) is None:
            continue
        if by == "detectability" and trial.scores.detector != SEEN_BY:
            continue
        if by_class and trial.first_seed == TRIED and not features_path(trial, folder).is_file():
            continue
        known.append(trial)
    if known:
        say(
            f"{folder / SWEEP_FILE} has {len(known)} settings with {images} samples already: "
            "those among them are not tried again"
        )
    return known


def differing_in_guidance(plans: list[Plan], best: int) -> list[int]:
    """Return the numbers of the plans that are like the best but for their guidance."""
    pipe, config = plans[best]
    return [
        number
        for number, plan in enumerate(plans)
        if plan.pipe is pipe
        and plan.config.model_copy(update={"guidance": config.guidance}) == config
    ]


def adopt(run: Run, plan: Plan) -> None:
    """Make this setting, and its EMA of the weights, the one that the run samples with."""
    with locked(run.lock_path):
        recorded = run.diffusion.read_config()
        former = recorded["sampling"].get("last_of_few", "auto")  # which a pipeline resolves
        recorded["sampling"] = plan.config.model_dump(mode="json") | {"last_of_few": former}
        recorded["ema_length"] = plan.pipe.ema_length
        run.diffusion.write_config(recorded)
