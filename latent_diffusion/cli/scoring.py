"""Commands that score: evaluate, statistics, grade, submit, audit, study, sweep."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from latent_diffusion.cli.common import (
    DataFolder,
    Device,
    ExistingRun,
    SamplesFolder,
    app,
    intervals,
    values,
)
from latent_diffusion.progress import Progress, console, say


class Features(StrEnum):
    judge = "judge"
    inception = "inception"
    pixels = "pixels"


FeaturesOption = Annotated[
    Features,
    typer.Option(
        "--features", help="Whose features: the run's judge, Inception-v3 or plain pixels."
    ),
]
Weights = Annotated[
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
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data", help="Prepared data set whose train split to compare with.", show_default=False
    ),
]
Judges = Annotated[
    list[Path] | None,
    typer.Option(
        "--judge", help="Another run, whose judge scores as well; repeatable.", show_default=False
    ),
]


@app.command(epilog="Example: ldm evaluate samples/eurosat --run runs/eurosat")
def evaluate(
    samples: SamplesFolder,
    run: Annotated[Path, typer.Option("--run", help="Run whose data set is the reference.")],
    judge: Annotated[
        Path | None,
        typer.Option(help="Another run, whose judge scores instead.", show_default=False),
    ] = None,
    features: FeaturesOption = Features.judge,
    weights: Weights = None,
    data: DataOption = None,
    reference: ReferenceFile = None,
    device: Device = "auto",
) -> None:
    """Score samples: FID beside its floor, KID, Inception score, precision and recall, coverage, accuracy, sharpness."""
    from latent_diffusion.device import choose_device
    from latent_diffusion.evaluation.lpips import find_lpips
    from latent_diffusion.evaluation.networks import load_network, load_reference
    from latent_diffusion.evaluation.scoring import evaluate as score_images
    from latent_diffusion.evaluation.tables import class_scores_table, scores_table
    from latent_diffusion.run import Run

    opened, other = Run.open(run), Run.open(judge) if judge else None
    network = against = None
    if (features, weights, data, reference) != (Features.judge, None, None, None):
        network = load_network(features, other or opened, weights, device)
        against = load_reference(network, other or opened, data, reference)
    scores = score_images(
        opened, samples, other, device, network, against, find_lpips(None, choose_device(device))
    )
    console.print(scores_table(scores))
    if scores.class_fid:
        console.print(class_scores_table(scores))
    say(f"recorded in {opened.scores_path}")


@app.command(epilog="Example: ldm statistics data/eurosat eurosat.npz --features inception")
def statistics(
    images: Annotated[
        Path,
        typer.Argument(help="Prepared data set (its train split), folder or .zip of pictures."),
    ],
    out: Annotated[Path, typer.Argument(help="The .npz to write.")],
    run: Annotated[
        Path | None,
        typer.Option("--run", help="For --features judge: the run.", show_default=False),
    ] = None,
    features: FeaturesOption = Features.inception,
    weights: Weights = None,
    device: Device = "auto",
) -> None:
    """Write mu and sigma of real images, as pytorch-fid and pytorch_gan_metrics read them."""
    from latent_diffusion.data.reference import Reference
    from latent_diffusion.evaluation.networks import image_statistics, load_network
    from latent_diffusion.run import Run

    if (features == Features.judge) != (run is not None):
        raise ValueError("--run is for --features judge, which needs it: whose judge?")
    size = Reference.open(Run.open(run)).facts.image_size if run else None
    found = image_statistics(
        images, load_network(features, Run.open(run) if run else None, weights, device), size
    )
    found.save(out)
    say(f"statistics of {found.statistics.n} images by {found.network}: {out}")


@app.command(epilog="Example: ldm grade samples/mine --run runs/mine --rubric synth-cute")
def grade(
    samples: SamplesFolder,
    run: Annotated[Path, typer.Option("--run", help="Run whose judge grades.")],
    rubric: Annotated[str, typer.Option("--rubric", help="synth-cute, mnist-hw3, or a TOML file.")],
    judge: Judges = None,
    weights: Weights = None,
    data: DataOption = None,
    reference: ReferenceFile = None,
    course: Annotated[
        Path | None,
        typer.Option(
            "--course",
            help=".npz of what the course's own classifier saw: features, "
            "probabilities, mu, sigma.",
            show_default=False,
        ),
    ] = None,
    device: Device = "auto",
) -> None:
    """Points under a course's rubric, part by part; "unknown" where only the course's own network could tell."""
    from latent_diffusion.evaluation.grading import grade_samples
    from latent_diffusion.evaluation.rubric import Rubric
    from latent_diffusion.evaluation.tables import grade_table

    found = grade_samples(
        Rubric.load(rubric), run, samples, judge or [], weights, data, reference, course, device
    )
    console.print(grade_table(found))


@app.command(epilog="Example: ldm submit runs/mine handin --rubric synth-cute")
def submit(
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="Run to draw from.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Argument(
            metavar="[OUT]",
            help="New folder (or .zip, where the course wants one).",
            show_default=False,
        ),
    ] = None,
    rubric: Annotated[
        str, typer.Option("--rubric", help="synth-cute, mnist-hw3, or a TOML file.")
    ] = "synth-cute",
    favourites: Annotated[
        str | None,
        typer.Option(help="Seeds of your favourites; else the judge chooses.", show_default=False),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(
            help="Build nothing: say every fault of this folder or .zip.", show_default=False
        ),
    ] = None,
    device: Device = "auto",
) -> None:
    """Build and validate what a course wants to be handed in, or check what somebody has."""
    from latent_diffusion.evaluation.rubric import Rubric
    from latent_diffusion.run import Run
    from latent_diffusion.sampling.plan import parse_seeds
    from latent_diffusion.submission import check as find_faults
    from latent_diffusion.submission import submit as build
    from latent_diffusion.submission import to_draw

    rules = Rubric.load(rubric)
    if check:
        if faults := find_faults(check, rules):
            for fault in faults:
                say(fault)
            raise ValueError(f"{check} has {len(faults)} faults under {rules.title}: see above")
        say(f"{check} can be handed in: nothing wrong with it under {rules.title}")
        return
    if not run or not out:
        raise ValueError("name RUN and OUT to build a submission, or --check PATH to check one")
    with Progress("drawing", to_draw(rules, bool(favourites))) as progress:
        built = build(
            Run.open(run),
            out,
            rules,
            parse_seeds(favourites, "--favourites") if favourites else None,
            device,
            progress.advance,
        )
    say(f"{built.path}: valid, and proved to come out the same in another batch size")
    say(
        f"beside it: {', '.join(map(str, built.beside))}"
        + (
            f"; favourites: seeds {', '.join(map(str, built.favourites))}"
            if built.favourites
            else ""
        )
    )


@app.command(epilog="Example: ldm audit samples/eurosat --run runs/eurosat --data data/eurosat")
def audit(
    samples: SamplesFolder,
    data: DataFolder,
    run: Annotated[Path, typer.Option("--run", help="Run whose judge looks.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Where the picture goes; RUN/memorisation.png.", show_default=False),
    ] = None,
    device: Device = "auto",
) -> None:
    """Are samples copies of training images? Nearest training images beside what held-out images have."""
    from latent_diffusion.evaluation.audit import audit_samples
    from latent_diffusion.evaluation.tables import audit_table
    from latent_diffusion.inspection.grids import pairs_grid, writable
    from latent_diffusion.run import Run

    opened, path = Run.open(run), writable(out or run / "memorisation.png")
    found, pairs = audit_samples(opened, data, samples, device)
    console.print(audit_table(found))
    pairs_grid(pairs).save(path)
    say(f"the closest pairs, sample above training image: {path}")


class Study(StrEnum):
    sensitivity = "sensitivity"
    distance = "distance"
    sample_size = "sample-size"
    probe = "probe"


@app.command(epilog="Example: ldm study sensitivity runs/eurosat studies/")
def study(
    name: Annotated[Study, typer.Argument(help="What to study.")],
    run: ExistingRun,
    out: Annotated[Path, typer.Argument(help="Folder for the plot and its numbers.")],
    samples: Annotated[
        Path | None,
        typer.Option(
            help="sample-size: a folder of samples; real images without.", show_default=False
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="probe: the prepared data set.", show_default=False),
    ] = None,
    device: Device = "auto",
) -> None:
    """How scores behave (sensitivity, distance, sample-size), and what the networks have learnt (probe): plots and numbers."""
    from latent_diffusion.studies import run_study

    table, picture = run_study(name.value, run, out, samples, data, device)
    console.print(table)
    say(f"plot: {picture}")


@app.command(epilog="Example: ldm sweep runs/eurosat --guidance 1,1.5,2 --steps 8,14")
def sweep(
    run: ExistingRun,
    out: Annotated[
        Path | None,
        typer.Argument(help="Folder for plots and numbers; RUN/sweep.", show_default=False),
    ] = None,
    guidance: Annotated[
        str | None,
        typer.Option(
            help="Values, separated by commas; some from 1 to 4 where nothing else is named, and for "
            "--by-class.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        str | None,
        typer.Option(help="Values; the run's own for what is not named.", show_default=False),
    ] = None,
    sampler: Annotated[str | None, typer.Option(help="Names.", show_default=False)] = None,
    guidance_interval: Annotated[
        str | None,
        typer.Option(help="Noise levels where guidance acts: all,0.2-5", show_default=False),
    ] = None,
    temperature: Annotated[str | None, typer.Option(help="Values.", show_default=False)] = None,
    epsilon_scale: Annotated[
        str | None,
        typer.Option(
            help="Values by which predicted noise is divided: 1,1.002,1.004", show_default=False
        ),
    ] = None,
    ema: Annotated[
        str | None,
        typer.Option(
            "--ema",
            "--average",
            help="Lengths of the weights' EMA, in a run that kept snapshots.",
            show_default=False,
        ),
    ] = None,
    images: Annotated[int, typer.Option(min=50, help="Samples for each setting.")] = 500,
    by_class: Annotated[
        bool,
        typer.Option(
            "--by-class",
            help="Choose of the guidances tried also one for each class, by the FID of all, and confirm that, too.",
        ),
    ] = False,
    apply: Annotated[
        bool, typer.Option("--apply", help="Make the best setting how the run samples from now on.")
    ] = False,
    device: Device = "auto",
) -> None:
    """Find the best guidance, for all or by class, steps, sampler, … of a run on some seeds, and confirm them on others."""
    from latent_diffusion.run import Run
    from latent_diffusion.studies.sweep.search import sweep as try_all

    given = {
        "guidance": (guidance, float),
        "steps": (steps, int),
        "sampler": (sampler, str),
        "temperature": (temperature, float),
        "epsilon_scale": (epsilon_scale, float),
    }
    settings = {
        name: values(text, kind, f"--{name.replace('_', '-')}")
        for name, (text, kind) in given.items()
        if text
    }
    settings |= {"guidance_interval": intervals(guidance_interval)} if guidance_interval else {}
    table, pictures = try_all(
        Run.open(run),
        out or run / "sweep",
        settings,
        values(ema, float, "--ema") if ema else [],
        images,
        device,
        apply,
        by_class,
    )
    console.print(table)
    say(f"plots: {', '.join(map(str, pictures))}")
    if apply:
        say(f"{run} samples with the best of these from now on")
