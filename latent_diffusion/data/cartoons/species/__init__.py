"""The eleven species in the order of their labels: one module each, with its coats and `paint`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from latent_diffusion.data.cartoons import scenery
from latent_diffusion.data.cartoons.canvas import Brush
from latent_diffusion.data.cartoons.dice import Dice
from latent_diffusion.data.cartoons.palette import Look
from latent_diffusion.data.cartoons.species import (
    cat,
    chicken,
    dog,
    dragon,
    fish,
    frog,
    gecko,
    hamster,
    horse,
    monkey,
    rabbit,
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """One species: its coats, how it is painted, the scenes it lives in."""

    looks: tuple[Look, ...]
    paint: Callable[[Brush, Look, Dice], None]
    scenes: tuple[str, ...] = scenery.SCENES


KINDS = {
    "cat": Kind(cat.LOOKS, cat.paint),
    "chicken": Kind(chicken.LOOKS, chicken.paint),
    "dog": Kind(dog.LOOKS, dog.paint),
    "dragon": Kind(dragon.LOOKS, dragon.paint),
    "fish": Kind(fish.LOOKS, fish.paint, ("plain", "disc", "bubbles", "bubbles", "seabed")),
    "frog": Kind(frog.LOOKS, frog.paint),
    "gecko": Kind(gecko.LOOKS, gecko.paint, ("plain", "plain", "disc", "clouds", "floor")),
    "hamster": Kind(hamster.LOOKS, hamster.paint),
    "horse": Kind(horse.LOOKS, horse.paint),
    "monkey": Kind(monkey.LOOKS, monkey.paint),
    "rabbit": Kind(rabbit.LOOKS, rabbit.paint),
}
SPECIES: tuple[str, ...] = tuple(KINDS)
