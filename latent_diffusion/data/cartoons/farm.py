"""Chicken and horse, each from the front and in profile."""

from __future__ import annotations

from latent_diffusion.data.cartoons import accessories, faces
from latent_diffusion.data.cartoons.accessories import Outfit
from latent_diffusion.data.cartoons.canvas import Brush
from latent_diffusion.data.cartoons.dice import Dice
from latent_diffusion.data.cartoons.faces import Face
from latent_diffusion.data.cartoons.palette import BEAK, DARK, Look, mix

RED = (236, 84, 92)
CHICKEN_LOOKS = (
    Look((255, 250, 242), (255, 255, 255), (236, 222, 206)), Look((255, 222, 120), (255, 240, 182), (244, 188, 80)),
    Look((206, 144, 98), (246, 220, 186), (150, 98, 70)), Look((244, 200, 160), (255, 238, 218), (216, 150, 112)),
    Look((150, 148, 164), (226, 226, 234), (108, 106, 126)),
)  # fmt: skip
HORSE_LOOKS = (
    Look((198, 142, 98), (248, 222, 190), (118, 76, 62)), Look((248, 240, 230), (255, 224, 214), (236, 176, 140)),
    Look((240, 206, 150), (255, 238, 208), (250, 246, 236)), Look((158, 116, 98), (232, 202, 176), (84, 62, 66)),
    Look((190, 192, 206), (240, 232, 232), (112, 114, 136)), Look((246, 214, 226), (255, 240, 240), (186, 142, 212)),
)  # fmt: skip


def chicken(brush: Brush, look: Look, dice: Dice) -> None:
    """Red comb and wattle, orange beak and feet, small wings."""
    outfit = accessories.choose(dice, ("glasses", "scarf", "bow tie", "bow"), look.coat)
    face = faces.expression(dice, ("shut", "shut", "open"))
    pose = dice.pick(("front", "front", "side", "side", "portrait"))
    if pose == "side":
        _chicken_side(brush, look, dice, outfit, face)
    else:
        _chicken_front(brush if pose == "front" else brush.at(0, 10, 1.3), look, dice, outfit, face)


def _chicken_front(brush: Brush, look: Look, dice: Dice, outfit: Outfit, face: Face) -> None:
    raised = dice.chance(0.35)
    red, yellow = brush.inked(mix(RED, DARK, 0.6)), brush.inked(mix(BEAK, DARK, 0.55))
    for s in (-1, 1):
        brush.blob([(s * 6, 14), (s * 17, 3), (s * 25, 6), (s * 22, 16), (s * 12, 20)], look.mark, rim=True) if s == 1 else None
        yellow.stroke([(s * 6, 22), (s * 6, 28)], 2.6, BEAK, rim=True)
        yellow.stroke([(s * 6 - 4.5, 29), (s * 6, 28), (s * 6 + 4.5, 29)], 2.8, BEAK, rim=True)
    for x, y, r in ((-5.5, -21.5, 4.4), (5.5, -21.5, 4.4), (0, -24.5, 5)):
        red.circle(x, y, r, RED, rim=True)
    brush.blob([(0, -21), (10, -18), (15, -8), (18, 5), (18, 16), (11, 24), (0, 26), (-11, 24), (-18, 16), (-18, 5), (-15, -8), (-10, -18)], look.coat, rim=True)
    brush.ellipse(0, 17, 11, 7.5, look.light)
    for s in (-1, 1):
        wing = brush.at(s * 16, 6, tilt=s * (-115 if raised else -12), mirror=s < 0) if not raised else brush.at(s * 16.5, 4, tilt=-70 * s, mirror=s < 0)
        wing.blob([(-2, -3), (3.5, 0), (5, 7), (1.5, 13), (-3, 8)], look.mark, rim=True)
    accessories.on_neck(brush, outfit, 0, 8.5, 15)
    front = brush.at(face.turn * 2.2, -8)
    accessories.on_eyes(front, outfit, 7.5, -1.5)
    faces.eyes(front, face, 7.5, -1.5, 3.6)
    faces.cheeks(front, face, 11, 5, 3)
    if outfit.kind not in ("scarf", "bow tie"):
        front.inked(red.ink).ellipse(0, 11, 3, 4.4, RED, rim=True)
    _beak(front.inked(yellow.ink), face)
    accessories.on_head(brush, outfit, 0, -18, side=9)


def _beak(brush: Brush, face: Face) -> None:
    if face.mouth == "open":
        brush.blob([(-3.8, 4), (3.8, 4), (0, 10.4)], (206, 98, 88), rim=True)
    brush.polygon([(-5.4, 3.4), (-3.4, 0.6), (0, -0.6), (3.4, 0.6), (5.4, 3.4), (0, 8)], BEAK, rim=True)


def _chicken_side(brush: Brush, look: Look, dice: Dice, outfit: Outfit, face: Face) -> None:
    red, yellow = brush.inked(mix(RED, DARK, 0.6)), brush.inked(mix(BEAK, DARK, 0.55))
    for x in (0, 8):
        yellow.stroke([(x, 21), (x, 28)], 2.6, BEAK, rim=True)
        yellow.stroke([(x - 5, 29), (x, 28), (x + 3, 29)], 2.8, BEAK, rim=True)
    for tip in ((28, -8), (30, -1), (28, 6)):
        brush.stroke([(15, 10), ((15 + tip[0]) / 2 + 2, (10 + tip[1]) / 2 + 1), tip], 8, look.mark, 5.5, rim=True)
    for x, y, r in ((-15.5, -22, 4), (-5.5, -21.5, 4.2), (-10.5, -24.5, 4.8)):
        red.circle(x, y, r, RED, rim=True)
    yellow.polygon([(-21, -13), (-29.5, -6.5), (-20, -3)], BEAK, rim=True)
    if face.mouth == "open":
        yellow.polygon([(-21, -6), (-27, -2), (-18, 0)], BEAK, rim=True)
    red.ellipse(-18, 2.5, 3, 4.6, RED, rim=True)
    brush.blob([(-10, -21), (-2, -18), (2, -9), (8, 0), (22, 0), (23, 12), (15, 22), (2, 24), (-10, 20), (-16, 9), (-20, -4), (-19, -15)], look.coat, rim=True)
    brush.blob([(-12, 8), (-8, 18), (2, 22), (-6, 21), (-13, 15)], look.light)
    brush.blob([(0, 5), (12, 4), (18, 9), (12, 15), (4, 15)], look.mark, rim=True)
    accessories.on_neck(brush.at(-8, 2, 0.95, tilt=-8), outfit, 0, 0, 10)
    if outfit.kind == "glasses":
        accessories.on_eyes(brush.at(-10.5, -10), outfit, 0, 0)
    faces.eyes(brush.at(-10.5, -10), Face("open" if face.eyes == "wink" else face.eyes, "", False, 0), 0, 0, 3.9)
    if face.cheeks:
        faces.cheeks(brush.at(-10, -3.5), face, 0, 0, 3)
    accessories.on_head(brush, outfit, -6, -19, side=6)


def horse(brush: Brush, look: Look, dice: Dice) -> None:
    """A long muzzle with nostrils, a mane, a flowing tail, hooves."""
    outfit = accessories.choose(dice, ("bow", "flower", "scarf", "bell", "party hat"), look.coat)
    face = faces.expression(dice, ("smile", "smile", "open"))
    pose = dice.pick(("side", "side", "side", "front", "profile"))
    if pose == "front":
        _horse_front(brush.at(0, -3, 1.12), look, outfit, face)
    elif pose == "profile":
        brush.blob([(-6, 4), (10, -6), (22, 14), (26, 48), (-16, 48), (-10, 20)], look.shade, rim=True)
        accessories.on_neck(brush.at(4, 21, 1.3, tilt=-6), outfit, 0, 0, 11)
        _horse_profile(brush.at(6, -3, 1.25), look, outfit, face)
    else:
        _horse_side(brush, look, outfit, face)


def _horse_side(brush: Brush, look: Look, outfit: Outfit, face: Face) -> None:
    brush.blob([(20, 4), (27, 3), (30, 12), (28, 25), (23, 23), (24, 14)], look.mark, rim=True)
    for x, near in ((-2, False), (14, False), (-6, True), (19, True)):
        brush.stroke([(x, 16), (x, 27)], 6, look.coat if near else look.shade, 5.4, rim=True)
        brush.polygon([(x - 3, 26), (x + 3, 26), (x + 3.8, 30), (x - 3.8, 30)], mix(look.mark, DARK, 0.35), rim=True)
    brush.blob([(-11, 0), (2, -8), (8, 3), (20, 3), (24, 10), (20, 19), (6, 20), (-8, 20), (-12, 10)], look.shade, rim=True)
    accessories.on_neck(brush.at(-3, 6, 0.9, tilt=-12), outfit, 0, 0, 9)
    _horse_profile(brush.at(-4, -10, 0.96), look, outfit, face)


def _horse_profile(head: Brush, look: Look, outfit: Outfit, face: Face) -> None:
    """The head from the side, muzzle at the left."""
    head.blob([(-2, -15), (8, -14), (15, -4), (17, 9), (12, 17), (6, 8), (4, -4)], look.mark, rim=True)
    for x, near in ((-1, False), (4.5, True)):
        head.blob([(x - 3, -9), (x - 2, -16), (x + 1, -20), (x + 3.2, -15), (x + 3, -8)], look.coat if near else look.shade, rim=True)
    head.blob([(0, -12), (-7, -10), (-13, -4), (-20, -1), (-24.5, 5), (-22, 12), (-13, 13), (-2, 11), (7, 6), (9, -4), (6, -11)], look.coat, rim=True)
    head.blob([(-16, -2.8), (-20.6, -0.8), (-24.5, 5), (-22, 12), (-15, 12.8), (-13, 5)], look.light)
    head.blob([(5, -15), (-2, -15), (-8, -8), (-4, -6.5), (1, -10), (8, -9)], look.mark, rim=True)
    head.ellipse(-20.5, 3, 1.2, 1.5, look.ink)
    head.stroke([(-22, 8), (-18, 9.6), (-13.5, 7.5)], 1.7, DARK)
    faces.eyes(head.at(-4.5, -0.5), Face("open" if face.eyes == "wink" else face.eyes, "", False, 0), 0, 0, 3.8)
    if face.cheeks:
        faces.cheeks(head.at(-5, 6.6), face, 0, 0, 3)
    accessories.on_head(head.at(0, 0), outfit, 0, -13, side=6)


def _horse_front(brush: Brush, look: Look, outfit: Outfit, face: Face) -> None:
    brush.blob([(-13, -14), (0, -20), (13, -14), (18, 4), (16, 22), (-16, 22), (-18, 4)], look.mark, rim=True)
    brush.blob([(-9, 0), (9, 0), (13, 22), (16, 48), (-16, 48), (-13, 22)], look.shade, rim=True)
    accessories.on_neck(brush.at(0, 23, 1.2), outfit, 0, 0, 11)
    for s in (-1, 1):
        brush.blob([(s * 6, -14), (s * 7.5, -22), (s * 12, -25), (s * 14, -19), (s * 12, -12)], look.coat, rim=True)
        brush.blob([(s * 8.4, -15), (s * 9.4, -20), (s * 12, -22), (s * 12, -16)], look.accent)
    brush.blob([(0, -17), (9, -15), (13, -7), (12, 3), (12, 12), (8, 19), (0, 20), (-8, 19), (-12, 12), (-12, 3), (-13, -7), (-9, -15)], look.coat, rim=True)
    brush.ellipse(0, 12, 12.6, 8.6, look.light, rim=True)
    brush.blob([(-8, -17), (0, -21), (8, -17), (4, -10), (1, -6), (-4, -9)], look.mark, rim=True)
    front = brush.at(face.turn * 1.2, 0)
    faces.eyes(front, face, 8, -2.5, 3.6)
    faces.cheeks(front, face, 10, 3.6, 2.6)
    for s in (-1, 1):
        front.ellipse(s * 4.6, 9, 1.4, 1.8, look.ink)
    faces.mouth(front, face.mouth, 0, 13.6, 4.6)
    accessories.on_head(brush, outfit, 0, -17, side=9)
