"""Commands that make things from data: prepare, the trainings, the demo."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latent_diffusion.cli.common import app
from latent_diffusion.cli.options import DataFolder, Device, Precision, PrecisionOption
from latent_diffusion.progress import LateProgress, say

if TYPE_CHECKING:
    from latent_diffusion.training.stage import Job
    from latent_diffusion.training.stages import Config


class FitBy(StrEnum):
    """What --fit may be."""

    crop = "crop"
    pad = "pad"
    stretch = "stretch"


RunFolder = Annotated[Path, typer.Option("--run", help="Run directory; made if it is not there.")]
DemoRun = Annotated[Path, typer.Option("--run", help="Run directory; a new one.")]
ConfigFile = Annotated[
    Path | None,
    typer.Argument(
        help="TOML file, or the name of one in configs/; by default own_cpu or own_gpu.",
        show_default=False,
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Continue an interrupted training from its checkpoint.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Train anew over what the run holds.")]
Init = Annotated[Path | None, typer.Option("--init", help="Start from the weights of another run.")]
TensorBoard = Annotated[
    bool,
    typer.Option("--tensorboard", help="Also write curves and pictures as TensorBoard events."),
]
CheckData = Annotated[
    bool,
    typer.Option("--check-data", help="First compare all pixels with the data set's checksum."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a setting, e.g. diffusion.training.steps=2000; repeatable."),
]
Source = Annotated[
    str,
    typer.Argument(
        help="Folders of images, a .zip of them, a synth-cute clone, parquet files, the files of "
        "MNIST (EMNIST, Fashion-MNIST, KMNIST), CIFAR-10 and -100, SVHN or STL-10, or "
        "cartoons[:COUNT]."
    ),
]
PreparedData = Annotated[Path, typer.Argument(help="Where the prepared data set goes.")]
Size = Annotated[
    int | None,
    typer.Option(
        "--size",
        help="Side of the images; 64, or the native size of MNIST, CIFAR, SVHN and STL-10.",
        show_default=False,
    ),
]
Holdout = Annotated[
    float,
    typer.Option(
        "--holdout",
        help="Share of each class held out for scoring, unless the source has a split.",
    ),
]
Files = Annotated[
    Path | None,
    typer.Option(
        "--files",
        help="With cartoons:COUNT: also write them here, as synth-cute's own files.",
        show_default=False,
    ),
]
Fit = Annotated[
    FitBy,
    typer.Option(
        "--fit",
        help="How pictures that are no squares become images: the centre square, all of it on "
        "white, or all of it distorted.",
    ),
]
Flip = Annotated[
    bool | None,
    typer.Option(
        "--flip/--no-flip",
        help="May training mirror the images? Not digits or text.",
        show_default=False,
    ),
]


Labels = Annotated[
    str,
    typer.Option(
        "--labels",
        help="Where labels come from: auto, folders, file-name (cat_001.png), column=NAME (of a "
        "list beside the pictures) or none.",
    ),
]


DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Only say what would be read, class by class, with one picture of each in "
        "DATA-dry-run.png.",
    ),
]


DemoMinutes = Annotated[
    float | None,
    typer.Option("--minutes", min=1, help="How long all of it takes; 10.", show_default=False),
]
Minutes = Annotated[
    float | None,
    typer.Option(
        "--minutes",
        min=1,
        help="How long all of it takes, scoring included; 30, or with --resume as it was begun.",
        show_default=False,
    ),
]
TrainedRun = Annotated[Path, typer.Argument(metavar="RUN", help="Run directory; a new one.")]
WholeConfig = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="TOML file, or the name of one in configs/; by default own_cpu or own_gpu.",
        show_default=False,
    ),
]
ResumeAll = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on where it stopped; with more --minutes than before train stage two further.",
    ),
]
PlanOnly = Annotated[
    bool,
    typer.Option(
        "--plan-only", help="Only say what would be trained, and write it as RUN/plan.toml."
    ),
]


@app.command(
    epilog="Example: ldm demo --run runs/demo",
    help="All of it on drawn cartoons: draw, judge, both stages, samples, scores, in ten minutes.",
)
def demo(
    run: DemoRun = Path("runs/demo"),
    minutes: DemoMinutes = None,
    device: Device = "auto",
    settings: Settings = None,
) -> None:
    """Run the demo."""
    from latent_diffusion.workflow import run_demo

    run_demo(run, device, settings or [], minutes)


@app.command(
    epilog="Example: ldm train photos/ runs/photos --minutes 30",
    help="All of it on your own pictures, in the minutes that you give: prepare, judge, both "
    "stages, samples, scores.",
)
def train(
    source: Source,
    run: TrainedRun,
    minutes: Minutes = None,
    size: Size = None,
    config: WholeConfig = None,
    resume: ResumeAll = False,
    plan_only: PlanOnly = False,
    device: Device = "auto",
    settings: Settings = None,
) -> None:
    """Train everything."""
    from latent_diffusion.workflow import Order, run_train

    order = Order(
        source=source,
        minutes=minutes or 30.0,
        config=str(config) if config else None,
        settings=settings or [],
        size=size,
    )
    run_train(order, run, device, resume, plan_only, minutes)


@app.command(epilog="Example: ldm prepare photos/ data/photos --size 64")
def prepare(
    source: Source,
    data: PreparedData,
    size: Size = None,
    holdout: Holdout = 0.1,
    files: Files = None,
    flip: Flip = None,
    labels: Labels = "auto",
    dry_run: DryRun = False,
    fit: Fit = FitBy.crop,
) -> None:
    """Turn any source of images into a prepared data set."""
    from latent_diffusion.data.prepare import prepare as prepare_data
    from latent_diffusion.data.sources.cartoons import write_cartoons
    from latent_diffusion.data.summary import summary

    if dry_run:
        from latent_diffusion.inspection.dry_run import dry_run as show

        if files:
            raise ValueError("--dry-run prepares nothing and writes no --files: leave one out")
        for line in show(source, data, size, holdout, labels, fit.value, flip):
            say(line)
        return
    if files:
        with LateProgress("drawing") as progress:
            write_cartoons(source, files, size or 512, progress.update)
        source = str(files)
    with LateProgress("preparing") as progress:
        info = prepare_data(
            source, data, size, holdout, flip, progress.update, labels=labels, fit_by=fit.value
        )
    for line in summary(info):
        say(line)


@dataclass(frozen=True)
class Options:
    """What a training command was given."""

    data: Path
    run: Path
    config: Path | None
    resume: bool
    overwrite: bool
    init: Path | None
    tensorboard: bool
    settings: list[str]
    check_data: bool
    device: str
    precision: str | None  # None: each stage's own


def training_command(stage: str, train: Callable[["Job", "Config"], None], purpose: str) -> None:
    """Add `ldm train-STAGE`, which opens what every training needs and hands it to `train`."""

    def command(
        data: DataFolder,
        run: RunFolder,
        config: ConfigFile = None,
        resume: Resume = False,
        overwrite: Overwrite = False,
        init: Init = None,
        tensorboard: TensorBoard = False,
        check_data: CheckData = False,
        settings: Settings = None,
        device: Device = "auto",
        precision: PrecisionOption = Precision.auto,
    ) -> None:
        options = Options(
            data=data,
            run=run,
            config=config,
            resume=resume,
            overwrite=overwrite,
            init=init,
            tensorboard=tensorboard,
            settings=settings or [],
            check_data=check_data,
            device=device,
            precision=None if precision == Precision.auto else precision.value,
        )
        with opened(stage, options) as (job, resolved):
            train(job, resolved)

    example = f"Example: ldm train-{stage} eurosat_cpu --data data/eurosat --run runs/eurosat"
    app.command(f"train-{stage}", help=purpose, epilog=example)(command)


@contextmanager
def opened(stage: str, options: Options) -> Iterator[tuple["Job", "Config"]]:
    """Open what every training needs: run, data set, processes, how to begin; and the config."""
    from latent_diffusion.config import default_config
    from latent_diffusion.data.checksum import check_pixels
    from latent_diffusion.data.store import Dataset
    from latent_diffusion.device import choose_device
    from latent_diffusion.distributed import is_first, world
    from latent_diffusion.lock import locked
    from latent_diffusion.run import Part, Run
    from latent_diffusion.training.stage import Job, Start
    from latent_diffusion.training.stages import load_config, resumed_config

    run, data = Run(options.run), Dataset.open(options.data)
    device = choose_device(options.device)
    part: Part = getattr(run, stage)
    if options.resume and part.config_path.is_file():
        if options.config and is_first():
            say(
                "--resume goes on with what the run recorded, and does not read "
                f"{options.config} again"
            )
        config = resumed_config(part, options.settings, options.precision)
    else:
        path = options.config or default_config(device)
        config = load_config(path, options.settings, options.precision)
    start = Start(options.resume, options.overwrite, options.init, options.tensorboard)
    with locked(run.lock_path) if is_first() else nullcontext():
        if options.check_data and is_first():
            check_pixels(data)
        with world(device) as group:
            yield Job(run, data, group, start), config


def autoencoder(job: "Job", config: "Config") -> None:
    """Train stage one."""
    from latent_diffusion.inspection.previews import reconstruction_preview
    from latent_diffusion.training.autoencoder import train_autoencoder

    preview = reconstruction_preview(job.run, job.data)
    train_autoencoder(job.run, job.data, config.autoencoder, job.world, job.start, preview)


def classifier(job: "Job", config: "Config") -> None:
    """Train the judge."""
    from latent_diffusion.evaluation.judge_training import make_judge

    make_judge(job.run, job.data, config.classifier, job.world, job.start)


def diffusion(job: "Job", config: "Config") -> None:
    """Train stage two."""
    from latent_diffusion.inspection.previews import sample_preview
    from latent_diffusion.training.diffusion import train_diffusion

    preview = sample_preview(job.run, job.data, job.world.device)
    train_diffusion(
        job.run, job.data, config.diffusion, config.sampling, job.world, job.start, preview
    )


training_command(
    "autoencoder", autoencoder, "Stage one: train the autoencoder that turns images into latents."
)
training_command(
    "classifier", classifier, "Train the judge: the classifier whose features score samples."
)
training_command(
    "diffusion",
    diffusion,
    "Stage two: train the denoiser on the latents of the run's autoencoder.",
)
