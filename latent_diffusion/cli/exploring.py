"""Commands that explore a run's latent space: interpolate, arithmetic, invert, vary."""

from pathlib import Path
from typing import Annotated

import typer

from latent_diffusion.cli.common import (
    PICTURES,
    Classes,
    Device,
    ExistingRun,
    Guidance,
    Sampler,
    Steps,
    app,
    names_in,
    values,
)
from latent_diffusion.progress import console, say

INVERSION_STEPS = 50  # with Heun's method: the double pass loses hundredths of a decibel
FEW = 16  # rows of a network call for the handful of real images that one looks at, where a run's compute batch is mostly padding
Picture = Annotated[Path, typer.Argument(help="Picture to write.")]


@app.command(
    epilog="Example: ldm interpolate runs/demo walk.png --seeds 3,7 or: ldm interpolate runs/demo walk.gif --classes dog,cat "
    "--frames 24 or: ldm interpolate runs/demo walk.png --images a.png b.png"
)
def interpolate(
    run: ExistingRun,
    out: Annotated[Path, typer.Argument(help="Picture to write; a .gif or .webp moves.")],
    seeds: Annotated[
        str | None,
        typer.Option(
            help="One or two, such as 3,7; 1,2 by default, 1 between classes.", show_default=False
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help="One, or two to walk between; by default a walk in every class.",
            show_default=False,
        ),
    ] = None,
    images: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="A B",
            show_default=False,
            help="Two real images to walk between: files or class:NAME/3. --classes says what they show.",
        ),
    ] = None,
    frames: Annotated[int, typer.Option(min=2, help="Images of a walk, its ends among them.")] = 9,
    guidance: Guidance = None,
    steps: Steps = None,
    sampler: Sampler = None,
    device: Device = "auto",
) -> None:
    """Smooth walks between two seeds, two classes (or both at once), or two real images.

    The ends are what ldm sample draws; between them noise is turned along the arc, and classes are blended.
    """
    from latent_diffusion.exploration.pictures import find_pictures
    from latent_diffusion.exploration.sheets import write_frames
    from latent_diffusion.exploration.walks import image_walk, seed_walk
    from latent_diffusion.inspection.grids import writable
    from latent_diffusion.pipeline import Pipeline
    from latent_diffusion.run import Run
    from latent_diffusion.sampling.plan import parse_seeds

    pipe, names = Pipeline.from_run(run, device), names_in(classes)
    writable(out, moving=True)
    if images:
        if seeds:
            raise ValueError("--images have noise of their own: leave out --seeds")
        pictures = find_pictures(images, Run.open(run)).relabelled(names, pipe.facts)
        if len(pictures.images) != 2:
            raise ValueError(
                f"--images stands for {len(pictures.images)} images here: a walk has two ends, such as class:NAME/3"
            )
        config = pipe.configured(
            guidance=1 if guidance is None else guidance,
            steps=INVERSION_STEPS if steps is None else steps,
            sampler=sampler or "heun",
            epsilon_scale=1,
            compute_batch=FEW,
        )
        rows, captions = image_walk(pipe, pictures, frames, config), None
    else:
        config = pipe.configured(guidance=guidance, steps=steps, sampler=sampler)
        ends = parse_seeds(seeds or ("1" if names and len(names) > 1 else "1,2"))
        labels = (
            [(label, label) for label in pipe.labels(names)]
            if not names or len(names) < 2
            else [tuple(pipe.labels(names))]
        )
        if len(ends) > 2 or (names and len(names) > 2):
            raise ValueError("a walk has two ends: name at most two --seeds and two --classes")
        if len(ends) == 1 and labels[0][0] == labels[0][1]:
            raise ValueError("a walk has two ends: name two --seeds, two --classes, or both")
        rows = seed_walk(pipe, (ends[0], ends[-1]), labels, frames, config)
        captions = [
            " to ".join(dict.fromkeys(pipe.facts.class_names[label] for label in pair))
            for pair in labels
        ]
    write_frames(rows, captions, out)
    say(f"{len(rows)} walk{'s' if len(rows) > 1 else ''} of {frames} frames: {out}")


@app.command(
    epilog="Example: ldm arithmetic runs/demo out.png --a smiling/ --b neutral/ --c cat.png or: "
    "ldm arithmetic runs/demo out.png --a class:dog --b class:cat --c class:cat/3 --alpha -1,0,0.5,1"
)
def arithmetic(
    run: ExistingRun,
    out: Picture,
    a: Annotated[list[str], typer.Option("--a", help=f"A set of images: {PICTURES}; repeatable.")],
    b: Annotated[list[str], typer.Option("--b", help="The set to subtract, in the same ways.")],
    c: Annotated[
        list[str] | None,
        typer.Option("--c", help="Where to begin; b without it.", show_default=False),
    ] = None,
    alpha: Annotated[
        str, typer.Option(help="Weights of the direction a - b, separated by commas.")
    ] = "-1,0,1,2",
    device: Device = "auto",
) -> None:
    """c + alpha (a - b) with the mean latents of image sets, decoded; alpha 1 is a - b + c.

    Latents keep places: the mean of images that are not aligned is a blur.
    """
    from latent_diffusion.exploration.arithmetic import add, sheet
    from latent_diffusion.inspection.grids import writable
    from latent_diffusion.run import Run

    opened = Run.open(run)
    writable(out)
    sheet(add(opened, a, b, c, values(alpha, float, "--alpha"), device)).save(out)
    say(f"the means of the sets, and the way along alpha: {out}")


@app.command(
    epilog="Example: ldm invert runs/eurosat inverted.png or: ldm invert runs/demo inverted.png cat.png dog.png --classes cat,dog"
)
def invert(
    run: ExistingRun,
    out: Picture,
    images: Annotated[
        list[str] | None,
        typer.Argument(
            help=f"Images, each {PICTURES}; held-out images by default.", show_default=False
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help="What the images show: one class for all, or one each; files have none "
            "by default.",
            show_default=False,
        ),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Held-out images, where none are named.")] = 8,
    guidance: Annotated[
        float,
        typer.Option(
            min=0,
            help="1 by default: that is the ODE of the data itself; any other "
            "leads from noise to other images than real ones.",
        ),
    ] = 1.0,
    steps: Annotated[
        int, typer.Option(min=1, help="Steps of Heun's method, each way.")
    ] = INVERSION_STEPS,
    device: Device = "auto",
) -> None:
    """Real images to noise by the ODE run backwards, and back again: what is lost, and how Gaussian is the noise?"""
    from latent_diffusion.exploration.inversion import round_trip, sheet, table
    from latent_diffusion.exploration.pictures import find_pictures, held_out
    from latent_diffusion.inspection.grids import writable
    from latent_diffusion.pipeline import Pipeline
    from latent_diffusion.run import Run

    pipe, opened = Pipeline.from_run(run, device), Run.open(run)
    writable(out)
    pictures = (find_pictures(images, opened) if images else held_out(opened, rows)).relabelled(
        names_in(classes), pipe.facts
    )
    config = pipe.configured(
        guidance=guidance,
        steps=steps,
        sampler="heun",
        epsilon_scale=1,
        compute_batch=FEW,
    )
    trip = round_trip(pipe, pictures, config)
    sheet(trip).save(out)
    console.print(table(trip, config))
    say(f"picture: {out}")


@app.command(
    epilog="Example: ldm vary runs/demo varied.png dog.png --classes cat --strength 0.6 or: "
    "ldm vary runs/demo varied.png class:dog/3 --classes cat,frog --seeds 1-3"
)
def vary(
    run: ExistingRun,
    out: Picture,
    images: Annotated[list[str], typer.Argument(help=f"Images, each {PICTURES}.")],
    classes: Classes = None,
    strength: Annotated[
        str,
        typer.Option(
            help="Shares of noise t, separated by commas: near 0 keeps the image, 1 nothing of it; "
            "the noise level is t / (1 - t)."
        ),
    ] = "0.4,0.6,0.7,0.8,0.9",
    seeds: Annotated[str, typer.Option(help="Of the noise; each gives a row.")] = "1",
    guidance: Guidance = None,
    steps: Steps = None,
    sampler: Sampler = None,
    device: Device = "auto",
) -> None:
    """Noise real images to a level and denoise them under another class: coarse from one, fine from the other."""
    from latent_diffusion.exploration.pictures import find_pictures
    from latent_diffusion.exploration.variation import variations
    from latent_diffusion.inspection.grids import writable
    from latent_diffusion.pipeline import Pipeline
    from latent_diffusion.run import Run
    from latent_diffusion.sampling.plan import parse_seeds

    pipe = Pipeline.from_run(run, device)
    writable(out)
    config = pipe.configured(guidance=guidance, steps=steps, sampler=sampler, compute_batch=FEW)
    sheet = variations(
        pipe,
        find_pictures(images, Run.open(run)),
        pipe.labels(names_in(classes)),
        parse_seeds(seeds),
        values(strength, float, "--strength"),
        config,
    )
    sheet.save(out)
    say(f"originals and their variations: {out}")
