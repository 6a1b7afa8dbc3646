"""Scores as rows of text, for the terminal (tables.py) and for pages (report).

Each stands with its interval, that of real images, and what is best.
"""

from dataclasses import dataclass

from latent_diffusion.evaluation.scores import ClassFid, Score, Scores

TITLES = {  # name in scores.json: what people read, what is best
    "fid": ("FID", "the floor"),
    "detectability": ("detectability", "0.5"),
    "detectability_texture": ("  by texture", "0.5"),
    "detectability_shapes": ("  by shapes", "0.5"),
    "detectability_layout": ("  by layout", "0.5"),
    "detectability_lines": ("  by lines", "0.5"),
    "detectability_grain": ("  by grain", "0.5"),
    "detectability_decoder": ("  real from reconstructed", "0.5"),
    "detectability_denoiser": ("  reconstructed from samples", "0.5"),
    "fid_infinity": ("FID, N to infinity", "as real"),
    "spatial_fid": ("spatial FID", "the floor"),
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
    """Return the scores that there are, in the order of TITLES, FID with its ratios below it.

    A score without a title comes last, under its own name.
    """
    rows = []
    for name in [*TITLES, *sorted(scores.scores.keys() - TITLES.keys())]:
        score = scores.scores.get(name)
        if score is None:
            continue
        title, best = TITLES.get(name, (name.replace("_", " "), "as real"))
        gain = 1000 if name == "kid" else 1
        real = number(score.real, gain)
        if name in ("fid", "spatial_fid") and score.real is not None:
            real += " (floor)"
        if name == "detectability" and score.real is not None:
            real += " (control)"
        rows.append(
            Row(
                name=name,
                title=title.strip(),
                value=number(score.value, gain),
                interval=interval(score, gain),
                real=real,
                best=best,
                below=title.startswith(" "),
            )
        )
        if name == "fid":
            rows += ratio_rows(scores)
    return rows


def ratio_rows(scores: Scores) -> list[Row]:
    """Return FID divided by its floor and by its matched floor, where there is one."""
    rows = []
    if ratio := scores.fid_over_floor:
        rows.append(Row("fid_over_floor", "FID / floor", number(ratio), "-", "1", "1", True))
    if ratio := scores.fid_over_matched_floor:
        real = f"1 (matched floor {number(scores.matched_floor)})"
        title = "FID / matched floor"
        rows.append(Row("fid_over_matched_floor", title, number(ratio), "-", real, "1", True))
    return rows


def interval(score: Score, gain: float = 1) -> str:
    """Return the 95% interval of a score times `gain`, or "-"."""
    if score.low is None:
        return "-"
    return f"{number(score.low, gain)} .. {number(score.high, gain)}"


def class_rows(scores: Scores) -> list[tuple[str, ...]]:
    """Return class, samples, FID, floor, FID / floor, accuracy; worst first."""

    def badness(item: tuple[str, ClassFid]) -> float:
        return item[1].fid / item[1].floor if item[1].floor else item[1].fid

    accuracy = accuracies(scores)
    return [
        (
            name,
            str(one.n),
            number(one.fid),
            number(one.floor),
            number(one.fid / one.floor if one.floor else None),
            number(accuracy.get(name)),
        )
        for name, one in sorted(scores.class_fid.items(), key=badness, reverse=True)
    ]


def accuracies(scores: Scores) -> dict[str, float]:
    """Return the share of the samples of each class, by name, that the judge sees as such."""
    confusion = scores.confusion or {}
    return {name: seen.get(name, 0) / sum(seen.values()) for name, seen in confusion.items()}


def number(value: float | None, gain: float = 1) -> str:
    """Return a value times `gain` with four figures or so, or "-" for None."""
    if value is None:
        return "-"
    scaled = value * gain
    return f"{scaled:.3f}" if abs(scaled) < 10 else f"{scaled:.2f}"
