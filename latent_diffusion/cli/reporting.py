"""Commands that gather: report, compare."""

from pathlib import Path
from typing import Annotated

import typer

from latent_diffusion.cli.common import Device, ExistingRun, app
from latent_diffusion.progress import console, say

Images = Annotated[
    int | None,
    typer.Option(
        "--images",
        min=20,
        help="Samples to draw and score; 200, or as many as there are held-out images.",
        show_default=False,
    ),
]


@app.command(epilog="Example: ldm report runs/eurosat --data data/eurosat")
def report(
    run: ExistingRun,
    out: Annotated[
        Path | None, typer.Option(help="The page to write; RUN/report.html.", show_default=False)
    ] = None,
    images: Images = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="The run's prepared data set, to look for copies of training images.",
            show_default=False,
        ),
    ] = None,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Sweep guidance as well, unless RUN/sweep has one.")
    ] = False,
    device: Device = "auto",
) -> None:
    """One page that gathers a run: data, curves, samples, scores, what to improve, how to make it again."""
    from latent_diffusion.report.page import report as write_report

    path = write_report(run, out or run / "report.html", images, data, device, sweep)
    say(f"report: {path} ({path.stat().st_size / 1e6:.1f} MB), to open in a browser")


@app.command(epilog="Example: ldm compare runs/eurosat runs/wider --images 500")
def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN RUN …", help="Run directories; two or more.")
    ],
    judge: Annotated[
        Path | None,
        typer.Option(help="Run whose judge scores all; the first one.", show_default=False),
    ] = None,
    images: Images = None,
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("compare.html"),
    device: Device = "auto",
) -> None:
    """Runs side by side under one judge: settings that differ, curves, scores, the same seeds as pictures."""
    from latent_diffusion.report.compare import compare_runs
    from latent_diffusion.report.comparison import tables, write_page

    found = compare_runs(runs, judge, images, device)
    for table in tables(found):
        console.print(table)
    say(f"page: {write_page(found, out)}")
