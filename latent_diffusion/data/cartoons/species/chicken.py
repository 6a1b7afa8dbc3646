"""Chicken: red comb and wattle, orange beak and feet, small wings; from the front or in profile."""

from __future__ import annotations

from latent_diffusion.data.cartoons import accessories, faces
from latent_diffusion.data.cartoons.accessories import Outfit
from latent_diffusion.data.cartoons.canvas import Brush
from latent_diffusion.data.cartoons.dice import Dice
from latent_diffusion.data.cartoons.faces import Face
from latent_diffusion.data.cartoons.palette import DARK, Look, mix

BEAK, RED = (250, 170, 70), (236, 84, 92)
BEAK_INK, RED_INK = mix(BEAK, DARK, 0.55), mix(RED, DARK, 0.6)
LOOKS = (
    Look((255, 250, 242), (255, 255, 255), (236, 220, 204)),
    Look((255, 222, 120), (255, 240, 182), (244, 188, 80)),
    Look((212, 152, 106), (246, 220, 186), (156, 104, 76)),
    Look((244, 200, 160), (255, 238, 218), (216, 150, 112)),
    Look((168, 166, 182), (230, 230, 238), (120, 118, 138)),
)
CLOTHES = ("glasses", "scarf", "bow tie", "bow")


def paint(brush: Brush, look: Look, dice: Dice) -> None:
    outfit = accessories.choose(dice, CLOTHES, look.coat)
    face = faces.expression(dice, ("shut", "shut", "open"))
    pose = dice.pick(("front", "front", "side", "side", "portrait"))
    if pose == "side":
        _side(brush.at(-2, 0, 0.94), look, outfit, face)
    elif pose == "front":
        _front(brush.at(0, 0.5, 0.97), look, dice.chance(0.5), outfit, face)
    else:
        _front(brush.at(0, 9.5, 1.22), look, False, outfit, face)


def _front(brush: Brush, look: Look, raised: bool, outfit: Outfit, face: Face) -> None:
    for s in (-1, 1):
        _foot(brush, s * 6)
    for x, y, r in ((-5.5, -21.5, 4.4), (5.5, -21.5, 4.4), (0, -24.5, 5)):
        brush.inked(RED_INK).circle(x, y, r, RED, rim=True)
    half = [(6, -20.5), (12.5, -15), (15.5, -5), (18.5, 6), (18, 16), (12, 23.6), (4, 26)]
    brush.blob([*half, *((-x, y) for x, y in reversed(half))], look.coat, rim=True)
    brush.ellipse(0, 17, 11, 7.5, look.light)
    for s in (-1, 1):
        wing = brush.at(s * 16, 4, tilt=s * (-72 if raised else -14), mirror=s < 0)
        wing.blob([(-2, -3), (3.5, 0), (5, 7), (1.5, 13), (-3, 8)], look.mark, rim=True)
    accessories.on_neck(brush, outfit, 0, 8.5, 15)
    front = brush.at(face.turn * 2.2, -8)
    accessories.on_eyes(front, outfit, 7.5, -1.5)
    faces.eyes(front, face, 7.5, -1.5, 3.7)
    faces.cheeks(front, face, 11, 5)
    if outfit.kind not in ("scarf", "bow tie"):
        front.inked(RED_INK).ellipse(0, 11, 3, 4.4, RED, rim=True)
    beak = front.inked(BEAK_INK)
    if face.mouth == "open":
        beak.blob([(-3.8, 4), (3.8, 4), (0, 10.4)], (206, 98, 88), rim=True)
    beak.polygon(
        [(-5.4, 3.4), (-3.4, 0.6), (0, -0.6), (3.4, 0.6), (5.4, 3.4), (0, 8)], BEAK, rim=True
    )
    accessories.on_head(brush, outfit, 0, -18, side=9)


def _side(brush: Brush, look: Look, outfit: Outfit, face: Face) -> None:
    red, yellow = brush.inked(RED_INK), brush.inked(BEAK_INK)
    for foot in (-2, 7):
        _foot(brush, foot)
    for tip_x, tip_y in ((27, -8), (29, -1), (27, 6)):
        feather = [(15, 10), ((15 + tip_x) / 2 + 2, (10 + tip_y) / 2 + 1), (tip_x, tip_y)]
        brush.stroke(feather, 8, look.mark, 5.5, rim=True)
    for x, y, r in ((-15.5, -20.5, 4), (-5.5, -20.5, 4.2), (-10.5, -23, 4.8)):
        red.circle(x, y, r, RED, rim=True)
    if face.mouth == "open":
        yellow.polygon([(-21, -6), (-27, -2), (-18, 0)], (206, 98, 88), rim=True)
    yellow.polygon([(-20, -12), (-28, -6.5), (-19, -3)], BEAK, rim=True)
    red.ellipse(-18, 2.5, 3, 4.6, RED, rim=True)
    back = [(-10, -20), (-2.5, -17), (2, -9), (9, -1), (18, -2), (23.5, 3), (22, 14)]
    belly = [(13, 22), (1, 24), (-10, 20), (-16, 9), (-19.5, -4), (-17.5, -14.5)]
    brush.blob([*back, *belly], look.coat, rim=True)
    brush.ellipse(-3, 17, 10, 5, look.light, tilt=12)
    brush.blob([(0, 4), (12, 3), (18.5, 8), (12, 14.5), (4, 14)], look.mark, rim=True)
    accessories.on_neck(brush.at(-8, 3, 0.95, tilt=-8), outfit, 0, 0, 9)
    if outfit.kind == "glasses":
        accessories.on_eyes(brush.at(-10.5, -9), outfit, 0, 0)
    faces.eyes(brush.at(-10.5, -9), face.in_profile(), 0, 0, 4)
    faces.cheeks(brush.at(-10, -2.5), face, 0, 0)
    accessories.on_head(brush, outfit, -4, -18, side=6)


def _foot(brush: Brush, x: float) -> None:
    brush = brush.inked(BEAK_INK)
    brush.stroke([(x, 21), (x, 28)], 2.8, BEAK, rim=True)
    brush.stroke([(x - 4.5, 28.6), (x + 4.5, 28.6)], 3.2, BEAK, rim=True)
