"""Horse: a long muzzle, a mane, a flowing tail, hooves; in profile, or the head from the front."""

from __future__ import annotations

from latent_diffusion.data.cartoons import accessories, faces
from latent_diffusion.data.cartoons.accessories import Outfit
from latent_diffusion.data.cartoons.canvas import Brush
from latent_diffusion.data.cartoons.dice import Dice
from latent_diffusion.data.cartoons.faces import Face
from latent_diffusion.data.cartoons.palette import DARK, Look, mix

LOOKS = (
    Look((208, 152, 108), (250, 226, 196), (124, 82, 68)),
    Look((248, 240, 230), (255, 224, 214), (232, 168, 128)),
    Look((240, 206, 150), (255, 238, 208), (252, 248, 238)),
    Look((176, 132, 112), (240, 214, 190), (98, 72, 76)),
    Look((194, 198, 214), (244, 236, 236), (104, 106, 134)),
    Look((246, 214, 226), (255, 240, 240), (180, 140, 212)),
)
CLOTHES = ("bow", "flower", "scarf", "bell", "party hat")


def paint(brush: Brush, look: Look, dice: Dice) -> None:
    outfit = accessories.choose(dice, CLOTHES, look.coat)
    face = faces.expression(dice, ("smile", "smile", "open"))
    brush = accessories.make_room(brush, outfit)
    pose = dice.pick(("side", "side", "side", "front", "profile"))
    if pose == "front":
        _front(brush.at(0, -0.5, 1.03), look, outfit, face)
    elif pose == "profile":
        neck = [(-6, 4), (10, -6), (22, 14), (26, 48), (-16, 48), (-10, 20)]
        brush.blob(neck, look.shade, rim=True)
        accessories.on_neck(brush.at(4, 21, 1.3, tilt=-6), outfit, 0, 0, 11)
        _profile(brush.at(5, -1.5, 1.17), look, outfit, face)
    else:
        _side(brush.at(-1, 0.5, 0.95), look, outfit, face)


def _side(brush: Brush, look: Look, outfit: Outfit, face: Face) -> None:
    brush.blob([(20, 4), (27, 3), (30, 12), (28, 25), (23, 23), (24, 14)], look.mark, rim=True)
    for x, near in ((1, False), (12, False), (-7, True), (19.5, True)):
        brush.stroke([(x, 16), (x, 27)], 6, look.coat if near else look.shade, 5.4, rim=True)
        hoof = [(x - 3, 26), (x + 3, 26), (x + 3.8, 30), (x - 3.8, 30)]
        brush.polygon(hoof, mix(look.mark, DARK, 0.35), rim=True)
    body = [(-11, 0), (2, -8), (8, 3), (20, 3), (24, 10), (20, 19), (6, 20), (-8, 20), (-12, 10)]
    brush.blob(body, look.shade, rim=True)
    accessories.on_neck(brush.at(-3, 6, 0.9, tilt=-12), outfit, 0, 0, 9)
    _profile(brush.at(-4, -10, 0.96), look, outfit, face)


def _profile(head: Brush, look: Look, outfit: Outfit, face: Face) -> None:
    """The head from the side, muzzle at the left."""
    mane = [(-2, -15), (8, -14), (15, -4), (17, 9), (12, 17), (6, 8), (4, -4)]
    head.blob(mane, look.mark, rim=True)
    for x, near in ((-1, False), (4.5, True)):
        ear = [(x - 3, -9), (x - 2, -16), (x + 1, -20), (x + 3.2, -15), (x + 3, -8)]
        head.blob(ear, look.coat if near else look.shade, rim=True)
    forehead = [(0, -12), (-7, -10), (-13, -4), (-20, -1), (-24.5, 5)]
    jaw = [(-22, 12), (-13, 13), (-2, 11), (7, 6), (9, -4), (6, -11)]
    head.blob([*forehead, *jaw], look.coat, rim=True)
    muzzle = [(-16, -2.8), (-20.6, -0.8), (-24.5, 5), (-22, 12), (-15, 12.8), (-13, 5)]
    head.blob(muzzle, look.light)
    head.blob([(5, -15), (-2, -15), (-8, -8), (-4, -6.5), (1, -10), (8, -9)], look.mark, rim=True)
    head.ellipse(-20.5, 3, 1.2, 1.5, look.ink)
    faces.mouth(head, "smile", -17.6, 7.4, 4.4)
    faces.eyes(head.at(-4.5, -0.5), face.in_profile(), 0, 0, 4)
    faces.cheeks(head.at(-5, 6.6), face, 0, 0)
    accessories.on_head(head, outfit, 0, -13, side=6)


def _front(brush: Brush, look: Look, outfit: Outfit, face: Face) -> None:
    mane = [(-13, -14), (0, -20), (13, -14), (18, 4), (16, 22), (-16, 22), (-18, 4)]
    brush.blob(mane, look.mark, rim=True)
    brush.blob([(-9, 0), (9, 0), (13, 22), (16, 48), (-16, 48), (-13, 22)], look.shade, rim=True)
    accessories.on_neck(brush.at(0, 23, 1.2), outfit, 0, 0, 11)
    for s in (-1, 1):
        ear = [(s * 6, -14), (s * 7.5, -22), (s * 12, -25), (s * 14, -19), (s * 12, -12)]
        brush.blob(ear, look.coat, rim=True)
        brush.blob([(s * 8.4, -15), (s * 9.4, -20), (s * 12, -22), (s * 12, -16)], look.accent)
    half = [(6, -16.6), (11.6, -12), (13, -4), (12, 4), (12, 13), (7, 19.4)]
    brush.blob([*half, *((-x, y) for x, y in reversed(half))], look.coat, rim=True)
    brush.ellipse(0, 12, 12.6, 8.6, look.light, rim=True)
    brush.blob([(-8, -17), (0, -21), (8, -17), (4, -10), (1, -6), (-4, -9)], look.mark, rim=True)
    front = brush.at(face.turn * 1.2, 0)
    faces.eyes(front, face, 8, -2.5, 3.6)
    faces.cheeks(front, face, 10, 3.6, 2.6)
    for s in (-1, 1):
        front.ellipse(s * 4.6, 9, 1.4, 1.8, look.ink)
    faces.mouth(front, face.mouth, 0, 13.6, 4.6)
    accessories.on_head(brush, outfit, 0, -17, side=9)
