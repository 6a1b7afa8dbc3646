"""Eyes, mouths, noses and cheeks: the features that all species share, drawn bold enough to read at 64x64."""

from __future__ import annotations

from dataclasses import dataclass

from latent_diffusion.data.cartoons.canvas import Brush, Colour
from latent_diffusion.data.cartoons.dice import Dice
from latent_diffusion.data.cartoons.palette import BLUSH, DARK, MOUTH, TONGUE, WHITE

EYES = ("open", "open", "open", "happy", "wink", "sleepy")
MOUTHS = ("smile", "open", "tongue", "small")


@dataclass(frozen=True)
class Face:
    """An expression. `turn` in -1..1 is how far the face looks to the left (-) or right (+) of the viewer."""

    eyes: str
    mouth: str
    cheeks: bool
    turn: float


def expression(dice: Dice, mouths: tuple[str, ...] = MOUTHS) -> Face:
    return Face(dice.pick(EYES), dice.pick(mouths), dice.chance(0.75), dice.uniform(-0.8, 0.8))


def eyes(brush: Brush, face: Face, apart: float, y: float, radius: float = 3.4, iris: Colour | None = None) -> None:
    """Two eyes `apart` units either side of the middle; with `iris`, round coloured eyes (frog, gecko), else dark beads."""
    for side in (-1, 1):
        closed = face.eyes in ("happy", "sleepy") or (face.eyes == "wink" and side == 1)
        if closed:
            closed_eye(brush, side * apart, y, radius, down=face.eyes == "sleepy")
        else:
            open_eye(brush, side * apart, y, radius, iris, face.turn)


def open_eye(brush: Brush, x: float, y: float, radius: float, iris: Colour | None = None, turn: float = 0.0) -> None:
    """A dark bead, or an eyeball of the colour `iris` with a pupil, with two highlights."""
    if iris is not None:
        brush.circle(x, y, radius * 1.15, iris)
        x += turn * radius * 0.25
        radius *= 0.8
    brush.ellipse(x, y, radius * 0.94, radius * 1.08, DARK)
    brush.circle(x - radius * 0.32, y - radius * 0.4, radius * 0.42, WHITE)
    brush.circle(x + radius * 0.38, y + radius * 0.42, radius * 0.2, WHITE)


def closed_eye(brush: Brush, x: float, y: float, radius: float, down: bool = False) -> None:
    """An arch (laughing) or, with `down`, a bowl (asleep)."""
    lift = -0.75 * radius if not down else 0.75 * radius
    brush.stroke([(x - radius, y - lift / 2), (x, y + lift / 2), (x + radius, y - lift / 2)], 1.9, DARK)


def mouth(brush: Brush, kind: str, x: float, y: float, width: float = 5.0) -> None:
    """A mouth whose upper edge is at (x, y), `width` units to either side: smile, open, tongue, small, w."""
    w = width
    if kind in ("open", "tongue"):
        brush.blob([(x - w, y), (x, y + 0.6), (x + w, y), (x + w * 0.72, y + w * 0.8), (x, y + w * 1.15), (x - w * 0.72, y + w * 0.8)], MOUTH)
        brush.ellipse(x, y + w * 0.8, w * 0.5, w * 0.36, TONGUE)
    elif kind == "small":
        brush.ellipse(x, y + 1.6, w * 0.36, w * 0.42, MOUTH)
    elif kind == "w":
        brush.stroke([(x - w, y), (x - w * 0.55, y + w * 0.42), (x, y), (x + w * 0.55, y + w * 0.42), (x + w, y)], 1.6, DARK)
    else:
        brush.stroke([(x - w, y), (x - w * 0.5, y + w * 0.45), (x + w * 0.5, y + w * 0.45), (x + w, y)], 1.8, DARK)


def cheeks(brush: Brush, face: Face, apart: float, y: float, radius: float = 2.8) -> None:
    if face.cheeks:
        for side in (-1, 1):
            brush.ellipse(side * apart, y, radius, radius * 0.75, BLUSH)


def nose(brush: Brush, x: float, y: float, colour: Colour, width: float = 2.2) -> None:
    """A rounded triangle, point down."""
    brush.blob([(x - width, y - width * 0.6), (x, y - width * 0.8), (x + width, y - width * 0.6), (x, y + width * 0.9)], colour)
