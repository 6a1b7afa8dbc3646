"""Commands that score: evaluate, statistics."""

from pathlib import Path
from typing import Annotated

import typer

from latent_diffusion.cli.common import app
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

ReferenceRun = Annotated[Path, typer.Option("--run", help="Run whose data set is the reference.")]
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
    epilog="Example: ldm evaluate samples/eurosat --run runs/eurosat",
    help="Score samples: FID beside its floor, detectability, KID, Inception score, precision and "
    "recall, coverage, accuracy, sharpness.",
)
def evaluate(
    samples: SamplesFolder,
    run: ReferenceRun,
    judge: OtherJudge = None,
    features: FeaturesOption = Features.judge,
    weights: InceptionWeights = None,
    data: ReferenceData = None,
    reference: ReferenceFile = None,
    device: Device = "auto",
) -> None:
    """Score samples."""
    from latent_diffusion.evaluation.requests import evaluate_samples
    from latent_diffusion.evaluation.scoring import EVIDENCE
    from latent_diffusion.evaluation.tables import class_scores_table, scores_table
    from latent_diffusion.run import Run

    opened = Run.open(run)
    scores = evaluate_samples(opened, samples, judge, features, weights, data, reference, device)
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

    found = write_statistics(images, out, run, features, weights, device)
    say(f"statistics of {found.statistics.n} images by {found.network}: {out}")
