"""The table of an ablation, in Markdown: a line for each variant, differences seed by seed."""

import statistics
from collections.abc import Sequence
from typing import Any

from latent_diffusion.evaluation.text import number

FEWEST_SEEDS = 3  # with fewer the table does not say whether they agree
MEANS = ("recall", "accuracy", "sharpness", "psnr", "rfid")
Row = dict[str, Any]  # of one variant and one seed


def ablation_table(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Return the table of these variants; differences are to the first one, seed by seed."""
    lines = [
        "| variant | steps | seconds of stage two | FID / floor, each seed | mean | "
        f"to {names[0]} | recall | accuracy | sharpness | PSNR, dB | rFID |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    first = {row["seed"]: row["fid_over_floor"] for row in rows if row["variant"] == names[0]}
    for name in names:
        own = [row for row in rows if row["variant"] == name]
        if own:
            lines.append(variant_line(name, own, {} if name == names[0] else first))
    return "\n".join(lines)


def variant_line(name: str, rows: Sequence[Row], first: dict[int, float]) -> str:
    """Return a variant's line; `first` has the FID / floor of another by seed, to compare with."""
    own = sorted(rows, key=lambda row: row["seed"])
    seconds = [row["seconds"] for row in own if row["seconds"]]
    ratios = [number(row["fid_over_floor"]) for row in own]
    apart = [row["fid_over_floor"] / first[row["seed"]] - 1 for row in own if row["seed"] in first]
    cells = [
        name,
        str(own[0]["steps"]),
        f"{statistics.median(seconds):.0f}" if seconds else "-",
        ", ".join(ratios),
        mean(own, "fid_over_floor"),
        difference(apart),
        *(mean(own, what) for what in MEANS),
    ]
    return f"| {' | '.join(cells)} |"


def mean(rows: Sequence[Row], what: str) -> str:
    """Return the mean of a figure over the seeds, as text."""
    return number(statistics.fmean(row[what] for row in rows))


def difference(apart: Sequence[float]) -> str:
    """Return the mean of the differences seed by seed, and whether all have one sign.

    That is said of three seeds or more.
    """
    if not apart:
        return ""
    if len(apart) < FEWEST_SEEDS:
        verdict = "1 seed" if len(apart) == 1 else f"{len(apart)} seeds"
    elif min(apart) > 0 or max(apart) < 0:
        verdict = "every seed"
    else:
        verdict = "seeds disagree"
    return f"{statistics.fmean(apart):+.0%} ({verdict})"
