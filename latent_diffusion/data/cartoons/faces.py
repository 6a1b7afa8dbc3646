"""Eyes, mouths, noses and cheeks, which all species share, bold enough to be read at 64x64."""

from __future__ import annotations

from dataclasses import dataclass, replace

from latent_diffusion.data.cartoons.canvas import Brush, Colour
from latent_diffusion.data.cartoons.dice import Dice
from latent_diffusion.data.cartoons.palette import BLUSH, DARK, MOUTH, TONGUE, WHITE, mix

EYES = ("open", "open", "open", "open", "open", "happy", "wink", "sleepy")


@dataclass(frozen=True)
class Face:
    """An expression.

    `turn` in -1..1 is how far the face looks to the left (-) or right (+) of the viewer.
    """

    eyes: str
    mouth: str
    cheeks: bool
    turn: float

    def in_profile(self) -> Face:
        """Return the same mood where one eye shows (no wink), looking to the left."""
        return replace(self, eyes="open" if self.eyes == "wink" else self.eyes, turn=-0.6)


def expression(dice: Dice, mouths: tuple[str, ...]) -> Face:
    """Return a mood with one of the species' mouths (see `mouth`)."""
    return Face(dice.pick(EYES), dice.pick(mouths), dice.chance(0.75), dice.uniform(-0.8, 0.8))


def eyes(
    brush: Brush,
    face: Face,
    apart: float,
    y: float,
    radius: float = 3.4,
    iris: Colour | None = None,
) -> None:
    """Paint two eyes, `apart` units either side of the middle.

    They are dark beads, or with `iris` eyeballs of that colour.
    """
    for side in (-1, 1):
        across, down, size = side * apart, y, radius
        if brush.flaw:
            (right, below), size = brush.flaw.eye(side, radius, alone=not apart)
            across, down = across + right, down + below
        closed = face.eyes in ("happy", "sleepy") or (face.eyes == "wink" and side == 1)
        if closed:
            closed_eye(brush, across, down, size, down=face.eyes == "sleepy")
        else:
            open_eye(brush, across, down, size, iris, face.turn)


def open_eye(
    brush: Brush, x: float, y: float, radius: float, iris: Colour | None = None, turn: float = 0.0
) -> None:
    """Paint a dark bead, or an eyeball of the colour `iris` with a pupil, with two highlights."""
    if iris is not None:
        brush.circle(x, y, radius * 1.15, iris)
        x += turn * radius * 0.25
        radius *= 0.8
    brush.ellipse(x, y, radius * 0.94, radius * 1.08, DARK)
    brush.circle(x - radius * 0.32, y - radius * 0.4, radius * 0.42, WHITE)
    brush.circle(x + radius * 0.38, y + radius * 0.42, radius * 0.2, WHITE)


def closed_eye(brush: Brush, x: float, y: float, radius: float, down: bool = False) -> None:
    """Paint an arch (laughing) or, with `down`, a bowl (asleep)."""
    height = radius * (0.8 if down else -0.9)
    brush.stroke(curve(x, y - height / 2, radius * 1.05, height), 2, DARK)


def mouth(brush: Brush, kind: str, x: float, y: float, width: float = 5.0) -> None:
    """Paint a mouth with its upper edge at (x, y), `width` units to either side.

    Kinds: smile, w, small, open, tongue, teeth, fangs.
    """
    w = width
    if kind == "smile":
        brush.stroke(curve(x, y, w, w * 0.6), 1.9, DARK)
    elif kind == "w":
        left = curve(x - w / 2, y, w / 2, w * 0.4)
        right = curve(x + w / 2, y, w / 2, w * 0.4)
        brush.stroke([*left, *right[1:]], 1.7, DARK)
    elif kind == "small":
        brush.ellipse(x, y + 1.6, w * 0.4, w * 0.46, MOUTH)
    else:
        lower = [(x + w * 0.7, y + w * 0.8), (x, y + w * 1.1), (x - w * 0.7, y + w * 0.8)]
        brush.blob([(x - w, y), (x, y + 0.6), (x + w, y), *lower], MOUTH)
        if kind == "teeth":
            brush.polygon([(x - 2.2, y), (x + 2.2, y), (x + 1.9, y + 3), (x - 1.9, y + 3)], WHITE)
        elif kind == "fangs":
            for side in (-0.6, 0.6):
                fang = [(x + w * side - 1.5, y), (x + w * side + 1.5, y), (x + w * side, y + 3.2)]
                brush.polygon(fang, WHITE)
        else:
            long = 1.5 if kind == "tongue" else 1.0  # hanging out, or inside
            brush.ellipse(x, y + w * 0.8, w * 0.5, w * 0.36 * long, TONGUE)


def cheeks(brush: Brush, face: Face, apart: float, y: float, radius: float = 2.9) -> None:
    """Paint two blushing cheeks, `apart` units either side of the middle, if the face has them."""
    if face.cheeks:
        for side in (-1, 1):
            brush.ellipse(side * apart, y, radius, radius * 0.75, BLUSH)


def nose(brush: Brush, x: float, y: float, accent: Colour, width: float = 2.3) -> None:
    """Paint a rounded triangle, point down, a deeper pink than the inner ears."""
    points = [
        (x - width, y - width * 0.6),
        (x, y - width * 0.8),
        (x + width, y - width * 0.6),
        (x, y + width * 0.9),
    ]
    brush.blob(points, mix(accent, (220, 70, 100), 0.45))


def curve(x: float, y: float, half_width: float, depth: float) -> list[tuple[float, float]]:
    """Return five points of a round bowl.

    Its ends lie at (x +- half_width, y), its bottom `depth` below them.
    """
    bowl = ((-1, 0), (-0.72, 0.62), (0, 1), (0.72, 0.62), (1, 0))
    return [(x + across * half_width, y + down * depth) for across, down in bowl]
