"""Commands that explore a run's latent space: interpolate, arithmetic, invert, vary."""

from pathlib import Path
from typing import Annotated

import typer

from latent_diffusion.cli.common import app
from latent_diffusion.cli.options import (
    PICTURES,
    Classes,
    Device,
    ExistingRun,
    Guidance,
    MovingPicture,
    Sampler,
    Steps,
    names_in,
    values,
)
from latent_diffusion.exploration import INVERSION_STEPS
from latent_diffusion.progress import console, say

StillPicture = Annotated[Path, typer.Argument(help="Picture to write.")]
WalkSeeds = Annotated[
    str | None,
    typer.Option(
        "--seeds",
        help="One or two, such as 3,7; 1,2 by default, 1 between classes.",
        show_default=False,
    ),
]
WalkClasses = Annotated[
    str | None,
    typer.Option(
        "--classes",
        help="One, or two to walk between; by default a walk in every class.",
        show_default=False,
    ),
]
WalkImages = Annotated[
    tuple[str, str] | None,
    typer.Option(
        "--images",
        metavar="A B",
        show_default=False,
        help="Two real images to walk between: files or class:NAME/3. --classes says what they "
        "show.",
    ),
]
Frames = Annotated[
    int, typer.Option("--frames", min=2, help="Images of a walk, its ends among them.")
]
SetA = Annotated[list[str], typer.Option("--a", help=f"A set of images: {PICTURES}; repeatable.")]
SetB = Annotated[list[str], typer.Option("--b", help="The set to subtract, in the same ways.")]
SetC = Annotated[
    list[str] | None, typer.Option("--c", help="Where to begin; b without it.", show_default=False)
]
Alpha = Annotated[
    str, typer.Option("--alpha", help="Weights of the direction a - b, separated by commas.")
]
InvertedImages = Annotated[
    list[str] | None,
    typer.Argument(
        help=f"Images, each {PICTURES}; held-out images by default.", show_default=False
    ),
]
InvertedClasses = Annotated[
    str | None,
    typer.Option(
        "--classes",
        help="What the images show: one class for all, or one each; files have none by default.",
        show_default=False,
    ),
]
InvertedRows = Annotated[
    int, typer.Option("--rows", min=1, help="Held-out images, where none are named.")
]
InversionGuidance = Annotated[
    float,
    typer.Option(
        "--guidance",
        min=0,
        help="1 by default: that is the ODE of the data itself; any other leads from noise to "
        "other images than real ones.",
    ),
]
InversionSteps = Annotated[
    int, typer.Option("--steps", min=1, help="Steps of Heun's method, each way.")
]
VariedImages = Annotated[list[str], typer.Argument(help=f"Images, each {PICTURES}.")]
Strengths = Annotated[
    str,
    typer.Option(
        "--strength",
        help="Shares of noise t, separated by commas: near 0 keeps the image, 1 nothing of it; "
        "the noise level is t / (1 - t).",
    ),
]
NoiseSeeds = Annotated[str, typer.Option("--seeds", help="Of the noise; each gives a row.")]


@app.command(
    epilog="Example: ldm interpolate runs/demo walk.png --seeds 3,7 or: ldm interpolate runs/demo "
    "walk.gif --classes dog,cat --frames 24 or: ldm interpolate runs/demo walk.png --images a.png "
    "b.png"
)
def interpolate(
    run: ExistingRun,
    out: MovingPicture,
    seeds: WalkSeeds = None,
    classes: WalkClasses = None,
    images: WalkImages = None,
    frames: Frames = 9,
    guidance: Guidance = None,
    steps: Steps = None,
    sampler: Sampler = None,
    device: Device = "auto",
) -> None:
    """Smooth walks between two seeds, two classes (or both at once), or two real images.

    The ends are what ldm sample draws; between them noise is turned along the arc, and classes are
    blended.
    """
    from latent_diffusion.exploration.interpolation import WalkRequest, write_walks

    sampling = {"guidance": guidance, "steps": steps, "sampler": sampler}
    request = WalkRequest(seeds, names_in(classes), images, frames, sampling)
    count = write_walks(run, out, request, device)
    say(f"{count} walk{'s' if count > 1 else ''} of {frames} frames: {out}")


@app.command(
    epilog="Example: ldm arithmetic runs/demo out.png --a smiling/ --b neutral/ --c cat.png or: "
    "ldm arithmetic runs/demo out.png --a class:dog --b class:cat --c class:cat/3 "
    "--alpha -1,0,0.5,1"
)
def arithmetic(
    run: ExistingRun,
    out: StillPicture,
    a: SetA,
    b: SetB,
    c: SetC = None,
    alpha: Alpha = "-1,0,1,2",
    device: Device = "auto",
) -> None:
    """c + alpha (a - b) with the mean latents of image sets, decoded; alpha 1 is a - b + c.

    Latents keep positions: the mean of images that are not aligned is a blur.
    """
    from latent_diffusion.exploration.arithmetic import write_arithmetic

    write_arithmetic(run, out, a, b, c, values(alpha, float, "--alpha"), device)
    say(f"the means of the sets, and the way along alpha: {out}")


@app.command(
    epilog="Example: ldm invert runs/eurosat inverted.png or: ldm invert runs/demo inverted.png "
    "cat.png dog.png --classes cat,dog",
    help="Real images to noise by the ODE run backwards, and back again: what is lost, and how "
    "Gaussian is the noise?",
)
def invert(
    run: ExistingRun,
    out: StillPicture,
    images: InvertedImages = None,
    classes: InvertedClasses = None,
    rows: InvertedRows = 8,
    guidance: InversionGuidance = 1.0,
    steps: InversionSteps = INVERSION_STEPS,
    device: Device = "auto",
) -> None:
    """Take real images to noise and back."""
    from latent_diffusion.exploration.inversion import write_round_trip

    names = names_in(classes)
    lost = write_round_trip(run, out, images, names, rows, guidance, steps, device)
    console.print(lost)
    say(f"picture: {out}")


@app.command(
    epilog="Example: ldm vary runs/demo varied.png dog.png --classes cat --strength 0.6 or: "
    "ldm vary runs/demo varied.png class:dog/3 --classes cat,frog --seeds 1-3",
    help="Noise real images to a level and denoise them under another class: coarse from one, "
    "fine from the other.",
)
def vary(
    run: ExistingRun,
    out: StillPicture,
    images: VariedImages,
    classes: Classes = None,
    strength: Strengths = "0.4,0.6,0.7,0.8,0.9",
    seeds: NoiseSeeds = "1",
    guidance: Guidance = None,
    steps: Steps = None,
    sampler: Sampler = None,
    device: Device = "auto",
) -> None:
    """Vary real images."""
    from latent_diffusion.exploration.variation import write_variations
    from latent_diffusion.sampling.plan import parse_seeds

    write_variations(
        run,
        out,
        images,
        names_in(classes),
        parse_seeds(seeds),
        values(strength, float, "--strength"),
        device,
        guidance=guidance,
        steps=steps,
        sampler=sampler,
    )
    say(f"originals and their variations: {out}")
