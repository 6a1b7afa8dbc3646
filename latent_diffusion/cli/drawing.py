"""Commands that draw pictures from a run."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from latent_diffusion.cli.common import (
    PICTURES,
    Classes,
    ClassGuidance,
    Device,
    EmaLength,
    EpsilonScale,
    ExistingRun,
    Guidance,
    GuidanceInterval,
    Precision,
    PrecisionOption,
    Sampler,
    Steps,
    Temperature,
    app,
    by_name,
    names_in,
    one_interval,
)
from latent_diffusion.progress import Progress, console, say


class Distribution(StrEnum):
    cycle = "cycle"
    data = "data"


@app.command(epilog="Example: ldm reconstruct runs/eurosat --cases 20")
def reconstruct(
    run: ExistingRun,
    images: Annotated[
        list[str] | None,
        typer.Argument(
            help=f"Images, each {PICTURES}; all held-out images by default.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="PNG of reconstructions; NAME-latents.png and NAME-spectrum.png go beside "
            "it. By default RUN/reconstructions.png, latents.png and latent_spectrum.png, "
            "and RUN/own.png for your own images.",
            show_default=False,
        ),
    ] = None,
    cases: Annotated[
        int, typer.Option(min=1, max=100, help="How many worst and best images to show, by PSNR.")
    ] = 10,
    device: Device = "auto",
) -> None:
    """Encode and decode images: originals, reconstructions and errors, worst and best, scores by class; latents and their spectrum."""
    from latent_diffusion.evaluation.reconstruction import reconstruct_images
    from latent_diffusion.evaluation.tables import class_reconstruction_table, reconstruction_table
    from latent_diffusion.exploration.pictures import find_pictures
    from latent_diffusion.inspection.grids import cases_grid
    from latent_diffusion.inspection.latents import write_latents
    from latent_diffusion.run import Run
    from metrics import psnr

    opened = Run.open(run)
    picture, channels, spectrum = reconstruction_paths(run, bool(images), out)
    given = find_pictures(images, opened).images if images else None
    originals, decoded, scores = reconstruct_images(opened, given, device)
    cases_grid(originals, decoded, psnr(originals, decoded), cases).save(picture)
    view = write_latents(opened, originals, device, channels, spectrum)
    console.print(reconstruction_table(scores))
    if scores.classes and len(scores.classes) > 1:
        console.print(class_reconstruction_table(scores.classes))
    say(
        f"{view.summary()}\nreconstructions: {picture}\nlatent channels: {channels}\nspectrum of the latents: {spectrum}"
    )


def reconstruction_paths(run: Path, own: bool, out: Path | None) -> tuple[Path, Path, Path]:
    """Where the pictures of reconstructions, of latent channels and of their spectrum go; one's own images never replace those
    of the held-out ones."""
    if out and out.suffix.lower() != ".png":
        raise ValueError(
            f"--out {out} must be the name of a .png: the pictures of the latents go beside it"
        )
    if not (own or out):
        return run / "reconstructions.png", run / "latents.png", run / "latent_spectrum.png"
    path = out or run / "own.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    return (
        path,
        path.with_name(f"{path.stem}-latents.png"),
        path.with_name(f"{path.stem}-spectrum.png"),
    )


@app.command(epilog="Example: ldm sample runs/eurosat samples/eurosat --seeds 1-100 --guidance 1.5")
def sample(
    run: ExistingRun,
    out: Annotated[Path, typer.Argument(help="Folder for the PNGs.")],
    classes: Classes = None,
    seeds: Annotated[
        str, typer.Option(help="For example 1-100 or 3,7,20-29. One image a seed.")
    ] = "1-100",
    every_class: Annotated[
        bool, typer.Option("--every-class", help="Draw each seed in each class.")
    ] = False,
    class_distribution: Annotated[
        Distribution, typer.Option(help="cycle: evenly; data: as in the data set.")
    ] = Distribution.cycle,
    guidance: Guidance = None,
    class_guidance: ClassGuidance = None,
    steps: Steps = None,
    sampler: Sampler = None,
    guidance_interval: GuidanceInterval = None,
    temperature: Temperature = None,
    epsilon_scale: EpsilonScale = None,
    ema: EmaLength = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Images at a time, by default about 100; never changes the images.",
            show_default=False,
        ),
    ] = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.auto,
) -> None:
    """Draw images. The run's own defaults hold for what is not given."""
    from latent_diffusion.pipeline import Pipeline, sample_to_folder
    from latent_diffusion.sampling.plan import parse_seeds

    pipe, chosen = Pipeline.from_run(run, device, precision.value, ema), parse_seeds(seeds)
    names = names_in(classes)
    config = pipe.configured(
        guidance=guidance,
        class_guidance=by_name(class_guidance),
        steps=steps,
        sampler=sampler,
        temperature=temperature,
        epsilon_scale=epsilon_scale,
        guidance_interval=one_interval(guidance_interval),
    )
    if every_class and class_distribution == Distribution.data:
        raise ValueError(
            "--every-class draws each seed in each class, so --class-distribution data cannot hold as well"
        )
    total = len(chosen) * (len(set(pipe.labels(names))) if every_class else 1)
    with Progress("sampling", total) as progress:
        grid = sample_to_folder(
            pipe,
            out,
            chosen,
            names,
            "every" if every_class else class_distribution.value,
            config,
            batch_size,
            progress.advance,
        )
    say(f"{total} images in {out}, grid: {grid}")


@app.command(epilog="Example: ldm process runs/eurosat process.png --rows 8 --parts 7")
def process(
    run: ExistingRun,
    out: Annotated[Path, typer.Argument(help="Picture to write; a .gif or .webp moves.")],
    rows: Annotated[int, typer.Option(min=1, max=100, help="Images, with seeds 1, 2, …")] = 8,
    parts: Annotated[
        int,
        typer.Option(
            min=1, help="Parts of the steps, as equal as whole steps allow; one frame more."
        ),
    ] = 7,
    classes: Classes = None,
    guidance: Guidance = None,
    steps: Steps = None,
    sampler: Sampler = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Tiles without gaps and names, as homework wants them.")
    ] = False,
    device: Device = "auto",
) -> None:
    """The denoising process: from pure noise at the left to the image at the right."""
    from latent_diffusion.inspection.grids import writable
    from latent_diffusion.inspection.process import process_frames, tiles, write_process
    from latent_diffusion.pipeline import Pipeline
    from latent_diffusion.sampling.plan import cycle

    writable(out, moving=not plain)
    pipe = Pipeline.from_run(run, device)
    config, seeds = (
        pipe.configured(guidance=guidance, steps=steps, sampler=sampler),
        range(1, rows + 1),
    )
    labels = cycle(seeds, pipe.labels(names_in(classes)))
    frames = process_frames(pipe.denoiser, pipe.codec, seeds, labels, config, parts)
    if plain:
        tiles(frames).save(out)
    else:
        write_process(frames, out, [pipe.facts.class_names[label] for label in labels])
    say(f"{rows} images in {parts + 1} frames: {out}")
