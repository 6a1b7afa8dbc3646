"""Which guidance, number of steps and sampler are best for a run: tried on one set of seeds, confirmed on another."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ValidationError
from rich.table import Table

from latent_diffusion.config import explain
from latent_diffusion.data.reference import Reference
from latent_diffusion.evaluation.judge import Judge, judge_statistics
from latent_diffusion.evaluation.scores import Scores, score
from latent_diffusion.evaluation.sources import ImageSource
from latent_diffusion.inspection.plots import Curve, Panel, plot
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import Progress
from latent_diffusion.run import Run, write_json
from latent_diffusion.sampling.plan import follow

BATCH = 100
SHOWN = {"fid": "FID", "inception_score": "Inception score", "accuracy": "accuracy", "precision": "precision", "recall": "recall",
         "sharpness": "sharpness"}


class Trial(BaseModel):
    """One setting: network evaluations a sample (both predictions of guidance together count as one), scores."""

    sampler: str
    steps: int
    guidance: float
    evaluations: int
    first_seed: int
    scores: Scores


def sweep(run: Run, out: Path, guidance: Sequence[float], steps: Sequence[int], samplers: Sequence[str], images: int,
          device: str) -> tuple[Table, Path]:
    """Score `images` samples of every combination; the one of the least FID again with as many other seeds."""
    pipe = Pipeline.from_run(run.folder, device)
    reference, judge = Reference.open(run), Judge.load(run, pipe.device)
    against = judge_statistics(run, judge)
    try:
        settings = [pipe.configured(sampler=a, steps=b, guidance=c) for a, b, c in product(samplers, steps, guidance)]
    except ValidationError as error:
        raise ValueError(explain(error, "ldm sweep")) from None
    trials: list[Trial] = []
    with Progress("sweeping", (len(settings) + 1) * images) as progress:
        def attempt(config, first_seed: int) -> Trial:
            seeds = range(first_seed, first_seed + images)
            labels = follow(seeds, range(pipe.facts.num_classes), pipe.facts.histogram)
            parts = []
            for start in range(0, images, BATCH):
                parts.append(pipe.generate(seeds[start:start + BATCH], labels[start:start + BATCH], config))
                progress.advance(len(parts[-1]))
            drawn, names = np.concatenate(parts), pipe.facts.class_names
            source = ImageSource("a sweep", images, drawn.shape[1], lambda rows: drawn[rows], [names[label] for label in labels])
            calls = 2 * config.steps - 1 if config.sampler == "heun" else config.steps
            return Trial(sampler=config.sampler, steps=config.steps, guidance=config.guidance, evaluations=calls,
                         first_seed=first_seed, scores=score(reference, source, judge, against, title=None))

        for config in settings:
            trials.append(attempt(config, 1))
        best = min(range(len(trials)), key=lambda i: trials[i].scores.value("fid"))
        confirmed = attempt(settings[best], 1 + images)
    write_json(out / "sweep.json", [trial.model_dump() for trial in [*trials, confirmed]])
    return table(trials, best, confirmed), draw(trials, out / "sweep.png")


def table(trials: list[Trial], best: int, confirmed: Trial) -> Table:
    n = confirmed.scores.n
    shown = Table(title=f"{n} samples each")
    for column in ("", "sampler", "steps", "guidance", "FID", "/ floor", "IS", "accuracy", "prec.", "recall", "sharp."):
        shown.add_column(column, justify="left" if column in ("", "sampler") else "right", no_wrap=True)
    for number, trial in enumerate([*trials, confirmed]):
        ratio = trial.scores.fid_over_floor
        mark = {best: "best", len(trials): "again"}.get(number, "")
        values = [trial.scores.value(name) for name in SHOWN]
        cells = [f"{value:.3f}" if value is not None else "-" for value in values]
        shown.add_row(mark, trial.sampler, str(trial.steps), f"{trial.guidance:g}", cells[0], f"{ratio:.2f}" if ratio else "-",
                      *cells[1:], style="bold" if mark else None, end_section=number == len(trials) - 1)
    shown.caption = "again: the best with other seeds"
    return shown


def draw(trials: list[Trial], path: Path) -> Path:
    """Scores over guidance, or over network evaluations where guidance is one."""
    over = "guidance" if len({trial.guidance for trial in trials}) > 1 else "evaluations"
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(f"{trial.sampler}, {trial.steps} steps" if over == "guidance" else trial.sampler, []).append(trial)
    label = "guidance" if over == "guidance" else "network evaluations"
    panels = [Panel(title, label, title, [
        Curve(name, [getattr(t, over) for t in group], [t.scores.value(score) for t in group]) for name, group in groups.items()],
        log_x=over == "evaluations") for score, title in SHOWN.items()]
    return plot(panels, path, columns=3)
