"""What a sweep found, as a table, as curves over a setting, and as what is paid for what.

Called by the search; the report draws the same curves into its page.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from latent_diffusion.inspection.plots import Curve, Panel, plot
from latent_diffusion.sampling.config import by_class_spoken
from latent_diffusion.studies.sweep.store import TRIED, Trial

SCORES = {
    "fid": "FID",
    "detectability": "detectability",
    "inception_score": "Inception score",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "sharpness": "sharpness",
}
ON_A_PAGE = ("fid", "accuracy", "precision", "recall")  # of which the report has curves
VARIED = {
    "sampler": "sampler",
    "steps": "steps",
    "guidance": "guidance",
    "guidance_interval": "interval",
    "temperature": "temp.",
    "epsilon_scale": "eps. scale",
    "ema_length": "EMA",
}
AXES = {  # curves go over the first of these settings that varies: what its axis is called
    "guidance": "guidance",
    "temperature": "temperature",
    "epsilon_scale": "epsilon scale",
    "ema_length": "EMA length",
    "steps": "network evaluations",
}
LEFT_ALIGNED = ("", "sampler")


def spoken(trial: Trial, names: Iterable[str] = VARIED) -> str:
    """Return these settings of a trial in words."""
    words = [f"{VARIED[name]} {cell(getattr(trial, name))}" for name in names]
    if trial.class_guidance and "guidance" in names:
        words.append(by_class_spoken(trial.class_guidance))
    return ", ".join(words)


def cell(value: str | float | tuple[float, float]) -> str:
    """Return the value of a setting as text."""
    if isinstance(value, tuple):
        return f"{value[0]:g}-{value[1]:g}"
    return value if isinstance(value, str) else f"{value:g}"


def varying(trials: Sequence[Trial]) -> list[str]:
    """Return the names of the settings in which the trials differ."""
    return [name for name in VARIED if len({getattr(trial, name) for trial in trials}) > 1]


def scores_table(trials: list[Trial], best: int, confirmed: list[Trial]) -> Table:
    """Return a row for each trial, and after a line those with other seeds, the best of them last.

    `best` is the number of the trial that was chosen.
    """
    table = Table(title=f"{confirmed[0].scores.n} samples each")
    varied = varying(trials)
    settings = [VARIED[name] for name in varied]
    scored = ["FID", "/ floor", "/ matched", "told", "IS", "accuracy", "prec.", "recall", "sharp."]
    for column in ["", *settings, "NFE", "ms", *scored]:
        left = column in LEFT_ALIGNED
        least = 3 if column == "NFE" else None  # legible in a narrow terminal, too
        table.add_column(column, justify="left" if left else "right", no_wrap=True, min_width=least)
    chosen = trials[best]
    for number, trial in enumerate(trials):
        mark = "best" if number == best else ""
        add_trial(table, mark, trial, varied, end_section=number == len(trials) - 1)
    for trial in confirmed:
        again = trial.class_guidance == chosen.class_guidance
        add_trial(table, "again" if again else "by class", trial, varied)
    lines = [f"always: {spoken(chosen, [name for name in VARIED if name not in varied])}"]
    for trial in confirmed:
        if trial.class_guidance != chosen.class_guidance:
            by_class = by_class_spoken(trial.class_guidance)
            lines.append(f"by class: {by_class}, the others {trial.guidance:g}")
    lines += [
        "NFE and ms: network evaluations and milliseconds an image; "
        "again: the best with other seeds",
        "told: detectability, 0.5 is best, from the held-out images that are for choices",
        "/ matched: FID over that of held-out images with the samples' own class counts",
    ]
    table.caption = Text("\n".join(lines), justify="center")
    return table


def add_trial(
    table: Table, mark: str, trial: Trial, varied: Sequence[str], end_section: bool = False
) -> None:
    """Add the row of one trial."""
    scores = trial.scores
    fid, *others = (scores.value(name) for name in SCORES)
    ratios = (scores.fid_over_floor, scores.fid_over_matched_floor)
    table.add_row(
        mark,
        *(cell(getattr(trial, name)) for name in varied),
        str(trial.evaluations),
        f"{1000 * trial.seconds:.0f}",
        decimal(fid),
        *(f"{ratio:.2f}" if ratio else "-" for ratio in ratios),
        *(decimal(value) for value in others),
        style="bold" if mark else None,
        end_section=end_section,
    )


def decimal(value: float | None) -> str:
    """Return a score with three digits, a dash where there is none."""
    return "-" if value is None else f"{value:.3f}"


def plot_scores(trials: list[Trial], path: Path) -> Path:
    """Write the curves of all scores as one PNG."""
    return plot(score_panels(trials), path, columns=3)


def score_panels(trials: list[Trial], names: Iterable[str] = SCORES) -> list[Panel]:
    """Return a panel a score, with a curve for each combination of all settings but one.

    Curves go over the first setting of AXES that varies; bars are 95% intervals. Confirmations,
    whose seeds are others, are in none.
    """
    tried = [trial for trial in trials if trial.first_seed == TRIED]
    varied = varying(tried)
    over = next((name for name in AXES if name in varied), "guidance")
    others = [name for name in varied if name != over]
    groups: dict[str, list[Trial]] = {}
    for trial in sorted(tried, key=lambda trial: getattr(trial, over)):
        groups.setdefault(spoken(trial, others) or "samples", []).append(trial)
    panels = []
    for name in names:
        known = [trial for trial in tried if name in trial.scores.scores]
        if not known:
            continue
        real = known[0].scores.scores[name].real
        panels.append(
            Panel(
                SCORES[name],
                AXES[over],
                SCORES[name],
                [score_curve(label, group, name, over) for label, group in groups.items()],
                {"held-out real images": real} if real is not None else {},
                log_x=over == "steps",
                log_y=name == "fid" and far_apart(tried),
            )
        )
    return panels


def score_curve(label: str, trials: Iterable[Trial], name: str, over: str) -> Curve:
    """Return one score of the trials that have it."""
    x, y, error = [], [], []
    for trial in trials:
        score = trial.scores.scores.get(name)
        if not score:
            continue
        x.append(trial.evaluations if over == "steps" else getattr(trial, over))
        y.append(score.value)
        if score.low is None or score.high is None:
            error.append(0.0)
        else:
            error.append((score.high - score.low) / 2)
    return Curve(label, x, y, error)


def far_apart(trials: Sequence[Trial]) -> bool:
    """Return whether the best FIDs could not be told apart on a linear axis."""
    fids = [trial.fid for trial in trials]
    return max(fids) > 10 * max(min(fids), 1e-9)


def plot_pareto(trials: list[Trial], best: int, path: Path) -> Path:
    """Write what is paid for what as one PNG: FID over recall, and over the time of an image."""
    panels = [
        pareto_panel("quality and variety", "recall", trials, best, lambda trial: trial.recall, -1),
        pareto_panel(
            "quality and time",
            "milliseconds an image",
            trials,
            best,
            lambda trial: 1000 * trial.seconds,
            1,
        ),
    ]
    return plot(panels, path, columns=2)


def pareto_panel(
    title: str,
    label: str,
    trials: list[Trial],
    best: int,
    x: Callable[[Trial], float],
    sign: int,
) -> Panel:
    """Return FID over x, of which less is better where the sign is 1, and more where it is -1."""
    front: list[Trial] = []
    for trial in sorted(trials, key=lambda trial: (sign * x(trial), trial.fid)):
        if not front or trial.fid < front[-1].fid:
            front.append(trial)
    groups = {
        "Pareto front": front,
        "others": [trial for trial in trials if trial not in front],
        "least FID": [trials[best]],
    }
    curves = [
        Curve(name, [x(trial) for trial in group], [trial.fid for trial in group])
        for name, group in groups.items()
        if group
    ]
    return Panel(title, label, "FID", curves, log_y=far_apart(trials), scattered=True)
