"""Fish: in profile (round, long or tall) with bands, mask, scales or belly; or turned to us."""

from __future__ import annotations

import math

from latent_diffusion.data.cartoons import accessories, faces
from latent_diffusion.data.cartoons.accessories import Outfit
from latent_diffusion.data.cartoons.canvas import Brush, Colour
from latent_diffusion.data.cartoons.dice import Dice
from latent_diffusion.data.cartoons.faces import Face
from latent_diffusion.data.cartoons.palette import WHITE, Look

LOOKS = (
    Look((252, 168, 96), (255, 255, 255), (234, 118, 78)),
    Look((116, 182, 228), (255, 240, 170), (74, 130, 200)),
    Look((250, 208, 100), (255, 252, 230), (238, 156, 78)),
    Look((246, 150, 168), (255, 236, 230), (212, 98, 140)),
    Look((160, 144, 218), (250, 218, 234), (114, 98, 186)),
    Look((110, 202, 182), (240, 250, 214), (62, 152, 148)),
)
CLOTHES = ("party hat", "crown", "bow", "top hat", "beanie")


def paint(brush: Brush, look: Look, dice: Dice) -> None:
    outfit = accessories.choose(dice, CLOTHES, look.coat)
    face = faces.expression(dice, ("smile", "open", "small"))
    brush = accessories.make_room(brush, outfit)
    if dice.chance(0.3):
        _three_quarter(brush.at(0, 2, 0.97), look, outfit, face)
    else:
        _profile(brush.at(-4.5, 1, 0.96), look, dice, outfit, face.in_profile())


def _profile(brush: Brush, look: Look, dice: Dice, outfit: Outfit, face: Face) -> None:
    sizes: tuple[tuple[float, float], ...] = ((20.5, 17), (22, 15), (18.5, 19))
    rx, ry = dice.pick(sizes)
    notch = dice.pick((8, 13))
    upper, lower = [(rx + 5, -13), (rx + 12, -13)], [(rx + 12, 13), (rx + 5, 13)]
    brush.blob([(rx - 4, 0), *upper, (rx + notch, 0), *lower], look.mark, rim=True)
    fin = [(-9, 5 - ry), (-3, -ry - 5), (8, -ry - 6), (16, -ry - 1), (13, 8 - ry)]
    brush.blob(fin, look.mark, rim=True)
    brush.blob([(-2, ry - 5), (4, ry + 5), (12, ry + 5), (10, ry - 5)], look.mark, rim=True)
    brush.ellipse(0, 0, rx, ry, look.coat, rim=True)
    pattern = dice.pick(("bands", "mask", "scales", "belly"))
    if pattern == "bands":
        _band(brush, rx, ry, -3, 2, look.light)
        _band(brush, rx, ry, 8.5, 13, look.light)
    elif pattern == "mask":
        _band(brush, rx, ry, -rx, -2.5, look.light)
    elif pattern == "scales":
        for x, y in ((2, -8), (9, -8), (6, -2.5), (13, -2.5)):
            scale = [(x - 3, y), (x - 1.6, y + 2), (x, y + 2.6), (x + 1.6, y + 2), (x + 3, y)]
            brush.stroke(scale, 1.8, look.mark)
    else:
        side, top = rx * 0.8, ry * 0.5
        deep = [(rx * 0.45, ry * 0.86), (0, ry * 0.97), (-rx * 0.45, ry * 0.86)]
        brush.blob([(-side, top), (0, ry * 0.3), (side, top), *deep], look.light)
    brush.blob([(1.5, 1), (11, 3), (13, 9), (6, 10.5)], look.mark, rim=True)
    faces.eyes(brush.at(-rx * 0.5, -3.5), face, 0, 0, 5.2, WHITE)
    faces.cheeks(brush.at(-rx * 0.36, 5.5), face, 0, 0, 3.1)
    faces.mouth(brush.at(-rx * 0.7, 0), face.mouth, 0, 5.6 if face.mouth != "small" else 4.4, 3.8)
    accessories.on_head(brush.at(-4, 1 - ry, 0.9, tilt=-6), outfit, 0, 0, side=-2)


def _band(brush: Brush, rx: float, ry: float, left: float, right: float, colour: Colour) -> None:
    """The part of the ellipse (rx, ry) between two upright lines."""
    xs = [left + (right - left) * (1 - math.cos(math.pi * i / 12)) / 2 for i in range(13)]
    edge = [(x, ry * math.sqrt(max(0.0, 1 - (x / rx) ** 2))) for x in xs]
    brush.polygon(edge + [(x, -y) for x, y in reversed(edge)], colour)


def _three_quarter(brush: Brush, look: Look, outfit: Outfit, face: Face) -> None:
    """Turned to us: both eyes show, the tail lies behind at the right."""
    brush.blob([(12, -2), (22, -16), (30, -15), (28, -3), (31, 9), (23, 11)], look.mark, rim=True)
    brush.blob([(-9, -12), (-5, -22), (4, -25), (13, -19), (13, -10)], look.mark, rim=True)
    brush.blob([(-18, 4), (-28, 2), (-29, 10), (-24, 15), (-16, 12)], look.mark, rim=True)
    brush.ellipse(-2, 0, 20.5, 18.5, look.coat, rim=True)
    brush.ellipse(-4, 11.5, 12.5, 6.6, look.light)
    brush.blob([(8, 3), (18, 5), (19, 12), (12, 14)], look.mark, rim=True)
    front = brush.at(-5, -2)
    faces.eyes(front, face, 8.6, -2.5, 5, WHITE)
    faces.cheeks(front, face, 12, 5.5, 3.1)
    faces.mouth(front, face.mouth, 0, 3.4, 4.4)
    accessories.on_head(brush, outfit, -3, -16.5, side=8)
