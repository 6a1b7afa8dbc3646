"""Commands that draw pictures from a run: reconstruct, sample, process."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from latent_diffusion.cli.common import app, processes
from latent_diffusion.cli.options import (
    PICTURES,
    Classes,
    ClassGuidance,
    Device,
    EmaLength,
    EpsilonScale,
    ExistingRun,
    Fast,
    Guidance,
    GuidanceInterval,
    MovingPicture,
    Precision,
    PrecisionOption,
    Sampler,
    Steps,
    Temperature,
    by_name,
    names_in,
    single_interval,
)
from latent_diffusion.progress import Progress, console, say


class Distribution(StrEnum):
    """What --class-distribution may be."""

    cycle = "cycle"
    data = "data"


ReconstructedImages = Annotated[
    list[str] | None,
    typer.Argument(
        help=f"Images, each {PICTURES}; all held-out images by default.", show_default=False
    ),
]
ReconstructionPicture = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="PNG of reconstructions; NAME-latents.png and NAME-spectrum.png go beside it. By "
        "default RUN/reconstructions.png, latents.png and latent_spectrum.png, and RUN/own.png "
        "for your own images.",
        show_default=False,
    ),
]
Cases = Annotated[
    int,
    typer.Option(
        "--cases", min=1, max=100, help="How many worst and best images to show, by PSNR."
    ),
]
SamplesOut = Annotated[Path, typer.Argument(help="Folder for the PNGs.")]
Seeds = Annotated[
    str, typer.Option("--seeds", help="For example 1-100 or 3,7,20-29. One image a seed.")
]
EveryClass = Annotated[bool, typer.Option("--every-class", help="Draw each seed in each class.")]
ClassDistribution = Annotated[
    Distribution,
    typer.Option("--class-distribution", help="cycle: evenly; data: as in the data set."),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        min=1,
        help="Images at a time, by default about 100; never changes the images.",
        show_default=False,
    ),
]
Rows = Annotated[int, typer.Option("--rows", min=1, max=100, help="Images, with seeds 1, 2, …")]
Parts = Annotated[
    int,
    typer.Option(
        "--parts", min=1, help="Parts of the steps, as equal as whole steps allow; one frame more."
    ),
]
Plain = Annotated[
    bool, typer.Option("--plain", help="Tiles without gaps and names, as homework wants them.")
]


@app.command(
    epilog="Example: ldm reconstruct runs/eurosat --cases 20",
    help="Encode and decode images: originals, reconstructions and errors, worst and best, scores "
    "by class; latents and their spectrum.",
)
def reconstruct(
    run: ExistingRun,
    images: ReconstructedImages = None,
    out: ReconstructionPicture = None,
    cases: Cases = 10,
    device: Device = "auto",
) -> None:
    """Reconstruct images, with scores and pictures."""
    from latent_diffusion.evaluation.requests import write_reconstructions
    from latent_diffusion.evaluation.tables import class_reconstruction_table, reconstruction_table
    from latent_diffusion.run import check_writable

    check_writable(out or run / "reconstructions.png", "give another place to write to with --out")
    scores, summary = write_reconstructions(run, images, out, cases, device)
    console.print(reconstruction_table(scores))
    if scores.classes and len(scores.classes) > 1:
        console.print(class_reconstruction_table(scores.classes))
    say(summary)


@app.command(epilog="Example: ldm sample runs/eurosat samples/eurosat --seeds 1-100 --guidance 1.5")
def sample(
    run: ExistingRun,
    out: SamplesOut,
    classes: Classes = None,
    seeds: Seeds = "1-100",
    every_class: EveryClass = False,
    class_distribution: ClassDistribution = Distribution.cycle,
    guidance: Guidance = None,
    class_guidance: ClassGuidance = None,
    steps: Steps = None,
    sampler: Sampler = None,
    guidance_interval: GuidanceInterval = None,
    temperature: Temperature = None,
    epsilon_scale: EpsilonScale = None,
    ema: EmaLength = None,
    fast: Fast = False,
    batch_size: BatchSize = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Delete the samples that OUT holds first.")
    ] = False,
    device: Device = "auto",
    precision: PrecisionOption = Precision.auto,
) -> None:
    """Draw images. The run's own defaults hold for what is not given; OUT keeps what it has."""
    from latent_diffusion.pipeline import Pipeline
    from latent_diffusion.samples import sample_to_folder
    from latent_diffusion.sampling.plan import parse_seeds

    chosen, names = parse_seeds(seeds), names_in(classes)
    distribution = one_distribution(every_class, class_distribution)
    with processes(device) as world:
        pipe = Pipeline.from_run(run, str(world.device), precision.value, ema, fast)
        config = pipe.configured(
            guidance=guidance,
            class_guidance=by_name(class_guidance),
            steps=steps,
            sampler=sampler,
            temperature=temperature,
            epsilon_scale=epsilon_scale,
            guidance_interval=single_interval(guidance_interval),
        )
        total = len(chosen) * (len(set(pipe.labels(names))) if every_class else 1)
        with Progress("sampling", total) as progress:
            how = (config, batch_size, progress.advance, overwrite)
            grid = sample_to_folder(pipe, out, chosen, names, distribution, *how)
        say(f"{total} images in {out}, grid: {grid}")


def one_distribution(every_class: bool, asked: Distribution) -> Literal["cycle", "every", "data"]:
    """Return how classes go with seeds; ValueError for two answers that exclude each other."""
    if not every_class:
        return asked.value
    if asked == Distribution.data:
        raise ValueError(
            "--every-class draws each seed in each class, so --class-distribution data cannot "
            "hold as well"
        )
    return "every"


@app.command(epilog="Example: ldm process runs/eurosat process.png --rows 8 --parts 7")
def process(
    run: ExistingRun,
    out: MovingPicture,
    rows: Rows = 8,
    parts: Parts = 7,
    classes: Classes = None,
    guidance: Guidance = None,
    steps: Steps = None,
    sampler: Sampler = None,
    plain: Plain = False,
    device: Device = "auto",
) -> None:
    """The denoising process: from pure noise at the left to the image at the right."""
    from latent_diffusion.exploration.denoising import write_denoising

    sampling = {"guidance": guidance, "steps": steps, "sampler": sampler}
    write_denoising(run, out, rows, parts, names_in(classes), plain, device, **sampling)
    say(f"{rows} images in {parts + 1} frames: {out}")
