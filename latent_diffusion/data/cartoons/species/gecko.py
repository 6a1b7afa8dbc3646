"""Gecko: round toes on splayed legs, bulging eyes, a curled tail; from above or from the side."""

from __future__ import annotations

from latent_diffusion.data.cartoons import accessories, faces
from latent_diffusion.data.cartoons.canvas import Brush
from latent_diffusion.data.cartoons.dice import Dice
from latent_diffusion.data.cartoons.palette import Look

LOOKS = (
    Look((248, 210, 112), (255, 246, 212), (230, 152, 78)),
    Look((252, 186, 122), (255, 242, 214), (226, 116, 96)),
    Look((128, 196, 222), (238, 248, 240), (74, 134, 186)),
    Look((248, 174, 152), (255, 238, 222), (212, 112, 112)),
    Look((190, 168, 224), (248, 238, 252), (132, 106, 184)),
)
CLOTHES = ("party hat", "crown", "bow", "flower", "beanie")


def paint(brush: Brush, look: Look, dice: Dice) -> None:
    outfit = accessories.choose(dice, CLOTHES, look.coat)
    face = faces.expression(dice, ("smile", "open", "small"))
    pattern = dice.pick(("stripe", "spots", "bands"))
    brush = accessories.make_room(brush, outfit)
    if dice.chance(0.6):
        brush = brush.at(-1, -1, tilt=dice.uniform(-28, 18))
        _body_above(brush, look, dice.pick((-2.5, 2.5)), pattern)
        head = brush.at(0, -12)
        half = [(5, -12.4), (11, -8.5), (14, 0), (12.5, 7), (5, 11.6)]
    else:
        _body_side(brush.at(0, 0.5, 0.94), look, pattern)
        head = brush.at(-9.5, -2)
        half = [(5, -13), (11.5, -8.5), (14.5, 0), (13.5, 8), (5, 12)]
    head.blob([*half, *((-x, y) for x, y in reversed(half))], look.coat, rim=True)
    for s in (-1, 1):
        head.circle(s * 11, -2.5, 6.2, look.coat, rim=True)
    head.ellipse(0, -1, 11.5, 9.5, look.coat)
    faces.eyes(head, face, 10.6, -2.5, 4.8, look.light)
    faces.cheeks(head, face, 9.6, 5.6, 2.8)
    faces.mouth(head, face.mouth, face.turn, 3, 5.2)
    accessories.on_head(head.at(0, -11.5, 0.8), outfit, 0, 0, side=0)


def _body_above(brush: Brush, look: Look, step: float, pattern: str) -> None:
    """Walking up a wall; `step` moves one side's feet up and the other's down."""
    tail = [(0, 12), (2, 20), (8, 26.5), (17, 26.5), (21.5, 20.5), (17.5, 15), (12.5, 18)]
    brush.stroke(tail, 9.5, look.coat, 3.6, rim=True)
    for s in (-1, 1):
        for hip, foot, tilt in ((1, -5 + s * step, 40), (11, 14 - s * step, 115)):
            leg = [(s * 4, hip), (s * 12, hip + 1), (s * 18, foot)]
            brush.stroke(leg, 5, look.coat, 4.4, rim=True)
            _foot(brush.at(s * 18.5, foot, tilt=s * tilt), look)
    brush.stroke([(0, -6), (-0.6, 4), (0, 14)], 15, look.coat, 10.5, rim=True)
    if pattern == "spots":
        on_back = ((-3, 2.5, 2.5), (3, 6.5, 2.5), (-1.4, 11.5, 2.3))
        on_tail = ((3.4, 18.5, 2), (12, 26.3, 1.6))
        for x, y, radius in (*on_back, *on_tail):
            brush.circle(x, y, radius, look.mark)
    elif pattern == "bands":
        for y, half in ((3, 5.6), (8.4, 5), (13.8, 4)):
            brush.stroke([(-half, y), (half, y)], 2.6, look.mark)
    else:
        brush.stroke([(0, 2), (-0.4, 12), (2.4, 20), (9, 26), (16, 26.3)], 4, look.light, 1.6)


def _foot(at: Brush, look: Look) -> None:
    """A palm with three round toes that point up."""
    for x, y in ((-4, -1.2), (0, -4), (4, -1.2)):
        at.circle(x, y, 2.3, look.coat, rim=True)
    at.circle(0, 0, 3, look.coat)


def _body_side(brush: Brush, look: Look, pattern: str) -> None:
    tail = [(9, 14), (20, 17), (26, 9), (24, -2), (16.5, -4), (13, 2), (18, 5.5)]
    brush.stroke(tail, 10, look.coat, 3.4, rim=True)
    for x, colour in ((1, look.shade), (20, look.shade), (-11, look.coat), (11, look.coat)):
        brush.stroke([(x + 2, 16), (x - 1, 21), (x, 25)], 5.4, colour, rim=True)
        for toe in (-4.6, 0, 4.6):
            brush.circle(x - 1 + toe, 27, 2.5, colour, rim=True)
        brush.ellipse(x - 1, 25.6, 4.4, 1.8, colour)
    body = [(-14, 6), (-4, 6), (8, 8), (18, 12), (16, 20), (2, 22), (-12, 20)]
    brush.blob(body, look.coat, rim=True)
    brush.blob([(-13, 17), (0, 18), (12, 18.5), (2, 22), (-10, 20.5)], look.light)
    for x, y in ((3, 11.5), (10, 13), (22, 15.5)):
        if pattern == "spots":
            brush.circle(x, y, 2.5, look.mark)
        else:
            brush.stroke([(x, y - 2), (x - 0.5, y + 2)], 2.8, look.mark)
