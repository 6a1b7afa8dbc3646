"""Monkey: round ears at the sides, a heart-shaped mask, a tuft, long arms and a curled tail."""

from __future__ import annotations

from latent_diffusion.data.cartoons import accessories, faces
from latent_diffusion.data.cartoons.bodies import POSES
from latent_diffusion.data.cartoons.canvas import Brush
from latent_diffusion.data.cartoons.dice import Dice
from latent_diffusion.data.cartoons.palette import Look

LOOKS = (
    Look((172, 122, 92), (252, 222, 190), (124, 82, 62)),
    Look((196, 146, 110), (255, 232, 204), (146, 98, 72)),
    Look((148, 122, 120), (244, 218, 200), (102, 80, 82)),
    Look((214, 168, 108), (255, 238, 206), (160, 112, 62)),
    Look((156, 150, 168), (248, 226, 214), (108, 102, 122)),
)


def paint(brush: Brush, look: Look, dice: Dice) -> None:
    outfit = accessories.choose(dice, accessories.EVERYTHING, look.coat)
    face = faces.expression(dice, ("smile", "open", "small"))
    pose = dice.pick(("sit", "wave", "portrait"))

    def tail(at: Brush) -> None:
        curl = [(0, 0), (10, 1), (16, -6), (13, -14), (7, -12), (8, -7)]
        at.stroke(curl, 4, look.coat, 3.4, rim=True)

    brush = accessories.make_room(brush, outfit)
    brush = brush.at(0, 1.5, 0.91) if pose == "portrait" else brush
    head = POSES["portrait" if pose == "portrait" else "sit"](brush, look, tail, outfit, look.light)
    if pose == "wave":
        brush.stroke([(-8, 11), (-17, 12), (-22, 5)], 5, look.coat, rim=True)
        brush.circle(-22.4, 4, 3.6, look.light, rim=True)
    for s in (-1, 1):
        head.circle(s * 17.5, -1, 7.2, look.coat, rim=True)
        head.circle(s * 17.5, -1, 4.4, look.light)
    if outfit.kind not in accessories.HATS:
        head.blob([(-4, -13), (-3.4, -18), (0, -16.6), (4.4, -20), (5, -13)], look.coat, rim=True)
    head.ellipse(0, 0, 16, 15, look.coat, rim=True)
    for s in (-1, 1):
        head.ellipse(s * 6.4, -2, 7.6, 8.2, look.light)
    head.ellipse(0, 7, 12.4, 7.2, look.light)
    front = head.at(face.turn * 1.8, 0)
    accessories.on_eyes(front, outfit, 6.6, -1.5)
    faces.eyes(front, face, 6.6, -1.5, 3.5)
    faces.cheeks(front, face, 10.4, 5)
    for s in (-1, 1):
        front.ellipse(s * 1.5, 4, 1.1, 0.9, look.mark)
    faces.mouth(front, face.mouth, 0, 7, 5)
    accessories.on_head(head, outfit, 0, -13.5)
