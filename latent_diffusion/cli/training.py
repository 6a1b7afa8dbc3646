"""Commands that make things from data: prepare, the trainings, the demo."""

from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from latent_diffusion.cli.common import (
    DataFolder,
    Device,
    Precision,
    PrecisionOption,
    RunFolder,
    app,
)
from latent_diffusion.progress import LateProgress, say

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
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a setting, e.g. diffusion.training.steps=2000; repeatable."),
]


@app.command(epilog="Example: ldm demo --run runs/demo")
def demo(
    run: Annotated[Path, typer.Option("--run", help="Run directory; a new one.")] = Path(
        "runs/demo"
    ),
    device: Device = "auto",
    settings: Settings = None,
) -> None:
    """All of it on drawn cartoons: draw, judge, both stages, samples, scores. Ten to fifteen minutes on two cores."""
    from latent_diffusion.demo import run_demo

    run_demo(run, device, settings or [])


@app.command(epilog="Example: ldm prepare photos/ data/photos --size 64")
def prepare(
    source: Annotated[
        str,
        typer.Argument(
            help="Folders of images, a .zip of them, a synth-cute clone, MNIST or CIFAR-10 files, "
            "or cartoons[:COUNT]."
        ),
    ],
    data: Annotated[Path, typer.Argument(help="Where the prepared data set goes.")],
    size: Annotated[
        int | None,
        typer.Option(
            help="Side of the images; 64, or the native size of MNIST and CIFAR-10.",
            show_default=False,
        ),
    ] = None,
    holdout: Annotated[
        float,
        typer.Option(
            help="Share of each class held out for scoring, unless the source has a split."
        ),
    ] = 0.1,
    files: Annotated[
        Path | None,
        typer.Option(
            help="With cartoons:COUNT: also write them here, as synth-cute's own files.",
            show_default=False,
        ),
    ] = None,
    flip: Annotated[
        bool | None,
        typer.Option(
            "--flip/--no-flip",
            help="May training mirror the images? Not digits or text.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Turn any source of images into a prepared data set."""
    from latent_diffusion.data.prepare import prepare as prepare_data
    from latent_diffusion.data.sources.cartoons import write_cartoons
    from latent_diffusion.data.summary import summary

    if files:
        with LateProgress("drawing") as progress:
            write_cartoons(source, files, size or 512, progress.update)
        source = str(files)
    with LateProgress("preparing") as progress:
        info = prepare_data(source, data, size, holdout, flip, progress.update)
    for line in summary(info):
        say(line)


@app.command(
    epilog="Example: ldm train-autoencoder eurosat_cpu --data data/eurosat --run runs/eurosat"
)
def train_autoencoder(
    data: DataFolder,
    run: RunFolder,
    config: ConfigFile = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    init: Init = None,
    tensorboard: TensorBoard = False,
    settings: Settings = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.auto,
) -> None:
    """Stage one: train the autoencoder that turns images into latents."""
    from latent_diffusion.inspection.previews import reconstruction_preview
    from latent_diffusion.training.autoencoder import train_autoencoder as train

    with begun(
        "autoencoder",
        data,
        run,
        config,
        resume,
        overwrite,
        init,
        tensorboard,
        settings,
        device,
        precision,
    ) as (where, images, chosen, group, start):
        train(
            where, images, chosen.autoencoder, group, start, reconstruction_preview(where, images)
        )


@app.command(
    epilog="Example: ldm train-classifier eurosat_cpu --data data/eurosat --run runs/eurosat"
)
def train_classifier(
    data: DataFolder,
    run: RunFolder,
    config: ConfigFile = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    init: Init = None,
    tensorboard: TensorBoard = False,
    settings: Settings = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.auto,
) -> None:
    """Train the judge: the classifier whose features score samples."""
    from latent_diffusion.evaluation.judge import make_judge

    with begun(
        "classifier",
        data,
        run,
        config,
        resume,
        overwrite,
        init,
        tensorboard,
        settings,
        device,
        precision,
    ) as (where, images, chosen, group, start):
        make_judge(where, images, chosen.classifier, group, start)


@app.command(
    epilog="Example: ldm train-diffusion eurosat_cpu --data data/eurosat --run runs/eurosat"
)
def train_diffusion(
    data: DataFolder,
    run: RunFolder,
    config: ConfigFile = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    init: Init = None,
    tensorboard: TensorBoard = False,
    settings: Settings = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.auto,
) -> None:
    """Stage two: train the denoiser on the latents of the run's autoencoder."""
    from latent_diffusion.inspection.previews import sample_preview
    from latent_diffusion.training.diffusion import train_diffusion as train

    with begun(
        "diffusion",
        data,
        run,
        config,
        resume,
        overwrite,
        init,
        tensorboard,
        settings,
        device,
        precision,
    ) as (where, images, chosen, group, start):
        train(
            where,
            images,
            chosen.diffusion,
            chosen.sampling,
            group,
            start,
            sample_preview(where, images, chosen.sampling, group.device),
        )


@contextmanager
def begun(
    stage: str,
    data: Path,
    run: Path,
    config: Path | None,
    resume: bool,
    overwrite: bool,
    init: Path | None,
    tensorboard: bool,
    settings: list[str] | None,
    device: str,
    precision: Precision,
):
    """What every training command opens first: run, data set, config, processes, start."""
    from latent_diffusion.config import default_config, load_config, resumed_config
    from latent_diffusion.data.store import Dataset
    from latent_diffusion.device import choose_device
    from latent_diffusion.run import Run
    from latent_diffusion.training.distributed import world
    from latent_diffusion.training.stage import Start

    where, images, target = Run(run), Dataset.open(data), choose_device(device)
    changes, exact = settings or [], None if precision == Precision.auto else precision.value
    if resume and getattr(where, stage).config_path.is_file():
        if config:
            say(f"--resume goes on with what the run recorded, and does not read {config} again")
        chosen = resumed_config(getattr(where, stage), changes, exact)
    else:
        chosen = load_config(config or default_config(target), changes, exact)
    with world(target) as group:
        yield where, images, chosen, group, Start(resume, overwrite, init, tensorboard)
