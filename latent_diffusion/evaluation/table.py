"""Scores as rows of text, for the terminal and for pages: each with its interval, that of real images, and what is best."""

from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from latent_diffusion.evaluation.scores import Score, Scores

ROWS = {  # name in scores.json: what people read, what is best
    "fid": ("FID", "the floor"),
    "fid_infinity": ("FID, N to infinity", "as real"),
    "kid": ("KID x 1000", "0"),
    "inception_score": ("Inception score", "as real"),
    "inception_score_10_splits": ("  mean of 10 splits", "as real"),
    "marginal_entropy": ("  H(y), nats", "high"),
    "conditional_entropy": ("  H(y|x), nats", "low"),
    "precision": ("precision", "as real"),
    "recall": ("recall", "as real"),
    "density": ("density", "as real"),
    "coverage": ("coverage", "as real"),
    "class_coverage": ("class coverage", "1"),
    "class_share": ("  classes not LOW", "1"),
    "accuracy": ("conditional accuracy", "as real"),
    "sharpness": ("sharpness", "1"),
    "lpips_diversity": ("LPIPS within class", "as real"),
}


@dataclass(frozen=True)
class Row:
    """One score in text; `below` for a figure that belongs to the one above it."""

    name: str
    title: str
    value: str
    interval: str
    real: str
    best: str
    below: bool = False


def score_rows(scores: Scores) -> list[Row]:
    rows = []
    for name, (title, best) in ROWS.items():
        if not (score := scores.scores.get(name)):
            continue
        gain = 1000 if name == "kid" else 1
        real = number(score.real, gain) + (
            " (floor)" if name == "fid" and score.real is not None else ""
        )
        rows.append(
            Row(
                name,
                title.strip(),
                number(score.value, gain),
                ends(score, gain),
                real,
                best,
                title.startswith(" "),
            )
        )
        if name == "fid" and scores.fid_over_floor:
            rows.append(
                Row(
                    "fid_over_floor",
                    "FID / floor",
                    number(scores.fid_over_floor),
                    "-",
                    "1",
                    "1",
                    True,
                )
            )
        if name == "fid" and scores.fid_over_matched_floor:
            rows.append(
                Row(
                    "fid_over_matched_floor",
                    "FID / matched floor",
                    number(scores.fid_over_matched_floor),
                    "-",
                    f"1 (matched floor {number(scores.matched_floor)})",
                    "1",
                    True,
                )
            )
    return rows


def ends(score: Score, gain: float = 1) -> str:
    return (
        f"{number(score.low, gain)} .. {number(score.high, gain)}" if score.low is not None else "-"
    )


def table(scores: Scores) -> Table:
    shown = Table(title=f"{scores.n} samples, seen by {scores.network}")
    for column in ("score", "samples", "95% interval", f"real, N={scores.n}", "best"):
        shown.add_column(
            column, justify="left" if column == "score" else "right", no_wrap=column == "score"
        )
    for row in score_rows(scores):
        shown.add_row("  " * row.below + row.title, row.value, row.interval, row.real, row.best)
    lines = [f"compared with {scores.reference}"] if scores.network != "none" else []
    if scores.counts:
        lines.append(
            "seen as: " + ", ".join(f"{name} {count}" for name, count in scores.counts.items())
        )
    if scores.low_classes:
        lines.append(f"LOW: {', '.join(scores.low_classes)}")
    shown.caption = Text("\n".join(lines + scores.notes))
    return shown


def class_table(scores: Scores) -> Table:
    """FID class by class, worst first."""
    shown = Table(title="class by class")
    for column in ("class", "samples", "FID", "floor", "FID / floor", "accuracy"):
        shown.add_column(column, justify="left" if column == "class" else "right")
    for row in class_rows(scores):
        shown.add_row(*map(Text, row))
    return shown


def class_rows(scores: Scores) -> list[tuple[str, ...]]:
    """Class, samples, FID, floor, FID / floor, accuracy; worst first."""
    right = accuracies(scores)
    by_ratio = sorted(
        scores.class_fid.items(),
        key=lambda item: -(item[1].fid / item[1].floor if item[1].floor else item[1].fid),
    )
    return [
        (
            name,
            str(one.n),
            number(one.fid),
            number(one.floor),
            number(one.fid / one.floor if one.floor else None),
            number(right.get(name)),
        )
        for name, one in by_ratio
    ]


def accuracies(scores: Scores) -> dict[str, float]:
    """By class asked for."""
    return {
        name: row[label] / sum(row)
        for label, (name, row) in enumerate(zip(scores.counts, scores.confusion or []))
        if sum(row)
    }


def number(value: float | None, gain: float = 1) -> str:
    if value is None:
        return "-"
    return f"{value * gain:.3f}" if abs(value * gain) < 10 else f"{value * gain:.2f}"
