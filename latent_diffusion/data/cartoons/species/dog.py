"""Dog: hanging ears, a big dark nose, often the tongue out; plain, with an eye patch or a blaze."""

from __future__ import annotations

from latent_diffusion.data.cartoons import accessories, faces
from latent_diffusion.data.cartoons.bodies import POSES
from latent_diffusion.data.cartoons.canvas import Brush
from latent_diffusion.data.cartoons.dice import Dice
from latent_diffusion.data.cartoons.palette import DARK, WHITE, Look

LOOKS = (
    Look((228, 176, 122), (255, 242, 222), (160, 104, 70)),
    Look((252, 244, 230), (255, 255, 255), (196, 136, 92)),
    Look((190, 142, 108), (250, 228, 200), (124, 84, 66)),
    Look((248, 214, 150), (255, 246, 222), (218, 158, 84)),
    Look((186, 190, 202), (248, 248, 250), (112, 114, 134)),
    Look((246, 242, 240), (255, 255, 255), (104, 98, 114)),
)


def paint(brush: Brush, look: Look, dice: Dice) -> None:
    pattern = dice.pick(("plain", "patch", "blaze"))
    outfit = accessories.choose(dice, accessories.EVERYTHING, look.coat)
    face = faces.expression(dice, ("tongue", "open", "smile"))
    pose = POSES[dice.pick(("sit", "sit", "portrait", "side", "loaf"))]

    def tail(at: Brush) -> None:
        colour = look.mark if pattern == "patch" else look.coat
        at.stroke([(0, 0), (7, -5), (9, -13)], 6, colour, 4, rim=True)

    paws = dice.pick((look.light, look.coat))
    head = pose(accessories.make_room(brush, outfit), look, tail, outfit, paws)
    half = [(7, -15), (13, -10), (15.8, 0), (14, 9), (7, 14.8)]
    head.blob([*half, *((-x, y) for x, y in reversed(half))], look.coat, rim=True)
    if pattern == "patch":
        head.ellipse(7.5, -1.5, 6.6, 7.6, look.patch, tilt=15)
    elif pattern == "blaze":
        head.blob([(-2.4, -14.6), (2.4, -14.6), (3, -4), (6, 6), (-6, 6), (-3, -4)], look.light)
    droop = dice.uniform(6, 12)
    for s in (-1, 1):
        root, tip = [(s * 7, -14), (s * 13.5, -14)], [(s * 20.5, droop - 2), (s * 16, droop)]
        head.blob([*root, (s * 19.5, -5), *tip, (s * 12.6, 0)], look.mark, rim=True)
    front = head.at(face.turn * 2.2, 0)
    front.ellipse(0, 8.2, 9, 6.4, look.light)
    accessories.on_eyes(front, outfit, 7, -1.5)
    faces.eyes(front, face, 7, -1.5, 3.5)
    faces.cheeks(front, face, 11, 5)
    faces.mouth(front, face.mouth, 0, 8.4, 4.8)
    front.ellipse(0, 5, 3.6, 2.7, DARK)
    front.ellipse(-1, 4.2, 1.1, 0.8, WHITE)
    accessories.on_head(head, outfit, 0, -14, side=9)
