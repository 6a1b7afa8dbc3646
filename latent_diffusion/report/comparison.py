"""A comparison in tables: for the terminal, and as one HTML page in the look of the report.

Called by `ldm compare`.
"""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from latent_diffusion.evaluation.scores import Score
from latent_diffusion.evaluation.text import Row, number
from latent_diffusion.evaluation.text import score_rows as rows_of_scores
from latent_diffusion.inspection.plots import Panel
from latent_diffusion.report.compare import ABSENT, Comparison, Entry, within
from latent_diffusion.report.curves import LOGGED, training_panels
from latent_diffusion.report.page import environment, versions
from latent_diffusion.run import write_atomic

RECONSTRUCTED = {
    "psnr": "PSNR, dB",
    "ssim": "SSIM",
    "sharpness": "sharpness of reconstructions",
    "rfid": "rFID",
}


def score_rows(found: Comparison) -> list[list[str]]:
    """Return a row a score: its name, a cell a run, what real images have, and the difference.

    The latter says whether runs differ from the first by more than the intervals.
    """
    rows_of_runs = [
        {row.name: row for row in rows_of_scores(entry.scores)} if entry.scores else {}
        for entry in found.entries
    ]
    rows = []
    for name in dict.fromkeys(name for one in rows_of_runs for name in one):
        rows.append(score_row(found, name, [one.get(name) for one in rows_of_runs]))
    return rows + reconstruction_rows(found)


def score_row(found: Comparison, name: str, row_of_run: Sequence[Row | None]) -> list[str]:
    """Return the row of one score of samples, which some run has."""
    known = [row for row in row_of_run if row]
    title = f"{known[0].title}, N = {found.images}" if name == "fid" else known[0].title
    real = " / ".join(dict.fromkeys(row.real for row in known))  # one, where the data are the same
    scores = [entry.scores.scores.get(name) if entry.scores else None for entry in found.entries]
    cells = [score_cell(row) for row in row_of_run]
    return [title, *cells, real, difference(found.entries, scores)]


def score_cell(row: Row | None) -> str:
    """Return a score with its interval, where there is one."""
    if not row:
        return ABSENT
    return row.value if row.interval == "-" else f"{row.value} ({row.interval})"


def reconstruction_rows(found: Comparison) -> list[list[str]]:
    """Return the rows of the scores of reconstructions that some run has."""
    rows = []
    for name, title in RECONSTRUCTED.items():
        cells = [reconstruction_cell(entry, name) for entry in found.entries]
        if set(cells) == {ABSENT}:
            continue
        real = f"{' / '.join(rfid_floors(found))} (floor)" if name == "rfid" else ""
        rows.append([title, *cells, real, "none" if len(set(cells)) == 1 else ""])
    return rows


def rfid_floors(found: Comparison) -> list[str]:
    """Return the floors of rFID, one where all runs have the same."""
    measured = [entry.reconstruction for entry in found.entries if entry.reconstruction]
    return list(dict.fromkeys(number(one.rfid_floor) for one in measured))


def reconstruction_cell(entry: Entry, name: str) -> str:
    """Return one score of reconstructions, rFID with its N."""
    if not entry.reconstruction:
        return ABSENT
    value = getattr(entry.reconstruction, name)
    if value is None:
        return ABSENT
    return f"{number(value)}, N = {entry.reconstruction.n}" if name == "rfid" else number(value)


def difference(entries: Sequence[Entry], scores: Sequence[Score | None]) -> str:
    """Return whether runs differ from the first by more than the intervals explain."""
    known = {
        entry.name: within(scores[0], one)
        for entry, one in zip(entries[1:], scores[1:], strict=True)
    }
    beyond = [name for name, inside in known.items() if inside is False]
    if beyond and len(entries) > 2:
        return f"beyond intervals: {', '.join(beyond)}"
    if beyond:
        return "beyond intervals"
    return "within intervals" if any(known.values()) else ""


def tables(found: Comparison) -> list[Table]:
    """Return the settings that differ, if any, and the scores, for the terminal."""
    names = [entry.name for entry in found.entries]
    scores = Table(title=Text(f"{found.images} samples each, judged by {found.judged_by}"))
    for column in ("score", *names, "real", f"difference to {names[0]}"):
        scores.add_column(Text(column))
    for row in score_rows(found):
        scores.add_row(*(Text(cell) for cell in row))
    scores.caption = Text("\n".join(found.notes))
    if not found.settings:
        return [scores]
    settings = Table(title="settings that differ")
    for column in ("setting", *names):
        settings.add_column(Text(column))
    for name, values in found.settings:
        settings.add_row(Text(name), *(Text(value) for value in values))
    return [settings, scores]


def panels(found: Comparison) -> list[Panel]:
    """Return training curves overlaid, of every network that some run has."""
    shown = []
    for name in LOGGED:
        trainings = {
            entry.name: entry.found.networks[name]
            for entry in found.entries
            if name in entry.found.networks
        }
        if trainings:
            shown += training_panels(name, trainings)
    return shown


def write_page(found: Comparison, out: Path) -> Path:
    """Write the page of a comparison; return its path."""
    facts = found.entries[0].found.facts
    shown = next((list(entry.by_class) for entry in found.entries if entry.by_class), [])
    page = (
        environment()
        .get_template("compare.html.j2")
        .render(
            found=found,
            entries=found.entries,
            names=facts.class_names,
            facts=facts,
            rows=score_rows(found),
            panels=panels(found),
            shown=shown,
            versions=versions(),
        )
    )
    write_atomic(out, page.encode())
    return out
