"""Commands that draw pictures from a run."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from latent_diffusion.cli.common import (Classes, Device, ExistingRun, Guidance, Precision, PrecisionOption, Sampler, Steps, app, configured,
                                         names_in)
from latent_diffusion.progress import Progress, console, say


class Distribution(StrEnum):
    cycle = "cycle"
    data = "data"


@app.command(epilog="Example: ldm reconstruct runs/eurosat")
def reconstruct(run: ExistingRun,
                images: Annotated[list[Path] | None, typer.Argument(help="Image files; the held-out images by default.", show_default=False)] = None,
                out: Annotated[Path | None, typer.Option(help="Where the picture goes; RUN/reconstructions.png.", show_default=False)] = None,
                device: Device = "auto") -> None:
    """Encode and decode images: a picture of originals, reconstructions and errors, with scores."""
    from latent_diffusion.data.decode import read_images
    from latent_diffusion.evaluation.reconstruction import reconstruct_images, table
    from latent_diffusion.inspection.grids import reconstruction_grid
    from latent_diffusion.run import Run
    from latent_diffusion.training.autoencoder import image_size
    from latent_diffusion.training.stage import spread

    opened = Run.open(run)
    given = read_images(images, image_size(opened)) if images else None
    originals, decoded, scores = reconstruct_images(opened, given, device)
    shown = spread(len(originals), 30)
    path = out or run / "reconstructions.png"
    reconstruction_grid(originals[shown], decoded[shown]).save(path)
    console.print(table(scores))
    say(f"picture: {path}")


@app.command(epilog="Example: ldm sample runs/eurosat samples/eurosat --seeds 1-100 --guidance 1.5")
def sample(run: ExistingRun, out: Annotated[Path, typer.Argument(help="Folder for the PNGs.")],
           classes: Classes = None,
           seeds: Annotated[str, typer.Option(help="For example 1-100 or 3,7,20-29. One image a seed.")] = "1-100",
           every_class: Annotated[bool, typer.Option("--every-class", help="Draw each seed in each class.")] = False,
           class_distribution: Annotated[Distribution, typer.Option(help="cycle: evenly; data: as in the data set.")] = Distribution.cycle,
           guidance: Guidance = None, steps: Steps = None, sampler: Sampler = None,
           batch_size: Annotated[int, typer.Option(min=1, help="Images at a time; never changes the images.")] = 100,
           device: Device = "auto", precision: PrecisionOption = Precision.auto) -> None:
    """Draw images. The run's own defaults hold for what is not given."""
    from latent_diffusion.pipeline import Pipeline, sample_to_folder
    from latent_diffusion.sampling.plan import parse_seeds

    pipe, chosen = Pipeline.from_run(run, device, precision.value), parse_seeds(seeds)
    names = names_in(classes)
    config = configured(pipe, "ldm sample", guidance=guidance, steps=steps, sampler=sampler)
    if every_class and class_distribution == Distribution.data:
        raise ValueError("--every-class draws each seed in each class, so --class-distribution data cannot hold as well")
    total = len(chosen) * (len(pipe.labels(names)) if every_class else 1)
    with Progress("sampling", total) as progress:
        grid = sample_to_folder(pipe, out, chosen, names, "every" if every_class else class_distribution.value, config,
                                batch_size, progress.advance)
    say(f"{total} images in {out}, grid: {grid}")


@app.command(epilog="Example: ldm process runs/eurosat process.png --rows 8 --parts 7")
def process(run: ExistingRun, out: Annotated[Path, typer.Argument(help="Picture to write; a .gif or .webp moves.")],
            rows: Annotated[int, typer.Option(min=1, max=100, help="Images, with seeds 1, 2, …")] = 8,
            parts: Annotated[int, typer.Option(min=1, help="Parts of the steps, as equal as whole steps allow; one frame more.")] = 7,
            classes: Classes = None,
            guidance: Guidance = None, steps: Steps = None, sampler: Sampler = None,
            plain: Annotated[bool, typer.Option("--plain", help="Tiles without gaps and names, as homework wants them.")] = False,
            device: Device = "auto") -> None:
    """The denoising process: from pure noise at the left to the image at the right."""
    from latent_diffusion.inspection.process import process_frames, tiles, write_process
    from latent_diffusion.pipeline import Pipeline
    from latent_diffusion.sampling.plan import cycle

    if plain and out.suffix.lower() in (".gif", ".webp"):
        raise ValueError("--plain writes one still picture: give a .png")
    pipe = Pipeline.from_run(run, device)
    config, seeds = configured(pipe, "ldm process", guidance=guidance, steps=steps, sampler=sampler), range(1, rows + 1)
    labels = cycle(seeds, pipe.labels(names_in(classes)))
    frames = process_frames(pipe.denoiser, pipe.autoencoder, seeds, labels, config, pipe.precision, parts)
    if plain:
        tiles(frames).save(out)
    else:
        write_process(frames, out, [pipe.facts.class_names[label] for label in labels])
    say(f"{rows} images in {parts + 1} frames: {out}")
