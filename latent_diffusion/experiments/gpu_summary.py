"""summary.md of the reference job: written anew with every line and every part's time."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from latent_diffusion.experiments.gpu_plan import Measured, fastest
from latent_diffusion.inspection.plots import Curve, Panel, plot
from latent_diffusion.progress import say
from latent_diffusion.run import Part, Run

Found = TypeVar("Found")


class Summary:
    """OUT/summary.md, and the clock of the whole job; `limit` in seconds."""

    def __init__(self, path: Path, title: str, limit: float):
        self.path, self.limit = path, limit
        self.lines = [f"# {title}", ""]
        self.times: dict[str, float] = {}
        self.begun = time.perf_counter()
        path.parent.mkdir(parents=True, exist_ok=True)

    @property
    def elapsed(self) -> float:
        """Return the seconds since the job began."""
        return time.perf_counter() - self.begun

    def fits(self, what: str, seconds: float) -> bool:
        """Return whether so many seconds are left; if not, the summary says what was left out."""
        fitting = self.elapsed + seconds <= self.limit
        if not fitting:
            why = f"as {seconds:.0f} s were not left" if seconds else "as the minutes were spent"
            self.add(f"- {what}: left out, {why}")
        return fitting

    def add(self, *lines: str) -> None:
        """Write some more lines; the table of times stays the last thing."""
        self.lines += lines
        times = {**self.times, "all": self.elapsed}
        table = [f"| {name} | {seconds:.1f} |" for name, seconds in times.items()]
        text = [*self.lines, "", "| part | seconds |", "|---|---|", *table]
        self.path.write_text("\n".join(text) + "\n")

    def clocked(self, name: str, do: Callable[[], Found]) -> Found:
        """Do a part of the job, and note its time."""
        start = time.perf_counter()
        found = do()
        self.times[name] = time.perf_counter() - start
        say(f"{name}: {self.times[name]:.0f} s")
        self.add()
        return found

    def add_steps(self, steps: dict[str, list[Measured]]) -> None:
        """Add a table of the steps that were measured."""
        rows = [
            f"| {name} | {one.training.precision} | {one.training.compile} | "
            f"{1000 * one.seconds:.2f} | {one.images_per_second:.0f} | {one.gflop:.3g} | "
            f"{one.images_per_second * one.gflop:.0f} |"
            for name, found in steps.items()
            for one in found
        ]
        head = "| stage | precision | compile | ms a step | images/s | GFLOP an image | GFLOP/s |"
        self.add(head, "|---|---|---|---|---|---|---|", *rows, "")


def add_trainings(run: Run, summary: Summary) -> None:
    """Add how the trainings ended, and plot their losses."""
    panels = []
    for part in (run.autoencoder, run.classifier, run.diffusion):
        lines = read_log(part)
        last = lines[-1]
        summary.add(
            f"- {part.caption}: {last['step']} steps, {last['images_per_second']:.0f} images/s "
            f"from first to last, loss {last['loss']:.4f}"
        )
        loss = Curve("loss", [line["step"] for line in lines], [line["loss"] for line in lines])
        panels.append(Panel(part.caption, "step", "loss", [loss]))
    plot(panels, summary.path.parent / "curves.png", columns=3)


def read_log(part: Part) -> list[dict[str, float]]:
    """Return the lines of a training's metrics.jsonl."""
    return [json.loads(line) for line in part.metrics_path.read_text().splitlines()]


def shares_of_peak(path: Path, steps: dict[str, list[Measured]]) -> str:
    """Return how near the stages come to the highest arithmetic rate that the benchmark found.

    path: its figures, which are in one precision; stages in another are left out.
    """
    if not path.is_file():
        return ""
    found = json.loads(path.read_text())
    peak = max(row["rate"] for row in found["rows"] if row["section"] == "peak")  # GFLOP/s
    shares = []
    for name, tried in steps.items():
        one = fastest(tried)
        if one.training.precision == found["precision"]:
            shares.append(f"{name} {one.images_per_second * one.gflop / peak:.1%}")
    return (
        f"Share of the peak ({found['precision']}) of the steps measured before training: "
        f"{', '.join(shares)}"
    )
