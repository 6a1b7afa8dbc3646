"""A comparison in tables: for the terminal, and as one HTML page in the look of the report."""

from pathlib import Path

from rich.table import Table
from rich.text import Text

from latent_diffusion.evaluation import text
from latent_diffusion.evaluation.text import number
from latent_diffusion.inspection.plots import Panel
from latent_diffusion.report.compare import ABSENT, Comparison, Entry, within
from latent_diffusion.report.curves import SHOWN, training_panels
from latent_diffusion.report.page import environment, versions
from latent_diffusion.run import write_atomic

RECONSTRUCTED = {
    "psnr": "PSNR, dB",
    "ssim": "SSIM",
    "sharpness": "sharpness of reconstructions",
    "rfid": "rFID",
}


def score_rows(found: Comparison) -> list[list[str]]:
    """Score, one cell a run, what real images have, and whether the runs differ by more than the intervals."""
    found_rows = [
        {row.name: row for row in text.score_rows(entry.scores)} if entry.scores else {}
        for entry in found.entries
    ]
    rows = []
    for name in dict.fromkeys(name for one in found_rows for name in one):
        here = [one.get(name) for one in found_rows]
        known = [row for row in here if row]
        cells = [
            ABSENT
            if not row
            else row.value
            if row.interval == "-"
            else f"{row.value} ({row.interval})"
            for row in here
        ]
        rows.append(
            [
                f"{known[0].title}, N = {found.images}" if name == "fid" else known[0].title,
                *cells,
                " / ".join(
                    dict.fromkeys(row.real for row in known)
                ),  # one, where the data are the same
                difference(
                    found.entries,
                    [
                        entry.scores.scores.get(name) if entry.scores else None
                        for entry in found.entries
                    ],
                ),
            ]
        )
    for name, title in RECONSTRUCTED.items():
        cells = [reconstruction_cell(entry, name) for entry in found.entries]
        if set(cells) != {ABSENT}:
            floors = dict.fromkeys(
                number(entry.reconstruction.rfid_floor)
                for entry in found.entries
                if entry.reconstruction
            )
            rows.append(
                [
                    title,
                    *cells,
                    f"{' / '.join(floors)} (floor)" if name == "rfid" else "",
                    "none" if len(set(cells)) == 1 else "",
                ]
            )
    return rows


def reconstruction_cell(entry: Entry, name: str) -> str:
    value = getattr(entry.reconstruction, name) if entry.reconstruction else None
    if value is None:
        return ABSENT
    return f"{number(value)}, N = {entry.reconstruction.n}" if name == "rfid" else number(value)


def difference(entries: list[Entry], scores: list) -> str:
    """Of each run to the first."""
    known = {entry.name: within(scores[0], one) for entry, one in zip(entries[1:], scores[1:])}
    beyond = [name for name, inside in known.items() if inside is False]
    if beyond:
        return "beyond intervals" + (f": {', '.join(beyond)}" if len(entries) > 2 else "")
    return "within intervals" if any(known.values()) else ""


def tables(found: Comparison) -> list[Table]:
    """Settings that differ, and scores."""
    names = [entry.name for entry in found.entries]
    settings = Table(title="settings that differ" if found.settings else "no setting differs")
    for column in ("setting", *names):
        settings.add_column(Text(column))
    for name, values in found.settings:
        settings.add_row(Text(name), *(Text(value) for value in values))
    scores = Table(title=Text(f"{found.images} samples each, judged by {found.judged_by}"))
    for column in ("score", *names, "real", f"difference to {names[0]}"):
        scores.add_column(Text(column))
    for row in score_rows(found):
        scores.add_row(*(Text(cell) for cell in row))
    scores.caption = Text("\n".join(found.notes))
    return [settings, scores] if found.settings else [scores]


def panels(found: Comparison) -> list[Panel]:
    """Training curves overlaid, of every network that some run has."""
    shown = []
    for name in SHOWN:
        if trainings := {
            entry.name: entry.found.networks[name]
            for entry in found.entries
            if name in entry.found.networks
        }:
            shown += training_panels(name, trainings)
    return shown


def write_page(found: Comparison, out: Path) -> Path:
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
