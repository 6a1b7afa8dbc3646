"""Things to wear: each animal wears at most one, on its head, eyes, ear or neck."""

from __future__ import annotations

from dataclasses import dataclass

from latent_diffusion.data.cartoons.canvas import Brush, Colour
from latent_diffusion.data.cartoons.dice import Dice
from latent_diffusion.data.cartoons.palette import ACCENTS, DARK, WHITE, distance, mix

HATS = ("party hat", "beanie", "crown", "top hat")
NECKWEAR = ("scarf", "bow tie", "bell")
EVERYTHING = (*HATS, "bow", "flower", "glasses", *NECKWEAR)


@dataclass(frozen=True)
class Outfit:
    """What one animal wears, if anything, and its two colours."""

    kind: str | None
    colour: Colour
    second: Colour


def choose(dice: Dice, kinds: tuple[str, ...], coat: Colour) -> Outfit:
    """Return nothing in 45 of 100 pictures, else one of the kinds.

    Its colour stands out from the coat.
    """
    kind = dice.pick(kinds) if dice.chance(0.55) else None
    colour = dice.pick([accent for accent in ACCENTS if distance(accent, coat) > 110])
    return Outfit(kind, colour, dice.pick([accent for accent in ACCENTS if accent != colour]))


def make_room(brush: Brush, outfit: Outfit) -> Brush:
    """Return the frame of the whole animal, a little smaller and lower under a hat."""
    return brush.at(0, 4.5, 0.92) if outfit.kind in HATS else brush


def on_head(brush: Brush, outfit: Outfit, x: float, y: float, side: float = 10.0) -> None:
    """Paint a hat on the head's top edge (x, y), or a bow or flower `side` units beside it."""
    brush = brush.at(x, y).inked(mix(outfit.colour, DARK, 0.6))
    if outfit.kind == "party hat":
        brush.polygon([(-6.5, 1), (0, -13), (6.5, 1)], outfit.colour, rim=True)
        brush.polygon([(-4.6, -3.2), (-2.9, -7.2), (2.9, -7.2), (4.6, -3.2)], outfit.second)
        brush.circle(0, -12.5, 2.8, WHITE, rim=True)
    elif outfit.kind == "beanie":
        brush.circle(0, -10.5, 3, outfit.second, rim=True)
        cap = [(-9.5, 1), (-8, -6), (0, -9.5), (8, -6), (9.5, 1), (0, 2)]
        brush.blob(cap, outfit.colour, rim=True)
        brush.stroke([(-9, 1.5), (0, 0.3), (9, 1.5)], 4.4, outfit.second, rim=True)
    elif outfit.kind == "crown":
        crown = [(-8, 2), (-9, -8), (-4.4, -3.4), (0, -10), (4.4, -3.4), (9, -8), (8, 2)]
        brush.polygon(crown, (252, 206, 84), rim=True)
        brush.circle(0, -1.5, 1.9, (238, 96, 110))
    elif outfit.kind == "top hat":
        brush.polygon([(-6.4, 0), (-7, -11.5), (7, -11.5), (6.4, 0)], outfit.colour, rim=True)
        brush.polygon([(-6.4, -0.5), (-6.6, -4), (6.6, -4), (6.4, -0.5)], outfit.second)
        brush.stroke([(-10, 0.8), (0, 0.4), (10, 0.8)], 3.2, outfit.colour, rim=True)
    elif outfit.kind == "bow":
        bow(brush.at(side, 2.5, tilt=20), outfit.colour)
    elif outfit.kind == "flower":
        for px, py in ((0, -3.4), (3.2, -1), (2, 2.8), (-2, 2.8), (-3.2, -1)):
            brush.circle(side + px, 3 + py, 2.6, outfit.colour)
        brush.circle(side, 3, 2.3, (255, 226, 120))


def on_eyes(brush: Brush, outfit: Outfit, apart: float, y: float, radius: float = 5.6) -> None:
    """Paint round glasses, `apart` units either side of the middle, before the eyes."""
    if outfit.kind == "glasses":
        for x in (-apart, apart):
            brush.circle(x, y, radius + 0.8, outfit.colour)
            brush.circle(x, y, radius - 0.8, (250, 252, 255))
        brush.stroke([(radius - apart, y - 0.5), (apart - radius, y - 0.5)], 1.6, outfit.colour)


def on_neck(brush: Brush, outfit: Outfit, x: float, y: float, width: float) -> None:
    """Paint a scarf, bow tie or bell at the neck (x, y), `width` units to either side.

    The head is painted after it.
    """
    brush = brush.at(x, y).inked(mix(outfit.colour, DARK, 0.6))
    if outfit.kind == "scarf":
        brush.stroke([(width * 0.4, 1), (width * 0.5, 9)], 5.5, outfit.colour, rim=True)
        brush.stroke([(-width, -1.5), (0, 1.5), (width, -1.5)], 6, outfit.colour, rim=True)
    elif outfit.kind == "bow tie":
        bow(brush.at(0, 3, 1.15), outfit.colour)
    elif outfit.kind == "bell":
        brush.stroke([(-width, -1.5), (0, 1.5), (width, -1.5)], 3.6, outfit.colour, rim=True)
        brush.circle(0, 4.6, 3, (252, 206, 84), rim=True)


def bow(brush: Brush, colour: Colour) -> None:
    """Paint a bow of two wings, 15 units wide, about the origin."""
    for side in (-1, 1):
        brush.blob([(0, 0), (side * 6, -4.4), (side * 7.5, 0), (side * 6, 4.4)], colour, rim=True)
    brush.circle(0, 0, 2.4, mix(colour, WHITE, 0.35), rim=True)
