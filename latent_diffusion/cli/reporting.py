"""Commands that gather: report, compare."""

from pathlib import Path
from typing import Annotated

import typer

from latent_diffusion.cli.common import app
from latent_diffusion.cli.options import Device, ExistingRun, Fast
from latent_diffusion.progress import console, say

ReportPage = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="The page to write; RUN/report.html, with --fast report-fast.html.",
        show_default=False,
    ),
]
ScoredImages = Annotated[
    int | None,
    typer.Option(
        "--images",
        min=20,
        help="Samples to draw and score; 200, or as many as there are held-out images.",
        show_default=False,
    ),
]
RunData = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="The run's prepared data set, to look for copies of training images.",
        show_default=False,
    ),
]
Sweep = Annotated[
    bool, typer.Option("--sweep", help="Sweep guidance as well, unless RUN/sweep has one.")
]
Runs = Annotated[
    list[Path], typer.Argument(metavar="RUN RUN …", help="Run directories; two or more.")
]
CommonJudge = Annotated[
    Path | None,
    typer.Option("--judge", help="Run whose judge scores all; the first one.", show_default=False),
]
ComparisonPage = Annotated[Path, typer.Option("--out", help="The page to write.")]


@app.command(
    epilog="Example: ldm report runs/eurosat --data data/eurosat",
    help="One page that gathers a run: data, curves, samples, scores, what to improve, how to "
    "make it again.",
)
def report(
    run: ExistingRun,
    out: ReportPage = None,
    images: ScoredImages = None,
    data: RunData = None,
    sweep: Sweep = False,
    fast: Fast = False,
    device: Device = "auto",
) -> None:
    """Write a run's report."""
    from latent_diffusion.report.page import report as write_report
    from latent_diffusion.run import check_writable

    out = out or run / ("report-fast.html" if fast else "report.html")
    check_writable(out)
    path = write_report(run, out, images, data, device, sweep, fast)
    say(f"report: {path} ({path.stat().st_size / 1e6:.1f} MB), to open in a browser")


@app.command(
    epilog="Example: ldm compare runs/eurosat runs/wider --images 500",
    help="Runs side by side under one judge: settings that differ, curves, scores, the same seeds "
    "as pictures.",
)
def compare(
    runs: Runs,
    judge: CommonJudge = None,
    images: ScoredImages = None,
    out: ComparisonPage = Path("compare.html"),
    device: Device = "auto",
) -> None:
    """Write the page that compares runs."""
    from latent_diffusion.report.compare import compare_runs
    from latent_diffusion.report.comparison import tables, write_page
    from latent_diffusion.run import check_writable

    check_writable(out)
    found = compare_runs(runs, judge, images, device)
    for table in tables(found):
        console.print(table)
    say(f"page: {write_page(found, out)}")
