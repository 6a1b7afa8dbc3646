"""Dragon, fish, frog and gecko."""

from __future__ import annotations

import math

from latent_diffusion.data.cartoons import accessories, faces
from latent_diffusion.data.cartoons.accessories import Outfit
from latent_diffusion.data.cartoons.canvas import Brush
from latent_diffusion.data.cartoons.dice import Dice
from latent_diffusion.data.cartoons.faces import Face
from latent_diffusion.data.cartoons.palette import DARK, WHITE, Look, mix

HORN = (255, 238, 196)
DRAGON_LOOKS = (
    Look((134, 200, 146), (246, 240, 190), (240, 130, 110)), Look((238, 130, 124), (255, 226, 184), (250, 190, 96)),
    Look((172, 148, 218), (242, 226, 250), (250, 176, 130)), Look((118, 178, 222), (230, 244, 246), (128, 118, 200)),
    Look((250, 186, 110), (255, 240, 200), (226, 108, 90)),
)  # fmt: skip
FISH_LOOKS = (
    Look((252, 164, 88), (255, 255, 255), (232, 110, 70)), Look((110, 178, 226), (255, 238, 160), (66, 122, 196)),
    Look((250, 206, 92), (255, 250, 224), (236, 150, 70)), Look((244, 142, 162), (255, 232, 226), (208, 92, 134)),
    Look((150, 134, 214), (250, 214, 230), (104, 88, 178)), Look((104, 198, 178), (240, 250, 214), (54, 146, 142)),
)  # fmt: skip
FROG_LOOKS = (
    Look((136, 204, 112), (232, 246, 190), (92, 166, 84)), Look((104, 188, 136), (226, 246, 204), (66, 146, 106)),
    Look((172, 212, 92), (244, 248, 196), (124, 170, 62)), Look((112, 196, 188), (232, 250, 222), (66, 148, 150)),
)  # fmt: skip
GECKO_LOOKS = (
    Look((246, 206, 104), (255, 244, 206), (226, 146, 72)), Look((132, 206, 132), (240, 248, 196), (238, 120, 100)),
    Look((120, 198, 200), (236, 250, 226), (60, 136, 158)), Look((246, 168, 146), (255, 236, 218), (206, 104, 104)),
    Look((186, 162, 222), (246, 236, 252), (124, 98, 178)),
)  # fmt: skip


def dragon(brush: Brush, look: Look, dice: Dice) -> None:
    """Wings, horns, spikes along the back, a big snout, a plated belly and an arrow at the tail's end."""
    outfit = accessories.choose(dice, ("glasses", "scarf", "bow tie", "bell", "crown"), look.coat)
    face = faces.expression(dice, ("smile", "open", "fang"))
    pose = dice.pick(("sit", "sit", "side", "side", "portrait"))
    if pose == "side":
        _dragon_side(brush, look, outfit)
        _dragon_head(brush.at(-10, -7, 0.9), look, dice, outfit, face)
        return
    brush = brush.at(0, 2, 0.95) if pose == "sit" else brush.at(0, 9, 1.3)
    spread = dice.uniform(-8, 12)
    for s in (-1, 1):
        _wing(brush.at(s * 9, 8, tilt=s * spread, mirror=s < 0), look)
    brush.stroke([(6, 24), (18, 26), (24, 19)], 6, look.coat, 3.4, rim=True)
    brush.polygon([(20, 20), (25, 10), (29, 20)], look.mark, rim=True)
    for s in (-1, 1):
        brush.ellipse(s * 9.5, 26, 6, 4, look.coat, rim=True)
    brush.blob([(-8, 4), (8, 4), (12.5, 17), (9, 28), (-9, 28), (-12.5, 17)], look.shade, rim=True)
    brush.ellipse(0, 18.5, 7.6, 9, look.light)
    for y, half in ((15.5, 7), (19.5, 7.4), (23.5, 6)):
        brush.stroke([(-half, y), (half, y)], 1.2, mix(look.light, look.coat, 0.5))
    for s in (-1, 1):
        brush.stroke([(s * 10, 13), (s * 7, 18)], 5, look.coat, rim=True)
    accessories.on_neck(brush, outfit, 0, 8, 9)
    _dragon_head(brush.at(0, -7), look, dice, outfit, face)


def _wing(at: Brush, look: Look) -> None:
    """A bat's wing that leaves the origin towards the upper right."""
    at.polygon([(0, 3), (8, -10), (21, -17), (23, -6), (21, 4), (17, 1), (14, 8), (9, 4), (5, 9)], look.mark, rim=True)
    at.stroke([(1, 2), (9, -9), (21, -16)], 2.4, look.coat)


def _dragon_side(brush: Brush, look: Look, outfit: Outfit) -> None:
    brush.stroke([(14, 16), (24, 18), (28, 9), (25, 2)], 9, look.coat, 3.4, rim=True)
    brush.polygon([(20.5, 3), (24, -7), (29.5, 2)], look.mark, rim=True)
    for x, y in ((10, 3.5), (16.5, 6.5), (22, 12)):
        brush.polygon([(x - 4, y + 3), (x + 1.5, y - 4.5), (x + 4, y + 4)], look.mark, rim=True)
    for x, near in ((-4, False), (11, False), (-8, True), (16, True)):
        brush.stroke([(x, 17), (x, 26)], 6.6, look.coat if near else look.shade, rim=True)
        brush.ellipse(x - 0.8, 27.5, 4.2, 2.5, look.light if near else look.coat, rim=True)
    brush.blob([(-13, 10), (-6, 3), (8, 4), (18, 7), (22, 14), (18, 21), (4, 24), (-10, 22)], look.shade, rim=True)
    brush.blob([(-13, 14), (-4, 17), (8, 19), (12, 22), (2, 24), (-10, 22)], look.light)
    _wing(brush.at(4, 10, 0.95), look)
    accessories.on_neck(brush, outfit, -8, 9, 8)


def _dragon_head(head: Brush, look: Look, dice: Dice, outfit: Outfit, face: Face) -> None:
    bone = head.inked(mix(HORN, DARK, 0.6))
    for s in (-1, 1):
        bone.blob([(s * 6, -11), (s * 9, -20), (s * 14, -23.5), (s * 13.6, -17), (s * 12, -9)], HORN, rim=True)
        head.polygon([(s * 13, -4), (s * 22.5, -9), (s * 20, -1), (s * 22, 5), (s * 13, 5)], look.mark, rim=True)
    if outfit.kind != "crown":
        for x, y, h in ((-4.6, -12, 4.6), (4.6, -12, 4.6), (0, -13, 7)):
            head.polygon([(x - 3.4, y), (x, y - h), (x + 3.4, y)], look.mark, rim=True)
    head.blob([(0, -14.5), (10, -12), (15, -4), (14.5, 5), (12, 12), (0, 14.5), (-12, 12), (-14.5, 5), (-15, -4), (-10, -12)], look.coat, rim=True)
    front = head.at(face.turn * 1.8, 0)
    front.ellipse(0, 8.4, 11.4, 6.6, look.light)
    accessories.on_eyes(front, outfit, 7.4, -2.5)
    faces.eyes(front, face, 7.4, -2.5, 3.6)
    faces.cheeks(front, face, 11.4, 3.6, 2.6)
    for s in (-1, 1):
        front.ellipse(s * 3, 4.8, 1.2, 1, mix(look.coat, DARK, 0.5))
    if face.mouth == "fang":
        front.polygon([(2, 9.5), (6, 9), (4.2, 13.4)], WHITE, rim=True)
    faces.mouth(front, "smile" if face.mouth == "fang" else face.mouth, 0, 8.6, 6)
    accessories.on_head(head, outfit, 0, -13.5)


def fish(brush: Brush, look: Look, dice: Dice) -> None:
    """In profile (round, long or tall), or from the front with a fin at each side."""
    outfit, face = accessories.choose(dice, ("party hat", "crown", "bow", "top hat", "beanie"), look.coat), faces.expression(dice, ("smile", "open", "small"))
    if dice.chance(0.25):
        _fish_front(brush, look, outfit, face)
        return
    rx, ry = dice.pick(((20, 17), (22, 14.5), (18, 19)))
    pattern, forked = dice.pick(("bands", "mask", "scales", "belly")), dice.chance(0.5)
    brush = brush.at(-4, 1)
    tail = [(rx - 4, 0), (rx + 6, -14), (rx + 14, -12), (rx + (8 if forked else 14), 0), (rx + 14, 12), (rx + 6, 14)]
    brush.blob(tail, look.mark, rim=True)
    brush.blob([(-8, -ry + 4), (-2, -ry - 7), (10, -ry - 6), (15, -ry + 6), (4, -ry + 8)], look.mark, rim=True)
    brush.blob([(-2, ry - 5), (3, ry + 6), (11, ry + 6), (10, ry - 5)], look.mark, rim=True)
    brush.ellipse(0, 0, rx, ry, look.coat, rim=True)
    if pattern == "bands":
        _band(brush, rx, ry, -4, 1.5, look.light)
        _band(brush, rx, ry, 8, 12.5, look.light)
    elif pattern == "mask":
        _band(brush, rx, ry, -rx, -3.5, look.light)
    elif pattern == "scales":
        for x, y in ((3, -5), (3, 3), (10, -5), (10, 3)):
            brush.stroke([(x, y - 3), (x + 3, y), (x, y + 3)], 1.8, look.mark)
    else:
        brush.blob([(-rx * 0.8, ry * 0.5), (0, ry * 0.3), (rx * 0.8, ry * 0.5), (rx * 0.45, ry * 0.86), (0, ry * 0.97), (-rx * 0.45, ry * 0.86)], look.light)
    brush.blob([(2, 1), (11, 3), (13, 9), (6, 10)], look.mark, rim=True)
    one = Face("open" if face.eyes == "wink" else face.eyes, face.mouth, face.cheeks, -0.6)
    faces.eyes(brush.at(-rx * 0.5, -3), one, 0, 0, 4.9, WHITE)
    faces.cheeks(brush.at(-rx * 0.42, 5.5), one, 0, 0, 3)
    faces.mouth(brush.at(-rx * 0.72, 0), face.mouth, 0, 5.4 if face.mouth != "small" else 4.4, 3.4)
    accessories.on_head(brush.at(-4, -ry + 1, 0.9, tilt=-6), outfit, 0, 0, side=-2)


def _band(brush: Brush, rx: float, ry: float, left: float, right: float, colour: tuple[int, int, int]) -> None:
    """The part of the ellipse (rx, ry) between two upright lines."""
    xs = [left + (right - left) * i / 8 for i in range(9)]
    edge = [(x, ry * math.sqrt(max(0.0, 1 - (x / rx) ** 2))) for x in xs]
    brush.polygon(edge + [(x, -y) for x, y in reversed(edge)], colour)


def _fish_front(brush: Brush, look: Look, outfit: Outfit, face: Face) -> None:
    brush = brush.at(0, 2)
    brush.blob([(-6, -14), (-5, -23), (0, -26), (5, -23), (6, -14)], look.mark, rim=True)
    for s in (-1, 1):
        brush.blob([(s * 16, 0), (s * 25, -9), (s * 30, -3), (s * 29, 8), (s * 17, 9)], look.mark, rim=True)
        brush.blob([(s * 3, 15), (s * 4, 25), (s * 13, 25), (s * 10, 14)], look.mark, rim=True)
    brush.ellipse(0, 0, 21, 19, look.coat, rim=True)
    brush.ellipse(0, 11, 12.5, 7.2, look.light)
    front = brush.at(face.turn * 2, -2)
    faces.eyes(front, face, 9.5, -2.5, 5, WHITE)
    faces.cheeks(front, face, 14, 5, 3)
    faces.mouth(front, face.mouth, 0, 4, 4)
    accessories.on_head(brush, outfit, 0, -17, side=11)


def frog(brush: Brush, look: Look, dice: Dice) -> None:
    """Eyes on top of a wide head, a very wide mouth, folded hind legs."""
    outfit, face = accessories.choose(dice, ("party hat", "crown", "top hat", "bow", "scarf", "bow tie"), look.coat), faces.expression(dice, ("smile", "smile", "open", "tongue"))
    pose = dice.pick(("sit", "sit", "portrait"))
    if pose == "portrait":
        brush = brush.at(0, 8, 1.22)
    for s in (-1, 1):
        brush.ellipse(s * 17, 19, 9.5, 7.5, look.coat, tilt=s * 35, rim=True)
        for toe in (-5, 0, 5):
            brush.ellipse(s * 18 + toe, 28, 3, 2, look.coat, rim=True)
    brush.blob([(-12, 2), (12, 2), (16, 16), (11, 27), (-11, 27), (-16, 16)], look.shade, rim=True)
    brush.ellipse(0, 17.5, 10, 9, look.light)
    for s in (-1, 1):
        brush.stroke([(s * 9, 13), (s * 6.5, 26)], 5, look.coat, rim=True)
        for toe in (-3.4, 0, 3.4):
            brush.ellipse(s * 6.5 + toe, 28, 2.2, 1.9, look.coat, rim=True)
    accessories.on_neck(brush, outfit, 0, 9.5, 12)
    head = brush.at(0, -5)
    for s in (-1, 1):
        head.circle(s * 11.5, -13, 8.2, look.coat, rim=True)
    head.blob([(0, -13), (13, -12), (21.5, -3), (21, 7), (11, 14), (0, 15.5), (-11, 14), (-21, 7), (-21.5, -3), (-13, -12)], look.coat, rim=True)
    for s in (-1, 1):
        head.circle(s * 11.5, -12.6, 8.2, look.coat)
    if dice.chance(0.4):
        for x, y, r in ((-16, 0, 2.4), (16.5, -1, 2), (0, -9.5, 2.4)):
            head.circle(x, y, r, look.mark)
    faces.eyes(head, face, 11.5, -13, 5.2, WHITE)
    faces.cheeks(head, face, 14.5, 4, 3.4)
    front = head.at(face.turn * 1.5, 0)
    for s in (-1, 1):
        front.ellipse(s * 1.8, -3, 0.9, 0.8, look.ink)
    if face.mouth == "smile":
        front.stroke([(-12, 2), (-6, 6), (0, 7), (6, 6), (12, 2)], 2, DARK)
    else:
        faces.mouth(front, face.mouth, 0, 2.4, 8)
    accessories.on_head(head, outfit, 0, -12.5, side=13)


def gecko(brush: Brush, look: Look, dice: Dice) -> None:
    """Round toes on splayed legs and a curled tail, seen from above or from the side."""
    outfit, face = accessories.choose(dice, ("party hat", "crown", "bow", "flower"), look.coat), faces.expression(dice, ("smile", "open", "small"))
    pattern = dice.pick(("plain", "spots", "bands"))
    (_gecko_above if dice.chance(0.6) else _gecko_side)(brush, look, dice, outfit, face, pattern)


def _foot(brush: Brush, x: float, y: float, look: Look, tilt: float) -> None:
    """A palm with three round toes that point up at tilt 0."""
    at = brush.at(x, y, tilt=tilt)
    for dx, dy in ((-3.4, -1.6), (0, -3.6), (3.4, -1.6)):
        at.circle(dx, dy, 2, look.coat, rim=True)
    at.circle(0, 0, 2.6, look.coat)


def _gecko_above(brush: Brush, look: Look, dice: Dice, outfit: Outfit, face: Face, pattern: str) -> None:
    brush, step = brush.at(-2, -1, tilt=dice.uniform(-30, 20)), dice.pick((-3, 3))
    brush.stroke([(1, 12), (4, 21), (13, 27), (22, 23), (22, 14), (15, 13), (15.5, 18)], 10, look.coat, 3.6, rim=True)
    for s in (-1, 1):
        for y, reach, foot, tilt in ((2, -3, -6 + s * step, 30), (13, 2, 18 - s * step, 150)):
            brush.stroke([(s * 5, y), (s * 13, y + reach), (s * 18, foot)], 5, look.coat, 4, rim=True)
            _foot(brush, s * 18, foot, look, s * tilt)
    brush.stroke([(0, -6), (-1, 4), (1, 14)], 15, look.coat, 11, rim=True)
    if pattern == "spots":
        for x, y, r in ((-3, 3, 2.4), (2.6, 7.5, 2.4), (-1, 13, 2.2), (6, 22, 1.8)):
            brush.circle(x, y, r, look.mark)
    elif pattern == "bands":
        for y in (4, 10):
            brush.stroke([(-5.5, y), (0, y + 1.2), (5.5, y)], 2.6, look.mark)
    head = brush.at(0, -12)
    head.blob([(0, -13), (8, -11), (14.5, -3), (14, 5), (6, 11), (0, 12), (-6, 11), (-14, 5), (-14.5, -3), (-8, -11)], look.coat, rim=True)
    faces.eyes(head, face, 9.4, -3, 4.4, look.light)
    faces.cheeks(head, face, 10.5, 4.4, 2.6)
    faces.mouth(head, face.mouth, 0, 3.6, 5.5)
    accessories.on_head(head, outfit, 0, -11.5, side=8)


def _gecko_side(brush: Brush, look: Look, dice: Dice, outfit: Outfit, face: Face, pattern: str) -> None:
    brush = brush.at(0, 1)
    brush.stroke([(10, 14), (22, 17), (28, 8), (25, -3), (17, -3), (16, 4), (21, 5)], 10, look.coat, 3.4, rim=True)
    for x, near in ((-2, False), (15, False), (-9, True), (9, True)):
        colour = look if near else Look(look.shade, look.light, look.mark)
        brush.stroke([(x + 2, 16), (x - 1, 21), (x, 25)], 5, colour.coat, rim=True)
        for dx in (-4, 0, 4):
            brush.circle(x - 1 + dx, 27, 2.2, colour.coat, rim=True)
        brush.ellipse(x - 1, 26, 4, 1.6, colour.coat)
    brush.blob([(-14, 6), (-4, 6), (8, 8), (18, 12), (16, 20), (2, 22), (-12, 20)], look.coat, rim=True)
    brush.blob([(-13, 17), (0, 18), (12, 18.5), (2, 22), (-10, 20.5)], look.light)
    if pattern != "plain":
        for x, y in ((2, 11.5), (9, 13), (21, 16)):
            brush.circle(x, y, 2.4, look.mark) if pattern == "spots" else brush.stroke([(x, y - 2), (x, y + 3)], 2.6, look.mark)
    head = brush.at(-11, -2, 0.98)
    head.blob([(0, -15), (9, -11), (14, -2), (13, 8), (4, 13), (-8, 13), (-17, 9), (-17, 2), (-12, -8), (-6, -13)], look.coat, rim=True)
    turned = Face(face.eyes, face.mouth, face.cheeks, -0.6)
    faces.eyes(head.at(-2.5, 0), turned, 8, -3.5, 4.8, look.light)
    faces.cheeks(head.at(-2.5, 0), turned, 10.5, 4.2, 2.8)
    faces.mouth(head.at(-2.5, 0), face.mouth, 0, 4.2, 6)
    accessories.on_head(head, outfit, 0, -13, side=7)
