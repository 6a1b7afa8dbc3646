"""Commands for what a course wants: grade, submit."""

from pathlib import Path
from typing import Annotated

import typer

from latent_diffusion.cli.common import app
from latent_diffusion.cli.options import (
    Device,
    InceptionWeights,
    ReferenceData,
    ReferenceFile,
    SamplesFolder,
)
from latent_diffusion.progress import Progress, console, say

RubricName = Annotated[str, typer.Option("--rubric", help="synth-cute, mnist-hw3, or a TOML file.")]
GradingRun = Annotated[Path, typer.Option("--run", help="Run whose judge grades.")]
FurtherJudges = Annotated[
    list[Path] | None,
    typer.Option(
        "--judge", help="Another run, whose judge scores as well; repeatable.", show_default=False
    ),
]
CourseFile = Annotated[
    Path | None,
    typer.Option(
        "--course",
        help=".npz of what the course's own classifier saw: features, probabilities, mu, sigma.",
        show_default=False,
    ),
]
SubmittingRun = Annotated[
    Path | None, typer.Argument(metavar="[RUN]", help="Run to draw from.", show_default=False)
]
SubmissionOut = Annotated[
    Path | None,
    typer.Argument(
        metavar="[OUT]",
        help="New folder (or .zip, where the course wants one).",
        show_default=False,
    ),
]
Favourites = Annotated[
    str | None,
    typer.Option(
        "--favourites",
        help="Seeds of your favourites; else the judge chooses.",
        show_default=False,
    ),
]
Checked = Annotated[
    Path | None,
    typer.Option(
        "--check", help="Build nothing: say every fault of this folder or .zip.", show_default=False
    ),
]


@app.command(
    epilog="Example: ldm grade samples/mine --run runs/mine --rubric synth-cute",
    help="Points under a course's rubric, part by part; \"unknown\" where only the course's own "
    "network could tell.",
)
def grade(
    samples: SamplesFolder,
    run: GradingRun,
    rubric: RubricName,
    judge: FurtherJudges = None,
    weights: InceptionWeights = None,
    data: ReferenceData = None,
    reference: ReferenceFile = None,
    course: CourseFile = None,
    device: Device = "auto",
) -> None:
    """Grade samples."""
    from latent_diffusion.evaluation.grading import grade_samples
    from latent_diffusion.evaluation.rubric import Rubric
    from latent_diffusion.evaluation.tables import grade_table

    rules = Rubric.load(rubric)
    found = grade_samples(
        rules, run, samples, judge or [], weights, data, reference, course, device
    )
    console.print(grade_table(found))


@app.command(epilog="Example: ldm submit runs/mine handin --rubric synth-cute")
def submit(
    run: SubmittingRun = None,
    out: SubmissionOut = None,
    rubric: RubricName = "synth-cute",
    favourites: Favourites = None,
    check: Checked = None,
    device: Device = "auto",
) -> None:
    """Build and validate what a course wants to be handed in, or check what somebody has."""
    from latent_diffusion.evaluation.rubric import Rubric
    from latent_diffusion.run import Run
    from latent_diffusion.sampling.plan import parse_seeds
    from latent_diffusion.submission.building import submit as build
    from latent_diffusion.submission.building import to_draw
    from latent_diffusion.submission.checking import require_faultless

    rules = Rubric.load(rubric)
    if check:
        require_faultless(check, rules)
        say(f"{check} can be handed in: nothing wrong with it under {rules.title}")
        return
    if not run or not out:
        raise ValueError("name RUN and OUT to build a submission, or --check PATH to check one")
    opened = Run.open(run)
    chosen = parse_seeds(favourites, "--favourites") if favourites else None
    with Progress("drawing", to_draw(rules, bool(chosen))) as progress:
        built = build(opened, out, rules, chosen, device, progress.advance)
    say(built.summary())
