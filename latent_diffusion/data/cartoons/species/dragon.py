"""Dragon: wings, horns, spikes along the back, a big snout, a plated belly, an arrow for a tail."""

from __future__ import annotations

from latent_diffusion.data.cartoons import accessories, faces
from latent_diffusion.data.cartoons.accessories import Outfit
from latent_diffusion.data.cartoons.canvas import Brush
from latent_diffusion.data.cartoons.dice import Dice
from latent_diffusion.data.cartoons.faces import Face
from latent_diffusion.data.cartoons.palette import DARK, Look, mix

HORN = (255, 238, 196)
LOOKS = (
    Look((134, 200, 146), (246, 240, 190), (240, 140, 116)),
    Look((240, 138, 130), (255, 228, 190), (250, 194, 104)),
    Look((178, 154, 222), (244, 230, 252), (250, 180, 136)),
    Look((124, 184, 226), (232, 246, 248), (138, 128, 208)),
    Look((250, 190, 118), (255, 242, 206), (230, 116, 98)),
)
CLOTHES = ("glasses", "scarf", "bow tie", "bell", "crown")


def paint(brush: Brush, look: Look, dice: Dice) -> None:
    outfit = accessories.choose(dice, CLOTHES, look.coat)
    face = faces.expression(dice, ("smile", "open", "fangs"))
    pose = dice.pick(("sit", "sit", "side", "side", "portrait"))
    brush = accessories.make_room(brush, outfit)
    if pose == "side":
        brush = brush.at(0, 0.5, 0.96)
        _body_side(brush, look, outfit)
        _head(brush.at(-10, -6, 0.92), look, outfit, face)
    else:
        brush = brush.at(0, 2.5, 0.93) if pose == "sit" else brush.at(0, 10, 1.22)
        _body_front(brush, look, dice.uniform(-10, 8), outfit)
        _head(brush.at(0, -6), look, outfit, face)


def _body_front(brush: Brush, look: Look, spread: float, outfit: Outfit) -> None:
    for s in (-1, 1):
        _wing(brush.at(s * 9, 9, 0.88, tilt=s * spread, mirror=s < 0), look)
    brush.stroke([(6, 24), (17, 26.5), (24, 21)], 6.4, look.coat, 3.6, rim=True)
    brush.polygon([(19.5, 21), (26.5, 12), (28.5, 23)], look.mark, rim=True)
    for s in (-1, 1):
        brush.ellipse(s * 9.5, 26, 6, 4, look.coat, rim=True)
    brush.blob([(-8, 4), (8, 4), (12.5, 17), (9, 28), (-9, 28), (-12.5, 17)], look.shade, rim=True)
    brush.ellipse(0, 18.5, 7.6, 9, look.light)
    for y, half in ((16, 7), (20, 7.4), (24, 6)):
        brush.stroke([(-half, y), (half, y)], 1.4, mix(look.light, look.coat, 0.6))
    for s in (-1, 1):
        brush.stroke([(s * 10, 13), (s * 7, 18)], 5, look.coat, rim=True)
    accessories.on_neck(brush, outfit, 0, 9, 9)


def _body_side(brush: Brush, look: Look, outfit: Outfit) -> None:
    brush.stroke([(14, 16), (24, 18), (27.5, 10), (25, 3)], 9, look.coat, 3.6, rim=True)
    brush.polygon([(20.5, 4), (24, -6), (29.5, 3)], look.mark, rim=True)
    for x, y in ((17, 6.5), (22.4, 11.5)):
        brush.polygon([(x - 4, y + 3), (x + 2, y - 4.5), (x + 4, y + 4)], look.mark, rim=True)
    for x, near in ((-1, False), (9, False), (-8, True), (16, True)):
        brush.stroke([(x, 17), (x, 26)], 6.6, look.coat if near else look.shade, rim=True)
        brush.ellipse(x - 0.8, 27.5, 4.2, 2.5, look.light if near else look.shade, rim=True)
    body = [(-13, 10), (-6, 3), (8, 4), (18, 7), (22, 14), (18, 21), (4, 24), (-10, 22)]
    brush.blob(body, look.shade, rim=True)
    brush.blob([(-13, 14), (-4, 17), (8, 19), (12, 22), (2, 24), (-10, 22)], look.light)
    _wing(brush.at(4, 11, 0.9), look)
    accessories.on_neck(brush, outfit, -8, 10, 8)


def _wing(at: Brush, look: Look) -> None:
    """A bat's wing that leaves the origin towards the upper right."""
    skin = [(0, 3), (7, -11), (20, -18), (23, -9), (22.5, 1), (17.5, -1), (15, 6), (10, 3), (6, 9)]
    at.polygon(skin, look.mark, rim=True)
    for x, y in ((17.5, -1), (10, 3)):
        at.stroke([(7, -10), (x, y)], 1.4, mix(look.mark, DARK, 0.22))


def _head(head: Brush, look: Look, outfit: Outfit, face: Face) -> None:
    bone = head.inked(mix(HORN, DARK, 0.6))
    for s in (-1, 1):
        horn = [(s * 5.5, -10), (s * 8.5, -19), (s * 14, -23), (s * 13.6, -16), (s * 12, -8)]
        bone.blob(horn, HORN, rim=True)
        ear = [(s * 12.5, -5), (s * 21.5, -5.5), (s * 18, 0.5), (s * 12.5, 3)]
        head.polygon(ear, look.mark, rim=True)
    if outfit.kind != "crown":
        for x, y, height in ((-4.4, -12, 4), (4.4, -12, 4), (0, -13, 6.5)):
            head.polygon([(x - 3.4, y), (x, y - height), (x + 3.4, y)], look.mark, rim=True)
    half = [(6, -14), (12.5, -9), (15.4, 0), (14, 8), (7, 14)]
    head.blob([*half, *((-x, y) for x, y in reversed(half))], look.coat, rim=True)
    front = head.at(face.turn * 1.8, 0)
    front.ellipse(0, 8.4, 11.6, 6.8, look.light)
    accessories.on_eyes(front, outfit, 7.4, -3)
    faces.eyes(front, face, 7.4, -3, 3.8)
    faces.cheeks(front, face, 11.6, 3.4, 2.7)
    for s in (-1, 1):
        front.ellipse(s * 3, 4.6, 1.3, 1.1, mix(look.coat, DARK, 0.5))
    faces.mouth(front, face.mouth, 0, 8, 6)
    accessories.on_head(head, outfit, 0, -13)
