"""Why not compare pixels? A shift that nobody sees, in pixels and in the judge's features.

Called by `ldm study distance`.
"""

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
from latent_diffusion.studies.disturbances import held_out_images

IMAGES = 500
MOST_SHIFT = 8  # pixels


def distance(run: Run, plot_path: Path, device: str) -> tuple[dict, Table]:
    """Return the mean distance of an image to itself, shifted, and a table of it; write the plot.

    The unit is the mean distance of two different images.
    """
    judge = Judge.load(run, choose_device(device))
    images = held_out_images(Reference.open(run), IMAGES, run)
    still = views(judge, images)
    units = {name: mean_distance(view, np.roll(view, 1, axis=0)) for name, view in still.items()}
    found: dict[str, list[float]] = {name: [] for name in still}
    for shift in range(MOST_SHIFT + 1):
        for name, view in views(judge, shifted(images, shift)).items():
            found[name].append(mean_distance(still[name], view) / units[name])
    shifts = list(range(MOST_SHIFT + 1))
    panel = Panel(
        "an image and itself, shifted",
        "pixels of shift",
        "distance, 1: two different images",
        [Curve(name, shifts, values) for name, values in found.items()],
    )
    plot([panel], plot_path)
    numbers = {"n": len(images), "shift": shifts, **found}
    return numbers, distances_table(len(images), shifts, found)


def views(judge: Judge, images: np.ndarray) -> dict[str, np.ndarray]:
    """Return images uint8 (N, H, W, 3) as vectors (N, D): their pixels, and their features."""
    source = of_array(images)
    return {
        "pixels": images.reshape(len(images), -1) / 255,
        "features": look(judge, source.batches(), source.count).features,
    }


def shifted(images: np.ndarray, pixels: int) -> np.ndarray:
    """Return images (N, H, W, 3) moved to the right, their left edge repeated."""
    padded = np.pad(images, ((0, 0), (0, 0), (pixels, 0), (0, 0)), mode="edge")
    return padded[:, :, : images.shape[2]]


def mean_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean Euclidean distance of the rows of two arrays (N, D)."""
    return float(np.linalg.norm(a - b, axis=1).mean())


def distances_table(count: int, shifts: list[int], found: dict[str, list[float]]) -> Table:
    """Return a row a shift."""
    table = Table(
        title=f"distance of {count} images to themselves, shifted; "
        "1 is that of two different images"
    )
    for column in ("pixels of shift", "in pixels", "in the judge's features"):
        table.add_column(column, justify="right")
    for shift in shifts:
        table.add_row(
            str(shift), f"{found['pixels'][shift]:.3f}", f"{found['features'][shift]:.3f}"
        )
    return table
