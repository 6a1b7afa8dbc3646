"""Known faults of a drawn picture: the same drawing with one thing wrong, as badly as asked.

A `Flaw` goes with the brush; the canvas and the faces ask it how to paint. The ladder of faults
(`ldm study faults`) finds out with these which scores see what people see.
"""

from __future__ import annotations

from dataclasses import dataclass

from latent_diffusion.data.cartoons.dice import Dice

Colour = tuple[int, int, int]
Point = tuple[float, float]
Layer = tuple[float, Colour, Point]  # grown by so much, in this colour, moved by so much

# What is wrong, and how badly at doses 1 to 4: from what a look at 40 pictures finds now and then
# to what it finds nearly always. Units are those of the brush, of which 64 make the picture's side.
FLAWS: dict[str, tuple[float, float, float, float]] = {
    "one eye smaller": (0.3, 0.45, 0.6, 0.8),  # of its radius
    "an eye moved": (3.0, 4.5, 6.0, 8.5),  # units
    "limbs detached": (2.6, 3.6, 5.0, 7.0),  # units
    "outline sketched twice": (1.2, 1.8, 2.8, 4.0),  # units
    "colour over the line": (0.55, 0.95, 1.6, 2.6),  # units
    "two animals blended": (0.03, 0.07, 0.16, 0.4),  # share of the other animal
}
LIMB = (0.004, 0.12)  # limbs are the outlined parts of between these shares of the picture
DIRECTIONS = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0), (0.7, 0.7), (-0.7, 0.7))


@dataclass(frozen=True)
class Flaw:
    """What is wrong with a picture, how badly, which way, and with which eye."""

    kind: str
    strength: float
    direction: Point
    side: int

    @classmethod
    def of(cls, kind: str, strength: float, species: str, seed: int) -> Flaw:
        """Return the flaw of the picture (species, seed); raise ValueError for an unknown kind."""
        if kind not in FLAWS:
            raise ValueError(f"unknown flaw {kind!r}: choose one of {', '.join(FLAWS)}")
        dice = Dice(f"{species} {kind}", seed)  # chance of its own: the drawing stays the same
        return cls(kind, strength, dice.pick(DIRECTIONS), dice.pick((-1, 1)))

    def layers(self, layers: list[Layer], area: float) -> list[Layer]:
        """Return the layers of an outlined part that takes this share of the picture, flawed.

        layers: its rim, and what is painted over it.
        """
        (rim, ink, here), (none, fill, _) = layers
        if self.kind == "limbs detached" and LIMB[0] <= area <= LIMB[1]:
            return [(rim, ink, self.moved), (none, fill, self.moved)]
        if self.kind == "outline sketched twice":
            return [(rim, ink, self.moved), (none, fill, self.moved), *layers]
        if self.kind == "colour over the line":
            return [(rim, ink, here), (none, fill, self.moved)]
        return layers

    @property
    def moved(self) -> tuple[float, float]:
        """The strength as a way in units of the picture: right and down."""
        return self.strength * self.direction[0], self.strength * self.direction[1]

    def eye(self, side: int, radius: float, alone: bool) -> tuple[Point, float]:
        """Return how far off its right place an eye lies, and its radius.

        alone: both eyes lie in one place, as in profile, so that what is wrong is so with both.
        """
        if side == self.side or alone:
            if self.kind == "one eye smaller":
                return (0.0, 0.0), radius * (1 - self.strength)
            if self.kind == "an eye moved":
                return self.moved, radius
        return (0.0, 0.0), radius
