"""The command that makes a run fast: distill."""

from pathlib import Path
from typing import Annotated

import typer

from latent_diffusion.cli.common import app
from latent_diffusion.cli.options import Device, Precision, PrecisionOption
from latent_diffusion.cli.training import Overwrite, Resume, Settings, TensorBoard

DistilledRun = Annotated[
    Path, typer.Argument(metavar="RUN", help="Run directory with a trained denoiser.")
]
DistillMinutes = Annotated[
    float | None,
    typer.Option(
        "--minutes",
        min=0.1,
        help="How long it takes, with the trajectories that it learns from; 8.",
        show_default=False,
    ),
]


@app.command(
    epilog="Example: ldm distill runs/eurosat --minutes 8",
    help="A student beside the denoiser, which draws in one to four network evaluations: ldm "
    "sample RUN OUT --fast. It learns from the denoiser alone; no data set is needed.",
)
def distill(
    run: DistilledRun,
    minutes: DistillMinutes = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    tensorboard: TensorBoard = False,
    settings: Settings = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.auto,
) -> None:
    """Train the student."""
    from latent_diffusion.device import choose_device
    from latent_diffusion.distributed import world
    from latent_diffusion.inspection.previews import sample_preview
    from latent_diffusion.run import Run
    from latent_diffusion.training.stage import Start
    from latent_diffusion.training.stages import configured, resumed_config
    from latent_diffusion.training.student import kept_data, train_student

    opened, asked = Run.open(run), list(settings or [])
    if minutes:
        asked.append(f"student.training.minutes={minutes}")
    chosen = None if precision == Precision.auto else precision.value
    if resume and opened.student.config_path.is_file():
        config = resumed_config(opened.student, asked, chosen)
    else:
        config = configured({}, asked, chosen, "ldm distill")
    start = Start(resume, overwrite, tensorboard=tensorboard)
    with world(choose_device(device)) as group:
        opened.diffusion.require()
        preview = sample_preview(opened, kept_data(opened), group.device)
        train_student(opened, config.student, group, start, preview)
