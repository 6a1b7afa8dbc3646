"""Scores, grades, audits and reconstructions as tables for the terminal: the one file that shows.

Called by the command line and the demo.
"""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from latent_diffusion.evaluation.audit import RATE, Audit
from latent_diffusion.evaluation.grading import BY_EYE, ESTIMATE, Grade
from latent_diffusion.evaluation.reconstruction import ClassReconstruction, ReconstructionScores
from latent_diffusion.evaluation.scores import Scores
from latent_diffusion.evaluation.text import class_rows, score_rows

MOST_CLASSES = 40  # listed one by one; scores.json has all


def add_columns(table: Table, names: Iterable[str], left: Iterable[str]) -> None:
    """Add columns of these names, those of `left` aligned left and the others right."""
    left = set(left)
    for name in names:
        table.add_column(name, justify="left" if name in left else "right")


def scores_table(scores: Scores) -> Table:
    """Return all scores, one a line, with intervals, those of real images and notes."""
    seen_by = scores.network
    if scores.network == "judge":
        seen_by += f" of {scores.scheme}"
    table = Table(title=f"{scores.n} samples, seen by {seen_by}")
    add_columns(
        table, ("score", "samples", "95% interval", f"real, N={scores.n}", "best"), left=("score",)
    )
    table.columns[0].no_wrap = True
    for row in score_rows(scores):
        title = f"  {row.title}" if row.below else row.title
        table.add_row(title, row.value, row.interval, row.real, row.best)
    lines = []
    if scores.network != "none":
        lines.append(f"compared with {scores.reference}")
    if scores.detected:
        lines.append(f"{scores.detected} of either kind told apart by {scores.detector}")
    if scores.counts:
        lines.append(f"seen as: {named(f'{name} {n}' for name, n in scores.counts.items())}")
    if scores.low_classes:
        lines.append(f"LOW: {named(scores.low_classes)}")
    table.caption = Text("\n".join(lines + scores.notes))
    return table


def class_scores_table(scores: Scores) -> Table:
    """Return FID class by class, worst first."""
    table = Table(title="class by class")
    names = ("class", "samples", "FID", "floor", "FID / floor", "accuracy")
    add_columns(table, names, left=("class",))
    rows = class_rows(scores)
    for row in rows[:MOST_CLASSES]:
        table.add_row(*(Text(cell) for cell in row))
    if len(rows) > MOST_CLASSES:
        table.caption = f"and {len(rows) - MOST_CLASSES} better ones (all in scores.json)"
    return table


def named(classes: Iterable[str]) -> str:
    """Return what is said of classes one after the other, of the first MOST_CLASSES only."""
    said = list(classes)
    more = f", … of {len(said)} (all in scores.json)" if len(said) > MOST_CLASSES else ""
    return ", ".join(said[:MOST_CLASSES]) + more


def grade_table(grade: Grade) -> Table:
    """Return the points part by part, and how far judges differ."""
    table = Table(title=f"{grade.rubric}: {grade.n} images")
    add_columns(table, ("part", "points", "of", "how"), left=("part", "how"))
    for part in grade.parts:
        if part.detail == BY_EYE:
            points = BY_EYE
        else:
            points = "unknown" if part.points is None else f"{part.points:.1f}"
        table.add_row(part.name, points, f"{part.possible:g}", part.detail)
    estimated = any(part.detail.startswith(ESTIMATE) for part in grade.parts)
    known = "known or estimated" if estimated else "known"
    table.add_row(known, f"{grade.points:.1f}", f"{grade.possible:g}", "")
    table.caption = "\n".join(grade.notes + spread_lines(grade))
    return table


def spread_lines(grade: Grade) -> list[str]:
    """Return for each part on which several judges have a say what they say, as a line."""
    if len(grade.judges) < 2:
        return []
    lines = []
    for name in next(iter(grade.judges.values())):
        by_judge = (points[name] for points in grade.judges.values())
        values = [value for value in by_judge if value is not None]
        if len(values) > 1:
            listed = ", ".join(f"{value:.1f}" for value in values)
            lines.append(
                f"{name} by {len(values)} judges: {listed} "
                f"(they differ by up to {max(values) - min(values):.1f} points)"
            )
    return lines


def audit_table(audit: Audit) -> Table:
    """Return the share of near copies by each distance, beside that of held-out images."""
    table = Table(title=f"memorisation: {audit.n} samples beside {audit.train} training images")
    names = (
        "distance",
        "identical",
        "near copies",
        "95% interval",
        "of held-out images",
        "verdict",
    )
    add_columns(table, names, left=("distance", "verdict"))
    for name, finding in audit.findings.items():
        table.add_row(
            name,
            str(finding.identical),
            f"{finding.share:.2%}",
            f"{finding.low:.2%} .. {finding.high:.2%}",
            f"{finding.rate:.2%} ({finding.rate_low:.2%} .. {finding.rate_high:.2%})",
            "copies" if finding.copied else "no more than among held-out images",
        )
    table.caption = (
        f"near: closer to a training image than all but {RATE:.0%} "
        f"of {audit.held_out} held-out images"
    )
    return table


def reconstruction_table(scores: ReconstructionScores) -> Table:
    """Return the scores of all reconstructions, one a line."""
    table = Table(title=f"reconstruction of {scores.n} images")
    add_columns(table, ("score", "value", "best"), left=("score",))
    table.add_row("PSNR, dB", f"{scores.psnr:.2f}", "high")
    table.add_row("SSIM", f"{scores.ssim:.4f}", "1")
    table.add_row("sharpness", f"{scores.sharpness:.3f}", "1")
    lpips = "no weights here" if scores.lpips is None else f"{scores.lpips:.4f}"
    table.add_row("LPIPS (VGG)", lpips, "0")
    if scores.rfid is not None:
        ratio = f" ({scores.rfid / scores.rfid_floor:.2f} x floor)" if scores.rfid_floor else ""
        table.add_row(
            "rFID (judge)", f"{scores.rfid:.3f}{ratio}", f"{scores.rfid_floor:.3f} (floor)"
        )
    return table


def class_reconstruction_table(classes: dict[str, ClassReconstruction]) -> Table:
    """Return one line a class, in the order given, at most MOST_CLASSES.

    rFID only where there is one.
    """
    judged = any(scores.rfid is not None for scores in classes.values())
    hidden = len(classes) - MOST_CLASSES
    table = Table(
        title="by class, lowest PSNR first",
        caption=f"{hidden} more in scores.json" if hidden > 0 else None,
    )
    names = ["class", "n", "PSNR, dB", "SSIM", "sharpness"]
    if judged:
        names += ["rFID", "floor"]
    add_columns(table, names, left=("class",))
    table.columns[0].no_wrap = True
    for name, scores in list(classes.items())[:MOST_CLASSES]:
        cells = [
            name,
            str(scores.n),
            f"{scores.psnr:.2f}",
            f"{scores.ssim:.4f}",
            f"{scores.sharpness:.3f}",
        ]
        if scores.rfid is not None:
            cells += [f"{scores.rfid:.3f}", f"{scores.rfid_floor:.3f}"]
        table.add_row(*(Text(cell) for cell in cells))
    return table
