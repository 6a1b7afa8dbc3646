"""The four poses of a furry body, from the tail to the paws.

The head goes on top, in the frame that a pose returns.
"""

from __future__ import annotations

from collections.abc import Callable

from latent_diffusion.data.cartoons import accessories
from latent_diffusion.data.cartoons.accessories import Outfit
from latent_diffusion.data.cartoons.canvas import Brush, Colour
from latent_diffusion.data.cartoons.palette import Look

# Paints a tail that leaves the origin towards the upper right, about 16 units long.
Tail = Callable[[Brush], None]


def sit(brush: Brush, look: Look, tail: Tail, outfit: Outfit, paws: Colour) -> Brush:
    """Sitting, seen from the front, tail at the right."""
    tail(brush.at(8, 23))
    for side in (-1, 1):
        brush.ellipse(side * 9.5, 25, 5.8, 4.2, paws, rim=True)
    brush.blob([(-8, 4), (8, 4), (12.5, 17), (9, 28), (-9, 28), (-12.5, 17)], look.shade, rim=True)
    brush.ellipse(0, 17, 7, 8, look.light)
    for side in (-1, 1):
        brush.stroke([(side * 4.2, 18), (side * 4, 26)], 5.4, look.shade, rim=True)
        brush.ellipse(side * 4.2, 27.4, 3.6, 2.6, paws, rim=True)
    accessories.on_neck(brush, outfit, 0, 8, 9)
    return brush.at(0, -7)


def portrait(brush: Brush, look: Look, tail: Tail, outfit: Outfit, paws: Colour) -> Brush:
    """Head and shoulders, the body leaving the picture below."""
    chest = [(-11, 14), (11, 14), (22, 30), (22, 48), (-22, 48), (-22, 30)]
    brush.blob(chest, look.shade, rim=True)
    brush.ellipse(0, 35, 11, 12, look.light)
    accessories.on_neck(brush.at(0, 21, 1.3), outfit, 0, 0, 10)
    return brush.at(0, 3.5, 1.32)


def side(brush: Brush, look: Look, tail: Tail, outfit: Outfit, paws: Colour) -> Brush:
    """Standing in profile, head at the left and turned to us, tail at the right."""
    tail(brush.at(17.5, 10, 0.85))
    for x, near in ((-1, False), (12, False), (-9, True), (19, True)):
        brush.stroke([(x, 17), (x, 25)], 6.4, look.coat if near else look.shade, rim=True)
        brush.ellipse(x - 0.6, 27, 4, 2.7, paws, rim=True)
    trunk = [(-13, 10), (-6, 4), (8, 4), (20, 5), (24, 13), (20, 21), (5, 23), (-9, 22)]
    brush.blob(trunk, look.shade, rim=True)
    brush.ellipse(4, 19.5, 11, 3.6, look.light)
    accessories.on_neck(brush, outfit, -7, 9, 8)
    return brush.at(-8, -6, 0.95)


def loaf(brush: Brush, look: Look, tail: Tail, outfit: Outfit, paws: Colour) -> Brush:
    """Lying like a loaf of bread, seen from the front, forepaws tucked."""
    tail(brush.at(16, 19, 0.85))
    trunk = [(-14, 8), (14, 8), (23, 18), (21, 28), (0, 29), (-21, 28), (-23, 18)]
    brush.blob(trunk, look.shade, rim=True)
    for x in (-7, 7):
        brush.ellipse(x, 26.5, 5.2, 3.4, paws, rim=True)
    accessories.on_neck(brush, outfit, 0, 13.5, 11)
    return brush.at(0, -2.5, 1.12)


POSES = {"sit": sit, "portrait": portrait, "side": side, "loaf": loaf}
