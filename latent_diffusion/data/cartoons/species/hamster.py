"""Hamster: a ball with huge pale cheeks, small round ears, tiny paws that often hold a snack."""

from __future__ import annotations

from latent_diffusion.data.cartoons import accessories, faces
from latent_diffusion.data.cartoons.canvas import Brush
from latent_diffusion.data.cartoons.dice import Dice
from latent_diffusion.data.cartoons.palette import Look

LOOKS = (
    Look((248, 192, 122), (255, 250, 240), (222, 148, 82)),
    Look((206, 200, 204), (255, 255, 255), (150, 144, 152)),
    Look((226, 180, 146), (255, 246, 236), (176, 124, 96)),
    Look((255, 218, 158), (255, 252, 244), (236, 170, 98)),
    Look((180, 148, 136), (250, 238, 226), (132, 102, 96)),
)
CLOTHES = ("party hat", "crown", "top hat", "beanie", "bow", "flower", "glasses")


def paint(brush: Brush, look: Look, dice: Dice) -> None:
    outfit = accessories.choose(dice, CLOTHES, look.coat)
    face = faces.expression(dice, ("teeth", "teeth", "small", "w"))
    snack = dice.pick(("seed", "berry", "cookie", None))
    brush = accessories.make_room(brush, outfit)
    body = brush.at(0, 8.5, 1.2) if dice.chance(0.3) else brush.at(0, 1)
    for s in (-1, 1):
        body.ellipse(s * 8, 27, 5.4, 3, look.accent, rim=True)
        body.circle(s * 14, -17.5, 6.2, look.coat, rim=True)
        body.circle(s * 14, -17, 3.6, look.accent)
    half = [(6, -21.6), (15, -15.5), (21, -5), (24, 6), (21.5, 18), (13, 26), (4, 28)]
    body.blob([*half, *((-x, y) for x, y in reversed(half))], look.coat, rim=True)
    body.ellipse(0, 16.5, 13, 10.6, look.light)
    for s in (-1, 1):
        body.ellipse(s * 12, 3.5, 10.4, 9.2, look.light)
    body.ellipse(0, 3, 6, 9, look.light)
    if dice.chance(0.5):
        body.blob([(-3.4, -21.6), (3.4, -21.6), (2, -13), (0, -10), (-2, -13)], look.mark)
    front = body.at(face.turn * 1.6, 0)
    accessories.on_eyes(front, outfit, 9, -6)
    faces.eyes(front, face, 9, -6, 3.9)
    faces.cheeks(front, face, 15, 2.5, 3.7)
    faces.mouth(front, face.mouth, 0, 1.4, 4)
    faces.nose(front, 0, -1.4, look.accent)
    if snack:
        _snack(body, snack)
    for s in (-1, 1):
        body.ellipse(s * 6.2, 15.5, 3.6, 2.7, look.accent, tilt=s * -20, rim=True)
    accessories.on_head(body, outfit, 0, -20.5, side=12)


def _snack(body: Brush, snack: str) -> None:
    if snack == "seed":
        body.blob([(0, 9), (4, 15), (0, 21), (-4, 15)], (124, 104, 108), rim=True)
        body.stroke([(0, 12), (0, 18)], 1.6, (230, 218, 208))
    elif snack == "berry":
        body.circle(0, 15.5, 5, (238, 96, 110), rim=True)
        body.ellipse(0, 11, 2.8, 1.7, (120, 190, 130))
    else:
        body.circle(0, 15.5, 5.4, (232, 184, 124), rim=True)
        for x, y in ((-1.6, 13), (2, 15.6), (-1.4, 18)):
            body.circle(x, y, 1.2, (130, 84, 66))
