"""Puts a picture together: background, scene, animal."""

from __future__ import annotations

import numpy as np
from PIL import Image

from latent_diffusion.data.cartoons import palette, scenery
from latent_diffusion.data.cartoons.canvas import canvas, pixels
from latent_diffusion.data.cartoons.dice import Dice
from latent_diffusion.data.cartoons.flaws import Flaw
from latent_diffusion.data.cartoons.species import KINDS, SPECIES

SMALLEST = 16  # pixels
OTHER = 1_000_003  # seeds from an animal to the one that is blended with it


def draw(species: str, seed: int, size: int = 64) -> np.ndarray:
    """Return the picture of (species, seed), uint8 (size, size, 3).

    It is the same drawing at every size, and the same pixels on every machine.

    Raises ValueError for an unknown species or a size below 16 pixels.
    """
    return pixels(painted(species, seed, size))


def draw_flawed(species: str, seed: int, kind: str, strength: float, size: int = 64) -> np.ndarray:
    """Return the picture of (species, seed) with one thing wrong, uint8 (size, size, 3).

    The kinds, and strengths for each, are those of FLAWS. Raises ValueError as `draw` does, and for
    an unknown kind.
    """
    flaw = Flaw.of(kind, strength, species, seed)
    if kind == "two animals blended":
        images = draw(species, seed, size), draw(species, seed + OTHER, size)
        return np.rint(images[0] * (1 - strength) + images[1] * strength).astype(np.uint8)
    return pixels(painted(species, seed, size, flaw))


def painted(species: str, seed: int, size: int, flaw: Flaw | None = None) -> Image.Image:
    """Return the picture at several times its size, with a flaw if one is given."""
    if species not in KINDS:
        raise ValueError(f"unknown species {species!r}: choose one of {', '.join(SPECIES)}")
    if size < SMALLEST:
        raise ValueError(f"size {size} is too small to draw a face: use {SMALLEST} or more")
    kind, dice = KINDS[species], Dice(species, seed)
    look = dice.pick(kind.looks)
    background = palette.background_for(dice, look)
    image, brush = canvas(size, background, look.ink, dice.pick((0.9, 1.3)), flaw)
    scenery.paint(brush, dice, background, kind.scenes)
    x, y = dice.uniform(-2, 2), dice.uniform(-1, 1.5)
    scale, tilt = dice.uniform(0.91, 1.04), dice.uniform(-5, 5)
    placed = brush.at(x, y, scale, tilt, mirror=dice.chance(0.5))
    kind.paint(placed, look, dice)
    return image
