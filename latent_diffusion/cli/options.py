"""Options that several commands share, and what is read from their text."""

import csv
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from latent_diffusion.sampling.samplers import SAMPLERS

Value = TypeVar("Value")

PICTURES = (
    "a file, a folder, class:NAME (the run's held-out images of it) or class:NAME/3 "
    "(number 3 of them)"
)


class Precision(StrEnum):
    """What --precision may be."""

    auto = "auto"
    bfloat16 = "bfloat16"
    float32 = "float32"


class Features(StrEnum):
    """What --features may be."""

    judge = "judge"
    inception = "inception"
    pixels = "pixels"


ExistingRun = Annotated[Path, typer.Argument(metavar="RUN", help="Run directory of a training.")]
SamplesFolder = Annotated[
    Path, typer.Argument(help="Folder of samples, .zip of pictures, or prepared data set.")
]
MovingPicture = Annotated[Path, typer.Argument(help="Picture to write; a .gif or .webp moves.")]

DataFolder = Annotated[Path, typer.Option("--data", help="Prepared data set (ldm prepare).")]
Device = Annotated[str, typer.Option("--device", help="auto, cuda, mps or cpu.")]
PrecisionOption = Annotated[
    Precision,
    typer.Option(
        "--precision",
        help="auto: in trainings bfloat16 where it is faster, in samples the training's.",
    ),
]

Classes = Annotated[
    str | None,
    typer.Option(
        "--classes", help="Class names, separated by commas; all by default.", show_default=False
    ),
]
Guidance = Annotated[
    float | None,
    typer.Option(
        "--guidance",
        help="Classifier-free guidance, for all classes; 1 is none.",
        show_default=False,
    ),
]
ClassGuidance = Annotated[
    list[str] | None,
    typer.Option(
        "--class-guidance",
        metavar="NAME=VALUE",
        show_default=False,
        help="Guidance of a class that needs another than the rest; repeatable.",
    ),
]
Steps = Annotated[int | None, typer.Option("--steps", help="Sampler steps.", show_default=False)]
Sampler = Annotated[
    str | None, typer.Option("--sampler", help=f"{', '.join(SAMPLERS)}.", show_default=False)
]
GuidanceInterval = Annotated[
    str | None,
    typer.Option(
        "--guidance-interval",
        help="Noise levels where guidance acts, such as 0.2-5; or all.",
        show_default=False,
    ),
]
Temperature = Annotated[
    float | None,
    typer.Option(
        "--temperature",
        help="Size of the noise; below 1 more typical, less varied.",
        show_default=False,
    ),
]
EpsilonScale = Annotated[
    float | None,
    typer.Option(
        "--epsilon-scale",
        help="The predicted noise is divided by this; 1.003 is a little sharper.",
        show_default=False,
    ),
]
EmaLength = Annotated[
    float | None,
    typer.Option(
        "--ema",
        "--average",  # what it was called before
        help="Length of the weights' EMA, in a run that kept snapshots.",
        show_default=False,
    ),
]
Fast = Annotated[
    bool,
    typer.Option("--fast", help="By the student (ldm distill), in 1 to 4 network evaluations."),
]
FeaturesOption = Annotated[
    Features,
    typer.Option(
        "--features", help="Whose features: the run's judge, Inception-v3 or plain pixels."
    ),
]
InceptionWeights = Annotated[
    Path | None,
    typer.Option(
        "--weights", help="Inception-v3's weights; else the torch cache.", show_default=False
    ),
]
ReferenceFile = Annotated[
    Path | None,
    typer.Option(
        "--reference",
        help="Statistics (.npz with mu and sigma) to compare with.",
        show_default=False,
    ),
]
ReferenceData = Annotated[
    Path | None,
    typer.Option(
        "--data", help="Prepared data set whose train split to compare with.", show_default=False
    ),
]


def values(
    text: str, kind: Callable[[str], Value], option: str, example: str = "1,1.5,2"
) -> list[Value]:
    """Return the values of "1,1.5,2"; ValueError, naming the option, where `kind` refuses one."""
    try:
        return [kind(part.strip()) for part in text.split(",")]
    except ValueError:
        raise ValueError(
            f"{option} {text!r} must be values separated by commas, such as {example}"
        ) from None


def intervals(text: str) -> list[tuple[float, float] | str]:
    """Return the intervals of --guidance-interval: "all,0.2-5" -> ["all", (0.2, 5.0)].

    Raise ValueError for anything else.
    """
    return values(text, one_interval, "--guidance-interval", "0.2-5 or all")


def one_interval(text: str) -> tuple[float, float] | str:
    """Return one interval: "0.2-5" -> (0.2, 5.0), or "all"; ValueError for anything else."""
    if text == "all":
        return text
    low, _, high = text.partition("-")
    return float(low), float(high)


def single_interval(text: str | None) -> tuple[float, float] | str | None:
    """Return the interval of a --guidance-interval that takes one, None for none.

    Raise ValueError for several.
    """
    if not text:
        return None
    found = intervals(text)
    if len(found) > 1:
        raise ValueError(
            f"--guidance-interval {text!r} must be one interval here, such as 0.2-5 or all"
        )
    return found[0]


def by_name(settings: list[str] | None) -> dict[str, float] | None:
    """Return the numbers of --class-guidance: ["cat=2"] -> {"cat": 2.0}, None for none.

    Raise ValueError for anything else.
    """
    found = {}
    for setting in settings or ():
        name, equals, number = setting.rpartition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            equals = ""
        if not equals:
            raise ValueError(
                f"--class-guidance {setting!r} must be a class and a number, such as cat=2"
            )
    return found or None


def names_in(text: str | None) -> list[str] | None:
    """Return the class names of --classes, None for all.

    A name with a comma stands in double quotes.
    """
    if not text:
        return None
    return [name.strip() for name in next(csv.reader([text], skipinitialspace=True))]
