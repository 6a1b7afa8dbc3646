"""Frog: eyes on top of a wide head, a very wide mouth, folded hind legs."""

from __future__ import annotations

from latent_diffusion.data.cartoons import accessories, faces
from latent_diffusion.data.cartoons.canvas import Brush
from latent_diffusion.data.cartoons.dice import Dice
from latent_diffusion.data.cartoons.palette import DARK, WHITE, Look

LOOKS = (
    Look((142, 208, 118), (234, 248, 196), (98, 172, 90)),
    Look((110, 192, 142), (228, 248, 208), (72, 152, 112)),
    Look((178, 216, 100), (246, 250, 202), (132, 178, 70)),
    Look((118, 200, 192), (234, 250, 224), (72, 154, 156)),
)
CLOTHES = ("party hat", "crown", "bow", "scarf", "bow tie")


def paint(brush: Brush, look: Look, dice: Dice) -> None:
    outfit = accessories.choose(dice, CLOTHES, look.coat)
    face = faces.expression(dice, ("smile", "smile", "open", "tongue"))
    brush = accessories.make_room(brush, outfit)
    brush = brush.at(0, 8, 1.2) if dice.chance(0.35) else brush
    for s in (-1, 1):
        brush.ellipse(s * 17, 19, 9.5, 7.5, look.coat, tilt=s * 35, rim=True)
        for toe in (0, 4.5, 9):
            brush.ellipse(s * (16 + toe), 27.5, 3.2, 2.3, look.coat, rim=True)
    brush.blob([(-12, 2), (12, 2), (16, 16), (11, 27), (-11, 27), (-16, 16)], look.shade, rim=True)
    brush.ellipse(0, 17.5, 9.4, 9, look.light)
    for s in (-1, 1):
        brush.stroke([(s * 9.4, 13), (s * 7.4, 25)], 5.4, look.coat, rim=True)
        brush.ellipse(s * 7, 27.6, 5, 2.6, look.coat, rim=True)
    accessories.on_neck(brush, outfit, 0, 9.5, 12)
    head = brush.at(0, -5)
    for s in (-1, 1):
        head.circle(s * 11.5, -13, 8.2, look.coat, rim=True)
    half = [(7, -13), (16, -9.5), (21.8, 0), (19, 9), (10, 14.4)]
    head.blob([*half, *((-x, y) for x, y in reversed(half))], look.coat, rim=True)
    for s in (-1, 1):
        head.circle(s * 11.5, -12.6, 8.2, look.coat)
    if dice.chance(0.4):
        for x, y, radius in ((-17, -1, 2.6), (17.5, -2, 2.2), (-13, 10, 2)):
            head.circle(x, y, radius, look.mark)
    faces.eyes(head, face, 11.5, -13, 5.4, WHITE)
    faces.cheeks(head, face, 15, 4, 3.5)
    front = head.at(face.turn * 1.5, 0)
    for s in (-1, 1):
        front.ellipse(s * 2, -3, 1, 0.9, look.ink)
    if face.mouth == "smile":
        front.stroke(faces.curve(0, 1.6, 12, 5.4), 2.1, DARK)
    else:
        faces.mouth(front, face.mouth, 0, 2.2, 8)
    accessories.on_head(head.at(0, -12, 0.8), outfit, 0, 0, side=0)
