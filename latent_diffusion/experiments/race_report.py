"""The race's table and picture: race.md and race.png of what there is."""

from collections.abc import Iterable
from typing import Any

from latent_diffusion.evaluation.text import number
from latent_diffusion.experiments.race_turn import Race
from latent_diffusion.inspection.plots import Curve, Panel, plot
from latent_diffusion.run import write_atomic

HEADING = (
    "| system | parameters | minutes | images | N | FID (floor) | accuracy (real) | "
    "sharpness (real) | FID / floor | matched floor | drawing |"
)


def report(race: Race, order: Iterable[str]) -> str:
    """Write race.md and race.png, and return the table; `order`: of the systems."""
    shown = {name: race.systems[name] for name in order if name in race.systems}
    if not shown:
        return "no system was raced"
    facts = race.facts
    lines = [
        f"{facts['machine']}, {race.precision}, {facts['minutes']:g} minutes of training each; "
        f"{race.data.info.source}",
        "",
        HEADING,
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, system in shown.items():
        lines += [table_line(name, system["parameters"], row) for row in system["rows"]]
    lines += ["", *(f"- {name}: {system['how']}" for name, system in shown.items())]
    plot(panels(shown, facts["n"]), race.out / "race.png")
    write_atomic(race.out / "race.md", ("\n".join(lines) + "\n").encode())
    return "\n".join(lines)


def table_line(name: str, parameters: int, row: dict[str, Any]) -> str:
    """Return a line of the table in Markdown."""
    beside_real = [
        f"{number(row[what])} ({number(row[f'{what}_real'])})"
        for what in ("fid", "accuracy", "sharpness")
    ]
    cells = [
        name,
        f"{parameters / 1e6:.2f}M",
        f"{row['minutes']:.2f}",
        f"{row['images']:,}",
        str(row["n"]),
        *beside_real,
        number(row["fid_over_floor"]),
        number(row.get("matched_floor")),
        f"{row['sampling_seconds']:.1f} s",
    ]
    return f"| {' | '.join(cells)} |"


def panels(systems: dict[str, dict[str, Any]], n: int) -> list[Panel]:
    """Return the curves of the systems over minutes of training.

    A system that drew fewer than `n` images has none: FID / floor depends on how many.
    """
    real = {row["n"]: row["accuracy_real"] for one in systems.values() for row in one["rows"]}
    x_label = "minutes of training"
    distance = Panel("FID / floor", x_label, "FID / floor", [], {"real images": 1.0}, log_y=True)
    levels = {"real images": real[max(real)]}
    accuracy = Panel("accuracy", x_label, "share seen as the class asked for", [], levels)
    for name, system in systems.items():
        rows = [row for row in system["rows"] if row["n"] == n and row["fid_over_floor"]]
        if not rows:
            continue
        minutes = [row["minutes"] for row in rows]
        distance.curves.append(Curve(name, minutes, [row["fid_over_floor"] for row in rows]))
        accuracy.curves.append(Curve(name, minutes, [row["accuracy"] for row in rows]))
    return [distance, accuracy]
