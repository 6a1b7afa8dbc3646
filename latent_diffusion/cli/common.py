"""What all commands share: the application, options in common, and `main`, which turns failures into one line."""

import csv
import os
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from latent_diffusion import __version__
from latent_diffusion.run import Interrupted
from latent_diffusion.sampling.samplers import SAMPLERS

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Latent diffusion that anyone can train from scratch on their own images.\n\n"
    "Try it: [bold]ldm demo[/bold]. Your own pictures: prepare, train-autoencoder, train-classifier, "
    "train-diffusion, sample, evaluate.\n\nWith --debug any command shows where an error arose.",
)


def show_version(asked: bool) -> None:
    """Print the version and stop, where `--version` asks for it."""
    if asked:
        print(f"latent-diffusion {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=show_version, is_eager=True),
    ] = False,
) -> None:
    # Options of `ldm` itself, which act by their callbacks. A docstring would replace the help above.
    pass


DataFolder = Annotated[Path, typer.Option("--data", help="Prepared data set (ldm prepare).")]
RunFolder = Annotated[Path, typer.Option("--run", help="Run directory; made if it is not there.")]
ExistingRun = Annotated[Path, typer.Argument(metavar="RUN", help="Run directory of a training.")]
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
        "--average",
        help="Length of the weights' EMA, in a run that kept snapshots.",
        show_default=False,
    ),
]
Sampler = Annotated[
    str | None, typer.Option("--sampler", help=f"{', '.join(SAMPLERS)}.", show_default=False)
]
PICTURES = "a file, a folder, class:NAME (the run's held-out images of it) or class:NAME/3 (number 3 of them)"
SamplesFolder = Annotated[
    Path, typer.Argument(help="Folder of samples, .zip of pictures, or prepared data set.")
]


class Precision(StrEnum):
    auto = "auto"
    bfloat16 = "bfloat16"
    float32 = "float32"


Device = Annotated[str, typer.Option("--device", help="auto, cuda, mps or cpu.")]
PrecisionOption = Annotated[
    Precision,
    typer.Option(
        "--precision",
        help="auto: in trainings bfloat16 where it is faster, in samples the training's.",
    ),
]


def values(text: str, kind: Callable[[str], Any], option: str, example: str = "1,1.5,2") -> list:
    try:
        return [kind(part.strip()) for part in text.split(",")]
    except ValueError:
        raise ValueError(
            f"{option} {text!r} must be values separated by commas, such as {example}"
        ) from None


def intervals(text: str) -> list[tuple[float, float] | str]:
    """Of --guidance-interval: "all,0.2-5" -> ["all", (0.2, 5.0)]. ValueError for anything else."""

    def one(part: str) -> tuple[float, float] | str:
        low, _, high = part.partition("-")
        return part if part == "all" else (float(low), float(high))

    return values(text, one, "--guidance-interval", "0.2-5 or all")


def by_name(settings: list[str] | None) -> dict[str, float] | None:
    """Of --class-guidance: ["cat=2"] -> {"cat": 2.0}. ValueError for anything else."""
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


def one_interval(text: str | None) -> tuple[float, float] | str | None:
    if text and len(intervals(text)) > 1:
        raise ValueError(
            f"--guidance-interval {text!r} must be one interval here, such as 0.2-5 or all"
        )
    return intervals(text)[0] if text else None


def names_in(text: str | None) -> list[str] | None:
    """Class names of --classes, or None for all; a name with a comma stands in double quotes."""
    return (
        [name.strip() for name in next(csv.reader([text], skipinitialspace=True))] if text else None
    )


def main() -> None:
    """Run a command: exit status 0 done, 2 a user's mistake in one line, 130 interrupted with everything saved."""
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        status = app(standalone_mode=False)
        if status == 130:  # how typer reports Ctrl-C
            fail("interrupted", 130)
        if isinstance(status, int):
            sys.exit(status)
    except (KeyboardInterrupt, typer.Abort):
        fail("interrupted", 130)
    except Interrupted as stop:
        fail(str(stop), 130)
    except (
        Exception
    ) as error:  # a defect of ours keeps its traceback; what a user can put right gets one line
        if hasattr(error, "format_message"):  # typer's own refusals of options and arguments
            fail(error.format_message() or "name a command", 2)
        if "out of memory" in str(error).lower() and not debug:
            fail(
                "out of memory: try a smaller batch_size for a training, a smaller sampling.compute_batch for samples",
                2,
            )
        if debug or not isinstance(error, (ValueError, OSError)):
            raise
        fail(f"{error} (--debug shows where)", 2)


def fail(text: str, status: int) -> None:
    rank = os.environ.get("RANK", "0")
    print(
        f"ldm: {'' if rank == '0' else f'[rank {rank}] '}{' '.join(text.split())}", file=sys.stderr
    )
    sys.exit(status)
