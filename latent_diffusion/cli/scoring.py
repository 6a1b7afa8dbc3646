"""Commands that score: evaluate, statistics."""

from pathlib import Path
from typing import Annotated

import typer

from latent_diffusion.cli.common import app, processes
from latent_diffusion.cli.options import (
    Device,
    Features,
    FeaturesOption,
    InceptionWeights,
    ReferenceData,
    ReferenceFile,
    SamplesFolder,
)
from latent_diffusion.progress import console, say

OtherPictures = Annotated[
    Path | None,
    typer.Argument(
        help="Pictures to compare with, where no run says what is real: folder, .zip or data set.",
        show_default=False,
    ),
]
ReferenceRun = Annotated[
    Path | None,
    typer.Option(
        "--run",
        help="Run whose data set is the reference; with REAL, whose judge looks.",
        show_default=False,
    ),
]
AnyFeatures = Annotated[
    Features | None,
    typer.Option(
        "--features",
        help="Whose features: the run's judge, Inception-v3 or plain pixels. By default the judge; "
        "without a run Inception where --weights are given, else pixels.",
        show_default=False,
    ),
]
OtherJudge = Annotated[
    Path | None,
    typer.Option("--judge", help="Another run, whose judge scores instead.", show_default=False),
]
RealImages = Annotated[
    Path, typer.Argument(help="Prepared data set (its train split), folder or .zip of pictures.")
]
StatisticsFile = Annotated[Path, typer.Argument(help="The .npz to write.")]
StatisticsRun = Annotated[
    Path | None, typer.Option("--run", help="For --features judge: the run.", show_default=False)
]


@app.command(
    epilog="Example: ldm evaluate samples/eurosat --run runs/eurosat "
    "(or two folders: ldm evaluate samples/others data/eurosat)",
    help="Score samples: FID beside its floor, detectability, KID, Inception score, precision and "
    "recall, coverage, accuracy, sharpness.",
)
def evaluate(
    samples: SamplesFolder,
    real: OtherPictures = None,
    run: ReferenceRun = None,
    judge: OtherJudge = None,
    features: AnyFeatures = None,
    weights: InceptionWeights = None,
    data: ReferenceData = None,
    reference: ReferenceFile = None,
    device: Device = "auto",
) -> None:
    """Score samples."""
    from latent_diffusion.evaluation.requests import compare_folders, evaluate_samples
    from latent_diffusion.evaluation.scoring import EVIDENCE
    from latent_diffusion.evaluation.tables import class_scores_table, scores_table
    from latent_diffusion.run import Run

    if real and (judge or data or reference):
        raise ValueError(
            f"{samples} is compared with {real}: leave out --data and --reference, and name a "
            "judge by --run"
        )
    with processes(device) as world:
        own = str(world.device)
        if real:
            found = compare_folders(samples, real, run, features, weights, own)
            console.print(scores_table(found))
            return
        if run is None:
            raise ValueError(
                "say what is real: --run RUN, or a second folder (ldm evaluate SAMPLES REAL)"
            )
        opened = Run.open(run)
        asked = features or Features.judge
        scores = evaluate_samples(opened, samples, judge, asked, weights, data, reference, own)
        console.print(scores_table(scores))
        if scores.class_fid:
            console.print(class_scores_table(scores))
        if opened.has_recorded:
            say(f"recorded in {opened.scores_path}")
        if scores.detected and (opened.folder / EVIDENCE).is_file():
            say(f"what gives samples away: {opened.folder / EVIDENCE}")


@app.command(epilog="Example: ldm statistics data/eurosat eurosat.npz --features inception")
def statistics(
    images: RealImages,
    out: StatisticsFile,
    run: StatisticsRun = None,
    features: FeaturesOption = Features.inception,
    weights: InceptionWeights = None,
    device: Device = "auto",
) -> None:
    """Write mu and sigma of real images, as pytorch-fid and pytorch_gan_metrics read them."""
    from latent_diffusion.evaluation.requests import write_statistics

    with processes(device) as world:
        found = write_statistics(images, out, run, features, weights, str(world.device))
        say(f"statistics of {found.statistics.n} images by {found.network}: {out}")
