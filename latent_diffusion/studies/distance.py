"""Why not compare pixels? A shift by one pixel, which nobody sees, measured in pixels and in the judge's features."""

from pathlib import Path

import numpy as np
from rich.table import Table

from latent_diffusion.data.reference import Reference
from latent_diffusion.device import choose_device
from latent_diffusion.evaluation.features import look
from latent_diffusion.evaluation.judge import Judge
from latent_diffusion.evaluation.sources import of_array
from latent_diffusion.inspection.plots import Curve, Panel, plot
from latent_diffusion.run import Run

IMAGES, MOST = 500, 8  # pixels of shift


def distance(run: Run, picture: Path, device: str) -> tuple[dict, Table]:
    """Mean distance of an image to its shifted self, in units of the distance of two different images."""
    judge = Judge.load(run, choose_device(device))
    held_out, _ = Reference.open(run).held_out(IMAGES)
    images = np.random.default_rng(0).permutation(held_out)[:IMAGES]
    if len(images) < 10:
        raise ValueError(
            f"{run.folder} keeps {len(images)} held-out images: a study needs at least 10"
        )

    def views(batch: np.ndarray) -> dict[str, np.ndarray]:
        source = of_array(batch)
        return {
            "pixels": batch.reshape(len(batch), -1) / 255,
            "features": look(judge, source.batches(), source.count).features,
        }

    def mean_distance(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.linalg.norm(a - b, axis=1).mean())

    still = views(images)
    others = {name: mean_distance(view, np.roll(view, 1, axis=0)) for name, view in still.items()}
    shifts = range(MOST + 1)
    numbers: dict = {"n": len(images), "shift": list(shifts), "pixels": [], "features": []}
    for shift in shifts:
        padded = np.pad(images, ((0, 0), (0, 0), (shift, 0), (0, 0)), mode="edge")[
            :, :, : images.shape[2]
        ]
        for name, view in views(padded).items():
            numbers[name].append(mean_distance(still[name], view) / others[name])
    curves = [Curve(name, numbers["shift"], numbers[name]) for name in ("pixels", "features")]
    plot(
        [
            Panel(
                "an image and itself, shifted",
                "pixels of shift",
                "distance, 1: two different images",
                curves,
            )
        ],
        picture,
    )
    table = Table(
        title=f"distance of {len(images)} images to themselves, shifted; 1 is that of two different images"
    )
    for column in ("pixels of shift", "in pixels", "in the judge's features"):
        table.add_column(column, justify="right")
    for shift in shifts:
        table.add_row(
            str(shift), f"{numbers['pixels'][shift]:.3f}", f"{numbers['features'][shift]:.3f}"
        )
    return numbers, table
