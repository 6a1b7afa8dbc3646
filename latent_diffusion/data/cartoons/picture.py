"""Puts a picture together: background, scene, animal. The eleven species and their order are defined here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import numpy as np

from latent_diffusion.data.cartoons import farm, mammals, palette, scaly, scenery
from latent_diffusion.data.cartoons.canvas import Brush, canvas, pixels
from latent_diffusion.data.cartoons.dice import Dice
from latent_diffusion.data.cartoons.palette import Look


@dataclass(frozen=True)
class Kind:
    """One species: the coats it comes in, how it is painted, the scenes it lives in."""

    looks: tuple[Look, ...]
    paint: Callable[[Brush, Look, Dice], None]
    scenes: tuple[str, ...] = scenery.SCENES


_KINDS = {
    "cat": Kind(mammals.CAT_LOOKS, mammals.cat),
    "chicken": Kind(farm.CHICKEN_LOOKS, farm.chicken),
    "dog": Kind(mammals.DOG_LOOKS, mammals.dog),
    "dragon": Kind(scaly.DRAGON_LOOKS, scaly.dragon),
    "fish": Kind(scaly.FISH_LOOKS, scaly.fish, ("plain", "disc", "bubbles", "bubbles", "seabed")),
    "frog": Kind(scaly.FROG_LOOKS, scaly.frog),
    "gecko": Kind(scaly.GECKO_LOOKS, scaly.gecko, ("plain", "plain", "disc", "clouds", "floor")),
    "hamster": Kind(mammals.HAMSTER_LOOKS, mammals.hamster),
    "horse": Kind(farm.HORSE_LOOKS, farm.horse),
    "monkey": Kind(mammals.MONKEY_LOOKS, mammals.monkey),
    "rabbit": Kind(mammals.RABBIT_LOOKS, mammals.rabbit),
}
SPECIES: tuple[str, ...] = tuple(_KINDS)
SMALLEST = 16  # pixels


def draw(species: str, seed: int, size: int = 64) -> np.ndarray:
    """The picture of (species, seed): uint8 (size, size, 3), the same drawing at every size and the same pixels on every machine.

    Raises ValueError for an unknown species or a size below 16 pixels.
    """
    if species not in _KINDS:
        raise ValueError(f"unknown species {species!r}: choose one of {', '.join(SPECIES)}")
    if size < SMALLEST:
        raise ValueError(f"size {size} is too small to draw a face: use {SMALLEST} or more")
    kind, dice = _KINDS[species], Dice(species, seed)
    look = dice.pick(kind.looks)
    background = palette.background_for(dice, look)
    image, brush = canvas(size, background, look.ink, rim_width=dice.pick((0.9, 1.3)))
    scenery.paint(brush, dice, background, kind.scenes)
    placed = brush.at(dice.uniform(-2, 2), dice.uniform(-1, 1.5), dice.uniform(0.88, 1.04), dice.uniform(-5, 5), mirror=dice.chance(0.5))
    kind.paint(placed, look, dice)
    return pixels(image)
