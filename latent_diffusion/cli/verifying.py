"""The command that proves a run on the machine at hand: verify."""

from pathlib import Path
from typing import Annotated

import typer

from latent_diffusion.cli.common import FAILED, app
from latent_diffusion.cli.options import Device, ExistingRun
from latent_diffusion.progress import console

VerifiedData = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="The run's prepared data set, whose pixels are compared as well.",
        show_default=False,
    ),
]


@app.command(
    epilog="Example: ldm verify runs/demo --data runs/demo/data",
    help="Prove a run on this machine, in a minute or two: checksums, trainings that are killed "
    "and resumed, the same pictures in any batch, scores made again. Exit status 1 where a check "
    "fails.",
)
def verify(run: ExistingRun, data: VerifiedData = None, device: Device = "auto") -> None:
    """Verify a run."""
    from latent_diffusion.run import Run
    from latent_diffusion.verification.checks import checks_table
    from latent_diffusion.verification.checks import verify as verify_run

    opened = Run.open(run)
    found = verify_run(opened, data, device)
    console.print(checks_table(opened, found))
    if any(check.passed is False for check in found):
        raise typer.Exit(FAILED)
