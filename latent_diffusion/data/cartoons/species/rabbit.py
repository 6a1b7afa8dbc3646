"""Rabbit: two long ears (one may fold), front teeth, a round tail."""

from __future__ import annotations

from latent_diffusion.data.cartoons import accessories, faces
from latent_diffusion.data.cartoons.bodies import POSES
from latent_diffusion.data.cartoons.canvas import Brush
from latent_diffusion.data.cartoons.dice import Dice
from latent_diffusion.data.cartoons.palette import Look

LOOKS = (
    Look((252, 248, 246), (255, 255, 255), (236, 206, 198)),
    Look((206, 202, 212), (248, 246, 250), (160, 152, 166)),
    Look((228, 194, 162), (255, 244, 230), (184, 140, 108)),
    Look((250, 212, 218), (255, 244, 246), (236, 170, 184)),
    Look((186, 158, 142), (244, 230, 218), (140, 114, 102)),
)
CLOTHES = ("bow", "flower", "glasses", "scarf", "bow tie", "bell")


def paint(brush: Brush, look: Look, dice: Dice) -> None:
    outfit = accessories.choose(dice, CLOTHES, look.coat)
    face = faces.expression(dice, ("teeth", "teeth", "w", "smile"))
    pose = dice.pick(("sit", "sit", "portrait", "side", "loaf"))
    folded, spread = dice.chance(0.35), dice.uniform(3, 13)

    def tail(at: Brush) -> None:
        at.circle(5, -2, 5.2, look.light, rim=True)

    paws = dice.pick((look.light, look.coat))
    head = POSES[pose](brush.at(0, 5.4, 0.845), look, tail, outfit, paws)
    head = head if pose == "portrait" else head.at(0, 0, 1.1)
    for s in (-1, 1):
        ear = head.at(s * 7.5, -11, tilt=s * spread)
        if folded and s == 1:
            ear.stroke([(0, 2), (0.5, -12)], 9, look.coat, rim=True)
            flap = [(-4, -15), (3, -18), (10, -14), (13, -4), (9, -1), (5, -7), (-3, -11)]
            ear.blob(flap, look.coat, rim=True)
            ear.blob([(2, -13), (8, -12), (10.5, -4), (8.5, -4), (6, -9)], look.accent)
        else:
            ear.ellipse(0, -8, 5.6, 12, look.coat, rim=True)
            ear.ellipse(0, -7.5, 3, 8.6, look.accent)
    half = [(7, -13.6), (13.5, -8), (16.8, 2), (14.5, 9.6), (7, 14)]
    head.blob([*half, *((-x, y) for x, y in reversed(half))], look.coat, rim=True)
    if dice.chance(0.3):
        head.ellipse(8, -1, 6.4, 7.4, look.patch, tilt=15)
    front = head.at(face.turn * 2, 0)
    front.ellipse(-3.2, 8, 4.8, 4, look.light)
    front.ellipse(3.2, 8, 4.8, 4, look.light)
    accessories.on_eyes(front, outfit, 8, -0.5)
    faces.eyes(front, face, 8, -0.5, 3.8)
    faces.cheeks(front, face, 12, 6)
    faces.mouth(front, face.mouth, 0, 7.2, 4.2)
    faces.nose(front, 0, 5, look.accent)
    accessories.on_head(head, outfit, 0, -12, side=8)
