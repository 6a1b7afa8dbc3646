"""Drawn or photographed? A look at some pictures, by which the plan chooses its config, and what
pictures of the kind have reached."""

import math

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from latent_diffusion.data.store import Dataset
from latent_diffusion.parsing import read_json
from latent_diffusion.run import configs_folder
from latent_diffusion.subsets import some

MOST = 400  # pictures that are looked at
# A picture's median step over its mean step, below which it is drawn. The median picture has 0
# among drawn cartoons and digits, 0.26 and 0.30 among cartoons that were JPEGs of twice the size
# (quality 90 and 75), 0.37 and 0.48 where of their own size; 0.59 among photographs of clothes,
# 0.74 in EuroSAT.
DRAWN = 0.45
LARGE = 96  # side in pixels


def evenness(images: np.ndarray) -> float:
    """Return the median step between neighbours over the mean step, in the median picture.

    images: uint8 (N, H, W, 3), N > 0. The step at a position is the larger one to its right and its
    lower neighbour, in the channel that differs most. What is drawn is flat but for its outlines,
    so that most steps are far below their mean.
    """
    pictures = images.astype(np.int16)
    right = np.abs(np.diff(pictures, axis=2)).max(axis=-1)[:, :-1]
    down = np.abs(np.diff(pictures, axis=1)).max(axis=-1)[:, :, :-1]
    steps = np.maximum(right, down).reshape(len(images), -1)
    means = steps.mean(axis=1)
    return float(np.median(np.median(steps, axis=1) / np.where(means > 0, means, 1)))


def are_drawn(data: Dataset) -> bool:
    """Return whether the training pictures of a data set are drawn, or else photographed."""
    return evenness(data.images[data.train[some(len(data.train), MOST)]]) < DRAWN


def parts_for(size: int, drawn: bool) -> list[str]:
    """Return the parts that pictures of such a side, drawn or not, want over a general config.

    That for large ones comes last: they need their channels however they are drawn.
    """
    wanted = {"drawn": drawn, "large": size >= LARGE}
    return [part for part, holds in wanted.items() if holds]


class Measured(BaseModel):
    """A training that was measured, as configs/measured.json records it; pictures of `size`."""

    model_config = ConfigDict(extra="forbid")

    data: str
    images: int = Field(gt=0)  # training pictures
    classes: int
    size: int = Field(gt=0)
    drawn: bool
    minutes: float = Field(gt=0)  # on two CPU cores, scoring included
    fid_over_floor: float  # N=1000
    where: str  # is more about it

    def distance(self, data: Dataset, drawn: bool, minutes: float) -> float:
        """Return how far another data set and time are: in doublings, another kind being three."""
        info = data.info
        pairs = ((self.images, info.train), (self.size, info.image_size), (self.minutes, minutes))
        doublings = sum(abs(math.log2(own / other)) for own, other in pairs)
        return doublings + 3 * (self.drawn != drawn)


def nearest_measured(data: Dataset, drawn: bool, minutes: float) -> str:
    """Return in one line what the nearest data set that was measured reached."""
    recorded = read_json(configs_folder() / "measured.json")["measured"]
    known = [Measured.model_validate(entry) for entry in recorded]
    found = min(known, key=lambda one: one.distance(data, drawn, minutes))
    return (
        f"nearest that was measured: {found.data}, {found.images:,} pictures of "
        f"{found.size}x{found.size}, {found.minutes:g} minutes on two CPU cores: FID "
        f"{found.fid_over_floor:g} x the floor (configs/{found.where})"
    )
