"""Cat: pointed ears, whiskers, a long tail; plain, tabby or with an eye patch."""

from __future__ import annotations

from latent_diffusion.data.cartoons import accessories, faces
from latent_diffusion.data.cartoons.bodies import POSES
from latent_diffusion.data.cartoons.canvas import Brush
from latent_diffusion.data.cartoons.dice import Dice
from latent_diffusion.data.cartoons.palette import Look

LOOKS = (
    Look((250, 186, 120), (255, 238, 214), (226, 140, 78)),
    Look((180, 184, 198), (244, 244, 248), (124, 128, 148)),
    Look((250, 246, 240), (255, 255, 255), (232, 186, 144)),
    Look((134, 128, 152), (226, 220, 232), (98, 92, 116)),
    Look((236, 212, 180), (255, 246, 232), (160, 120, 98)),
    Look((206, 168, 138), (250, 232, 212), (152, 110, 86)),
)


def paint(brush: Brush, look: Look, dice: Dice) -> None:
    pattern = dice.pick(("plain", "tabby", "patch"))
    outfit = accessories.choose(dice, accessories.EVERYTHING, look.coat)
    face = faces.expression(dice, ("w", "w", "open", "smile"))
    pose = POSES[dice.pick(("sit", "sit", "portrait", "side", "loaf"))]

    def tail(at: Brush) -> None:
        at.stroke([(0, 0), (9, -1), (12.5, -9), (10, -17)], 5.4, look.coat, 4.6, rim=True)
        at.stroke([(11.6, -12), (10, -17)], 4.6, look.light if pattern == "patch" else look.mark)

    paws = dice.pick((look.light, look.coat))
    head = pose(accessories.make_room(brush, outfit), look, tail, outfit, paws)
    for s in (-1, 1):
        ear = [(s * 16.8, -2), (s * 16, -19.5), (s * 14, -20.8), (s * 3, -13)]
        head.polygon(ear, look.mark if pattern == "plain" else look.coat, rim=True)
        head.polygon([(s * 14.2, -7), (s * 13.8, -16.5), (s * 7, -12)], look.accent)
    half = [(9, -13.6), (15.5, -6), (17.8, 3), (14.5, 10.5), (7, 14.6)]
    head.blob([*half, *((-x, y) for x, y in reversed(half))], look.coat, rim=True)
    if pattern == "tabby":
        for x, length in ((-5, 5), (0, 6.5), (5, 5)):
            head.stroke([(x, -12.6), (x, -12.6 + length)], 2.6, look.mark, 1.8)
    elif pattern == "patch":
        head.ellipse(8, -1, 7, 8, look.patch, tilt=20)
    for s in (-1, 1):
        for y in (4.5, 8.5):
            head.stroke([(s * 13, 6 + (y - 6) * 0.5), (s * 21.5, y)], 1.3, look.ink)
    front = head.at(face.turn * 2.2, 0)
    front.ellipse(-3.4, 8.4, 5, 3.9, look.light)
    front.ellipse(3.4, 8.4, 5, 3.9, look.light)
    accessories.on_eyes(front, outfit, 8, 0)
    faces.eyes(front, face, 8, 0, 3.6)
    faces.cheeks(front, face, 12, 6.5)
    faces.mouth(front, face.mouth, 0, 7.6, 4.6)
    faces.nose(front, 0, 5.6, look.accent)
    accessories.on_head(head, outfit, 0, -13.5)
