"""Puts a picture together: background, scene, animal."""

from __future__ import annotations

import numpy as np

from latent_diffusion.data.cartoons import palette, scenery
from latent_diffusion.data.cartoons.canvas import canvas, pixels
from latent_diffusion.data.cartoons.dice import Dice
from latent_diffusion.data.cartoons.species import KINDS, SPECIES

SMALLEST = 16  # pixels


def draw(species: str, seed: int, size: int = 64) -> np.ndarray:
    """Return the picture of (species, seed), uint8 (size, size, 3).

    It is the same drawing at every size, and the same pixels on every machine.

    Raises ValueError for an unknown species or a size below 16 pixels.
    """
    if species not in KINDS:
        raise ValueError(f"unknown species {species!r}: choose one of {', '.join(SPECIES)}")
    if size < SMALLEST:
        raise ValueError(f"size {size} is too small to draw a face: use {SMALLEST} or more")
    kind, dice = KINDS[species], Dice(species, seed)
    look = dice.pick(kind.looks)
    background = palette.background_for(dice, look)
    image, brush = canvas(size, background, look.ink, rim_width=dice.pick((0.9, 1.3)))
    scenery.paint(brush, dice, background, kind.scenes)
    x, y = dice.uniform(-2, 2), dice.uniform(-1, 1.5)
    scale, tilt = dice.uniform(0.91, 1.04), dice.uniform(-5, 5)
    placed = brush.at(x, y, scale, tilt, mirror=dice.chance(0.5))
    kind.paint(placed, look, dice)
    return pixels(image)
