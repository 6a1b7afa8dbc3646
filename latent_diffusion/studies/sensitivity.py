"""Do the scores notice? Held-out images spoilt in four ways at eight levels, and their scores.

Called by `ldm study sensitivity`.
"""

from collections.abc import Callable
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
    held_out_images,
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
Disturbance = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def sensitivity(run: Run, plot_path: Path, device: str) -> tuple[dict, Table]:
    """Return numbers {disturbance: {score: [one a level]}} and a table of FID; write the plot."""
    reference = Reference.open(run)
    judge = Judge.load(run, choose_device(device))
    judge.require_classes()
    against = judge_statistics(run, judge)
    images = held_out_images(reference, IMAGES, run)
    yardstick = Yardstick(
        against.statistics,
        neighbours(against, np.array(reference.facts.histogram), len(images)),
        np.zeros(0),
        True,
    )
    disturbances: dict[str, Disturbance] = {
        "Gaussian noise": gaussian_noise,
        "Gaussian blur": gaussian_blur,
        "salt and pepper": salt_and_pepper,
        "foreign crops": ForeignCrops(foreign_images(reference.facts)),
    }
    found: dict[str, dict[str, list]] = {}
    with Progress("spoiling", len(disturbances) * len(LEVELS) * len(images)) as progress:
        for name, disturb in disturbances.items():
            found[name] = {score: [] for score in SCORES}
            for level in LEVELS:
                spoilt = of_array(disturb(images, level, np.random.default_rng(1)))
                scores = yardstick.scores(look(judge, spoilt.batches(), spoilt.count), None)
                for score in SCORES:
                    found[name][score].append(scores.get(score))
                progress.advance(len(images))
    plot(score_panels(found), plot_path, columns=5)
    rises = {name: bool((np.diff(scores["fid"]) > 0).all()) for name, scores in found.items()}
    numbers = {"n": len(images), "levels": list(LEVELS), **found, "rises": rises}
    return numbers, fid_table(len(images), found, rises)


def score_panels(found: dict[str, dict[str, list]]) -> list[Panel]:
    """Return a panel a score, a curve a disturbance."""
    panels = []
    for score, title in SCORES.items():
        curves = [Curve(name, LEVELS, scores[score]) for name, scores in found.items()]
        panels.append(Panel(title, "level of disturbance", title, curves))
    return panels


def fid_table(count: int, found: dict[str, dict[str, list]], rises: dict[str, bool]) -> Table:
    """Return a row a level, and under it whether FID rises from each to the next."""
    table = Table(title=f"FID of {count} held-out images, spoilt")
    for column in ("level", *found):
        table.add_column(column, justify="right")
    for row, level in enumerate(LEVELS):
        fids = (scores["fid"][row] for scores in found.values())
        table.add_row(f"{level:.2f}", *(f"{fid:.2f}" for fid in fids))
    verdicts = (f"{name} {'yes' if up else 'NO'}" for name, up in rises.items())
    table.caption = f"FID rises at every step: {', '.join(verdicts)}"
    return table
