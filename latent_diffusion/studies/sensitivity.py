"""Do the scores notice? Held-out images spoilt in four ways at eight levels, and what each score makes of them."""

from pathlib import Path

import numpy as np
from rich.table import Table

from latent_diffusion.data.foreign import foreign_images
from latent_diffusion.data.reference import Reference
from latent_diffusion.device import choose_device
from latent_diffusion.evaluation.features import look
from latent_diffusion.evaluation.judge import Judge, judge_statistics
from latent_diffusion.evaluation.sources import of_array
from latent_diffusion.evaluation.targets import neighbours
from latent_diffusion.evaluation.yardstick import Yardstick
from latent_diffusion.inspection.plots import Curve, Panel, plot
from latent_diffusion.progress import Progress
from latent_diffusion.run import Run
from latent_diffusion.studies.disturbances import (
    LEVELS,
    ForeignCrops,
    gaussian_blur,
    gaussian_noise,
    salt_and_pepper,
)

IMAGES = 1_000
SCORES = {
    "fid": "FID",
    "kid": "KID",
    "inception_score": "Inception score",
    "precision": "precision",
    "recall": "recall",
}


def sensitivity(run: Run, picture: Path, device: str) -> tuple[dict, Table]:
    """Numbers {disturbance: {score: [one a level]}}, a table of FID, and a plot of all scores."""
    reference, judge = Reference.open(run), Judge.load(run, choose_device(device))
    against = judge_statistics(run, judge)
    images = np.random.default_rng(0).permutation(reference.held_out(IMAGES)[0])[:IMAGES]
    if len(images) < 10:
        raise ValueError(
            f"{run.folder} keeps {len(images)} held-out images: a study needs at least 10"
        )
    yardstick = Yardstick(
        against.statistics,
        neighbours(against, np.array(reference.facts.histogram), len(images)),
        np.zeros(0),
        True,
    )
    crops = ForeignCrops(foreign_images(reference.facts))
    disturbances = {
        "Gaussian noise": gaussian_noise,
        "Gaussian blur": gaussian_blur,
        "salt and pepper": salt_and_pepper,
        "foreign crops": crops,
    }
    numbers: dict = {"n": len(images), "levels": list(LEVELS)}
    with Progress("spoiling", len(disturbances) * len(LEVELS) * len(images)) as progress:
        for name, disturb in disturbances.items():
            numbers[name] = {score: [] for score in SCORES}
            for level in LEVELS:
                spoilt = of_array(disturb(images, level, np.random.default_rng(1)))
                found = yardstick.scores(look(judge, spoilt.batches(), spoilt.count), None)
                for score in SCORES:
                    numbers[name][score].append(found.get(score))
                progress.advance(len(images))
    panels = [
        Panel(
            title,
            "level of disturbance",
            title,
            [Curve(name, LEVELS, numbers[name][score]) for name in disturbances],
        )
        for score, title in SCORES.items()
    ]
    plot(panels, picture, columns=5)
    table = Table(title=f"FID of {len(images)} held-out images, spoilt")
    for column in ("level", *disturbances):
        table.add_column(column, justify="right")
    for row, level in enumerate(LEVELS):
        table.add_row(
            f"{level:.2f}", *(f"{numbers[name]['fid'][row]:.2f}" for name in disturbances)
        )
    rising = {name: bool((np.diff(numbers[name]["fid"]) > 0).all()) for name in disturbances}
    table.caption = "FID rises at every step: " + ", ".join(
        f"{name} {'yes' if up else 'NO'}" for name, up in rising.items()
    )
    return numbers | {"rises": rising}, table
