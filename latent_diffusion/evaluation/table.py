"""The score table for the terminal: each score with its interval, beside that of real images, and what is best."""

from rich.table import Table

from latent_diffusion.evaluation.scores import Scores

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


def table(scores: Scores) -> Table:
    shown = Table(title=f"{scores.n} samples, seen by {scores.network}")
    for column in ("score", "samples", "95% interval", f"real, N={scores.n}", "best"):
        shown.add_column(column, justify="left" if column == "score" else "right", no_wrap=column == "score")
    for name, (title, best) in ROWS.items():
        if name not in scores.scores:
            continue
        score, gain = scores.scores[name], 1000 if name == "kid" else 1
        ends = f"{number(score.low, gain)} .. {number(score.high, gain)}" if score.low is not None else "-"
        real = number(score.real, gain) + (" (floor)" if name == "fid" and score.real is not None else "")
        shown.add_row(title, number(score.value, gain), ends, real, best)
        if name == "fid" and scores.fid_over_floor:
            shown.add_row("FID / floor", number(scores.fid_over_floor), "-", "1", "1")
        if name == "fid" and scores.fid_over_matched_floor:
            shown.add_row("FID / matched floor", number(scores.fid_over_matched_floor), "-", f"1 ({number(scores.matched_floor)})", "1")
    lines = [f"compared with {scores.reference}"] if scores.network != "none" else []
    if scores.counts:
        lines.append("seen as: " + ", ".join(f"{name} {count}" for name, count in scores.counts.items()))
    if scores.low_classes:
        lines.append(f"LOW: {', '.join(scores.low_classes)}")
    shown.caption = "\n".join(lines + scores.notes)
    return shown


def class_table(scores: Scores) -> Table:
    """FID class by class, worst first."""
    shown = Table(title="class by class")
    for column in ("class", "samples", "FID", "floor", "FID / floor", "accuracy"):
        shown.add_column(column, justify="left" if column == "class" else "right")
    names = list(scores.counts)
    right = {name: row[i] / sum(row) for i, (name, row) in enumerate(zip(names, scores.confusion)) if sum(row)}
    for name, one in sorted(scores.class_fid.items(), key=lambda item: -(item[1].fid / item[1].floor if item[1].floor else item[1].fid)):
        ratio = one.fid / one.floor if one.floor else None
        shown.add_row(name, str(one.n), number(one.fid), number(one.floor), number(ratio), number(right.get(name)))
    return shown


def number(value: float | None, gain: float = 1) -> str:
    if value is None:
        return "-"
    return f"{value * gain:.3f}" if abs(value * gain) < 10 else f"{value * gain:.2f}"
