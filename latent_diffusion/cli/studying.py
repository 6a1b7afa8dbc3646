"""Commands that ask questions of a trained run: audit, study, sweep."""

from collections.abc import Callable
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from latent_diffusion.cli.common import app
from latent_diffusion.cli.options import (
    DataFolder,
    Device,
    ExistingRun,
    SamplesFolder,
    intervals,
    values,
)
from latent_diffusion.progress import console, say


class Study(StrEnum):
    """What `ldm study` may study."""

    sensitivity = "sensitivity"
    distance = "distance"
    sample_size = "sample-size"
    probe = "probe"
    faults = "faults"
    blind = "blind"


AuditingRun = Annotated[Path, typer.Option("--run", help="Run whose judge looks.")]
AuditPicture = Annotated[
    Path | None,
    typer.Option("--out", help="Where the picture goes; RUN/memorisation.png.", show_default=False),
]
StudyName = Annotated[Study, typer.Argument(help="What to study.")]
StudyOut = Annotated[Path, typer.Argument(help="Folder for the plot and its numbers.")]
StudiedSamples = Annotated[
    Path | None,
    typer.Option(
        "--samples",
        help="sample-size, blind: a folder of samples; real images, and fresh samples, without.",
        show_default=False,
    ),
]
StudiedImages = Annotated[
    int | None,
    typer.Option("--images", min=20, help="faults: images that are spoilt.", show_default=False),
]
BlindSheet = Annotated[
    int, typer.Option("--sheet", min=1, help="blind: which sheet; they share no picture.")
]
BlindAnswers = Annotated[
    str | None,
    typer.Option(
        "--answers",
        help="blind: numbers of the pictures on the sheet that are real: 1,4,9-12",
        show_default=False,
    ),
]
ProbedData = Annotated[
    Path | None,
    typer.Option("--data", help="probe: the prepared data set.", show_default=False),
]
SweepOut = Annotated[
    Path | None,
    typer.Argument(help="Folder for plots and numbers; RUN/sweep.", show_default=False),
]
Guidances = Annotated[
    str | None,
    typer.Option(
        "--guidance",
        help="Values, separated by commas; some from 1 to 4 where nothing else is named, and for "
        "--by-class.",
        show_default=False,
    ),
]
StepCounts = Annotated[
    str | None,
    typer.Option(
        "--steps", help="Values; the run's own for what is not named.", show_default=False
    ),
]
Samplers = Annotated[str | None, typer.Option("--sampler", help="Names.", show_default=False)]
GuidanceIntervals = Annotated[
    str | None,
    typer.Option(
        "--guidance-interval",
        help="Noise levels where guidance acts: all,0.2-5",
        show_default=False,
    ),
]
Temperatures = Annotated[
    str | None, typer.Option("--temperature", help="Values.", show_default=False)
]
EpsilonScales = Annotated[
    str | None,
    typer.Option(
        "--epsilon-scale",
        help="Values by which predicted noise is divided: 1,1.002,1.004",
        show_default=False,
    ),
]
EmaLengths = Annotated[
    str | None,
    typer.Option(
        "--ema",
        "--average",  # what it was called before
        help="Lengths of the weights' EMA, in a run that kept snapshots.",
        show_default=False,
    ),
]
SweepImages = Annotated[int, typer.Option("--images", min=50, help="Samples for each setting.")]
ByClass = Annotated[
    bool,
    typer.Option(
        "--by-class",
        help="Choose of the guidances tried also one for each class, by the FID of all, and "
        "confirm that, too.",
    ),
]


class By(StrEnum):
    """What a sweep goes by."""

    fid = "fid"
    detectability = "detectability"


SearchedBy = Annotated[By, typer.Option("--by", help="The score that is to be least.")]
Apply = Annotated[
    bool, typer.Option("--apply", help="Make the best setting how the run samples from now on.")
]


@app.command(
    epilog="Example: ldm audit samples/eurosat --run runs/eurosat --data data/eurosat",
    help="Are samples copies of training images? Nearest training images beside what held-out "
    "images have.",
)
def audit(
    samples: SamplesFolder,
    data: DataFolder,
    run: AuditingRun,
    out: AuditPicture = None,
    device: Device = "auto",
) -> None:
    """Look for copies of training images."""
    from latent_diffusion.evaluation.requests import write_audit
    from latent_diffusion.evaluation.tables import audit_table
    from latent_diffusion.run import check_writable

    check_writable(out or run / "memorisation.png", "give another place to write to with --out")
    found, path = write_audit(run, data, samples, out, device)
    console.print(audit_table(found))
    say(f"the closest pairs, sample above training image: {path}")


@app.command(
    epilog="Example: ldm study sensitivity runs/eurosat studies/",
    help="How scores behave (faults, sensitivity, distance, sample-size), what the networks have "
    "learnt (probe), and whether people can tell samples from real pictures (blind).",
)
def study(
    name: StudyName,
    run: ExistingRun,
    out: StudyOut,
    samples: StudiedSamples = None,
    data: ProbedData = None,
    images: StudiedImages = None,
    sheet: BlindSheet = 1,
    answers: BlindAnswers = None,
    device: Device = "auto",
) -> None:
    """Do one study of a run."""
    from latent_diffusion.run import Run
    from latent_diffusion.studies import run_study
    from latent_diffusion.studies.blind import blind

    if name is Study.blind:
        if data or images:
            raise ValueError("--data and --images are for other studies than blind")
        found, picture = blind(Run.open(run), out, samples, device, sheet, answers)
    elif answers or sheet != 1:
        raise ValueError(f"--sheet and --answers are for blind, and this is {name.value}")
    else:
        found, picture = run_study(name.value, run, out, samples, data, device, images)
    console.print(found)
    say(f"picture: {picture}")


@app.command(
    epilog="Example: ldm sweep runs/eurosat --guidance 1,1.5,2 --steps 8,14",
    help="Find the best guidance, for all or by class, steps, sampler, … of a run on some seeds, "
    "and confirm them on others.",
)
def sweep(
    run: ExistingRun,
    out: SweepOut = None,
    guidance: Guidances = None,
    steps: StepCounts = None,
    sampler: Samplers = None,
    guidance_interval: GuidanceIntervals = None,
    temperature: Temperatures = None,
    epsilon_scale: EpsilonScales = None,
    ema: EmaLengths = None,
    images: SweepImages = 500,
    by: SearchedBy = By.fid,
    by_class: ByClass = False,
    apply: Apply = False,
    device: Device = "auto",
) -> None:
    """Sweep sampling settings."""
    from latent_diffusion.lock import locked
    from latent_diffusion.run import Run, check_writable
    from latent_diffusion.studies.sweep.search import sweep as try_all

    settings = {
        "guidance": swept(guidance, float, "--guidance"),
        "steps": swept(steps, int, "--steps"),
        "sampler": swept(sampler, str, "--sampler"),
        "temperature": swept(temperature, float, "--temperature"),
        "epsilon_scale": swept(epsilon_scale, float, "--epsilon-scale"),
        "guidance_interval": intervals(guidance_interval) if guidance_interval else [],
    }
    tried = {name: found for name, found in settings.items() if found}
    ema_lengths = swept(ema, float, "--ema")
    opened, folder = Run.open(run), out or run / "sweep"
    check_writable(folder / "sweep.json")
    with locked(opened.lock_path) if apply else nullcontext():
        found, pictures = try_all(
            opened, folder, tried, ema_lengths, images, device, apply, by_class, by.value
        )
    console.print(found)
    say(f"plots: {', '.join(map(str, pictures))}")
    if apply:
        say(f"{run} samples with the best of these from now on")


def swept(text: str | None, kind: Callable[[str], Any], option: str) -> list[Any]:
    """Return the values that an option names, none where it is not given."""
    return values(text, kind, option) if text else []
