"""Cat, dog, hamster, monkey and rabbit: a head of their own each, on the bodies of `bodies`."""

from __future__ import annotations

from latent_diffusion.data.cartoons import accessories, faces
from latent_diffusion.data.cartoons.accessories import EVERYTHING, Outfit
from latent_diffusion.data.cartoons.bodies import POSES
from latent_diffusion.data.cartoons.canvas import Brush
from latent_diffusion.data.cartoons.dice import Dice
from latent_diffusion.data.cartoons.faces import Face
from latent_diffusion.data.cartoons.palette import DARK, WHITE, Look, mix

CAT_LOOKS = (
    Look((250, 186, 120), (255, 238, 214), (226, 140, 78)), Look((176, 180, 194), (240, 240, 244), (124, 128, 148)),
    Look((250, 246, 240), (255, 255, 255), (232, 196, 164)), Look((98, 92, 112), (214, 208, 220), (74, 68, 88)),
    Look((236, 212, 180), (255, 246, 232), (150, 110, 90)), Look((202, 164, 134), (250, 232, 212), (152, 110, 86)),
)  # fmt: skip
DOG_LOOKS = (
    Look((226, 172, 118), (255, 242, 222), (160, 104, 70)), Look((252, 244, 230), (255, 255, 255), (186, 126, 84)),
    Look((184, 134, 98), (250, 228, 200), (120, 80, 62)), Look((248, 214, 150), (255, 246, 222), (222, 166, 92)),
    Look((184, 188, 200), (248, 248, 250), (112, 114, 134)), Look((244, 240, 238), (255, 255, 255), (92, 86, 100)),
)  # fmt: skip
HAMSTER_LOOKS = (
    Look((248, 192, 122), (255, 250, 240), (222, 148, 82)), Look((214, 206, 204), (255, 255, 255), (150, 144, 152)),
    Look((226, 180, 146), (255, 244, 230), (176, 124, 96)), Look((255, 224, 172), (255, 252, 240), (236, 178, 112)),
)  # fmt: skip
MONKEY_LOOKS = (
    Look((166, 116, 86), (250, 218, 184), (124, 82, 62)), Look((190, 140, 104), (255, 230, 200), (146, 98, 72)),
    Look((138, 112, 110), (240, 212, 192), (102, 80, 82)), Look((206, 158, 96), (255, 236, 200), (160, 112, 62)),
    Look((150, 144, 160), (246, 222, 210), (108, 102, 122)),
)  # fmt: skip
RABBIT_LOOKS = (
    Look((252, 248, 246), (255, 255, 255), (236, 214, 208)), Look((206, 200, 208), (246, 242, 246), (160, 152, 166)),
    Look((226, 190, 156), (255, 242, 226), (184, 140, 108)), Look((250, 212, 218), (255, 242, 244), (236, 170, 184)),
    Look((176, 148, 132), (240, 224, 212), (130, 104, 92)),
)  # fmt: skip


def cat(brush: Brush, look: Look, dice: Dice) -> None:
    """Pointed ears, whiskers, a long tail; plain, tabby or with an eye patch."""
    pattern, outfit, face = dice.pick(("plain", "tabby", "patch")), accessories.choose(dice, EVERYTHING, look.coat), faces.expression(dice, ("w", "w", "open", "smile"))
    tip = look.light if pattern == "patch" else look.mark

    def tail(at: Brush) -> None:
        at.stroke([(0, 0), (9, -1), (12.5, -9), (10, -17)], 5.4, look.coat, 4.6, rim=True)
        at.stroke([(11.6, -12), (10, -17)], 4.6, tip)

    head = POSES[dice.pick(("sit", "sit", "portrait", "side", "loaf"))](brush, look, tail, outfit, dice.pick((look.light, look.coat)))
    for s in (-1, 1):
        head.polygon([(s * 16.5, -3), (s * 15.5, -20), (s * 13.5, -20.8), (s * 3, -12)], look.mark if pattern == "plain" else look.coat, rim=True)
        head.polygon([(s * 14, -7), (s * 13.6, -16), (s * 7, -11.5)], look.accent)
    head.blob([(0, -14.5), (11, -12.5), (17, -2), (17.5, 6), (11, 13), (0, 15), (-11, 13), (-17.5, 6), (-17, -2), (-11, -12.5)], look.coat, rim=True)
    if pattern == "tabby":
        for x, length in ((-5, 5), (0, 6.5), (5, 5)):
            head.stroke([(x, -13), (x, -13 + length)], 2.4, look.mark, 1.6)
    elif pattern == "patch":
        head.ellipse(8, -2, 7, 8, look.mark, tilt=20)
    front = head.at(face.turn * 2.2, 0)
    front.ellipse(-3.4, 8.4, 5, 3.9, look.light)
    front.ellipse(3.4, 8.4, 5, 3.9, look.light)
    for s in (-1, 1):
        for y in (4.5, 8.5):
            head.stroke([(s * 13, 6 + (y - 6) * 0.5), (s * 21.5, y)], 1.2, look.ink)
    _features(front, face, outfit, look, eyes_apart=8, eyes_y=0, nose_y=5.6, mouth_y=7.4)
    accessories.on_head(head, outfit, 0, -13.5)


def dog(brush: Brush, look: Look, dice: Dice) -> None:
    """Hanging ears, a muzzle with a big dark nose, often the tongue out; plain, with an eye patch or a blaze."""
    pattern, outfit, face = dice.pick(("plain", "patch", "blaze")), accessories.choose(dice, EVERYTHING, look.coat), faces.expression(dice, ("tongue", "open", "smile"))

    def tail(at: Brush) -> None:
        at.stroke([(0, 0), (7, -5), (9, -13)], 6, look.mark if pattern == "patch" else look.coat, 4, rim=True)

    head = POSES[dice.pick(("sit", "sit", "portrait", "side", "loaf"))](brush, look, tail, outfit, dice.pick((look.light, look.coat)))
    head.blob([(0, -15.5), (10, -14), (15, -5), (15.5, 5), (11, 13.5), (0, 15.5), (-11, 13.5), (-15.5, 5), (-15, -5), (-10, -14)], look.coat, rim=True)
    if pattern == "patch":
        head.ellipse(7.5, -1.5, 6.6, 7.6, look.mark, tilt=15)
    elif pattern == "blaze":
        head.blob([(-2.4, -15), (2.4, -15), (3, -4), (6, 6), (-6, 6), (-3, -4)], look.light)
    droop = dice.uniform(6, 12)
    for s in (-1, 1):
        head.blob([(s * 8, -14), (s * 15, -13), (s * 20, -4), (s * 20.5, droop - 2), (s * 16, droop), (s * 13, 1)], look.mark, rim=True)
    front = head.at(face.turn * 2.2, 0)
    front.ellipse(0, 8.2, 8.8, 6.4, look.light)
    _features(front, face, outfit, look, eyes_apart=7, eyes_y=-1.5, nose_y=None, mouth_y=8.6)
    front.ellipse(0, 5, 3.6, 2.7, DARK)
    front.ellipse(-1, 4.2, 1, 0.7, WHITE)
    accessories.on_head(head, outfit, 0, -14.5, side=9)


def hamster(brush: Brush, look: Look, dice: Dice) -> None:
    """One round ball with huge pale cheeks, small round ears, tiny paws that often hold a seed."""
    outfit, face = accessories.choose(dice, ("party hat", "crown", "top hat", "bow", "flower", "glasses"), look.coat), faces.expression(dice, ("teeth", "teeth", "small", "open"))
    pose, snack = dice.pick(("front", "front", "portrait")), dice.pick(("seed", "berry", None))
    body = brush.at(0, 1) if pose == "front" else brush.at(0, 8, 1.2)
    for s in (-1, 1):
        body.ellipse(s * 8, 27, 5.4, 3, look.accent, rim=True)
        body.circle(s * 14, -18, 6.2, look.coat, rim=True)
        body.circle(s * 14, -17.6, 3.6, look.accent)
    body.blob([(0, -22), (12, -19), (19, -9), (24, 3), (22, 17), (14, 26), (0, 28), (-14, 26), (-22, 17), (-24, 3), (-19, -9), (-12, -19)], look.coat, rim=True)
    body.ellipse(0, 18, 13, 9.4, look.light)
    for s in (-1, 1):
        body.ellipse(s * 12, 3.5, 10.4, 9.2, look.light)
    body.ellipse(0, 0, 6, 7, look.light)
    if dice.chance(0.5):
        body.blob([(-3.4, -22), (3.4, -22), (2, -13), (0, -10), (-2, -13)], look.mark)
    front = body.at(face.turn * 1.6, 0)
    accessories.on_eyes(front, outfit, 9, -6)
    faces.eyes(front, face, 9, -6, 3.8)
    faces.cheeks(front, face, 15, 2.5, 3.6)
    _muzzle(front, face, look, nose_y=-1.2, mouth_y=1)
    if snack == "seed":
        body.blob([(0, 9), (4, 15), (0, 21), (-4, 15)], (112, 92, 96), rim=True)
        body.stroke([(0, 12), (0, 18)], 1.4, (226, 214, 204))
    elif snack == "berry":
        body.circle(0, 15.5, 4.8, (238, 96, 110), rim=True)
        body.ellipse(0, 11, 2.6, 1.6, (120, 190, 130))
    for s in (-1, 1):
        body.ellipse(s * 6.2, 15.5, 3.6, 2.6, look.accent, tilt=s * -20, rim=True)
    accessories.on_head(body, outfit, 0, -20.5)


def monkey(brush: Brush, look: Look, dice: Dice) -> None:
    """Round ears at the sides, a heart-shaped face mask, a tuft, long arms and a curled tail."""
    outfit, face = accessories.choose(dice, EVERYTHING, look.coat), faces.expression(dice, ("smile", "open", "small"))
    pose = dice.pick(("sit", "sit", "portrait", "wave"))

    def tail(at: Brush) -> None:
        at.stroke([(0, 0), (10, 1), (16, -6), (13, -14), (7, -12), (8, -7)], 4, look.coat, 3.4, rim=True)

    head = POSES["portrait" if pose == "portrait" else "sit"](brush, look, tail, outfit, look.light)
    if pose == "wave":
        brush.stroke([(-8, 11), (-17, 12), (-22, 4)], 5, look.coat, rim=True)
        brush.circle(-22.4, 3, 3.4, look.light, rim=True)
    for s in (-1, 1):
        head.circle(s * 17.5, -1, 7.2, look.coat, rim=True)
        head.circle(s * 17.5, -1, 4.4, look.accent if dice.chance(0.0) else look.light)
    if outfit.kind not in accessories.HATS:
        head.blob([(-4, -13), (-3, -19), (0, -17), (4, -20), (4, -13)], look.coat, rim=True)
    head.ellipse(0, 0, 16, 15, look.coat, rim=True)
    for s in (-1, 1):
        head.ellipse(s * 6.4, -2, 7.6, 8.2, look.light)
    head.ellipse(0, 7, 12.4, 7.2, look.light)
    front = head.at(face.turn * 1.8, 0)
    _features(front, face, outfit, look, eyes_apart=6.6, eyes_y=-1.5, nose_y=None, mouth_y=7.6)
    front.ellipse(-1.5, 4, 1.1, 0.9, look.mark)
    front.ellipse(1.5, 4, 1.1, 0.9, look.mark)
    accessories.on_head(head, outfit, 0, -13.5)


def rabbit(brush: Brush, look: Look, dice: Dice) -> None:
    """Two long ears (one may fold), front teeth, a round tail."""
    outfit, face = accessories.choose(dice, ("bow", "flower", "glasses", "scarf", "bow tie", "bell"), look.coat), faces.expression(dice, ("teeth", "teeth", "w", "open"))
    folded, spread = dice.chance(0.35), dice.uniform(2, 12)

    def tail(at: Brush) -> None:
        at.circle(5, -2, 5.2, look.light, rim=True)

    brush = brush.at(0, 6.5, 0.84)
    head = POSES[dice.pick(("sit", "sit", "portrait", "side", "loaf"))](brush, look, tail, outfit, dice.pick((look.light, look.coat)))
    for s in (-1, 1):
        ear = head.at(s * 7.5, -11, tilt=s * spread)
        if folded and s == 1:
            ear.stroke([(0, 2), (0.5, -12)], 9, look.coat, rim=True)
            ear.blob([(-4, -15), (3, -18), (10, -14), (13, -4), (9, -1), (5, -7), (-3, -11)], look.coat, rim=True)
            ear.blob([(2, -13), (8, -12), (10.5, -4), (8.5, -4), (6, -9)], look.accent)
        else:
            ear.ellipse(0, -10, 5.4, 14.5, look.coat, rim=True)
            ear.ellipse(0, -9.5, 2.8, 10.5, look.accent)
    head.blob([(0, -14), (10, -12), (15.5, -3), (16.5, 6), (11, 13), (0, 14.5), (-11, 13), (-16.5, 6), (-15.5, -3), (-10, -12)], look.coat, rim=True)
    if dice.chance(0.3):
        head.ellipse(8, -2, 6.4, 7.4, look.mark, tilt=15)
    front = head.at(face.turn * 2, 0)
    front.ellipse(-3.2, 8, 4.6, 3.8, look.light)
    front.ellipse(3.2, 8, 4.6, 3.8, look.light)
    _features(front, face, outfit, look, eyes_apart=8, eyes_y=-0.5, nose_y=5, mouth_y=7.2)
    accessories.on_head(head, outfit, 0, -11, side=9)


def _features(front: Brush, face: Face, outfit: Outfit, look: Look, eyes_apart: float, eyes_y: float, nose_y: float | None, mouth_y: float) -> None:
    """Glasses, eyes, cheeks, and nose and mouth in the frame of the face."""
    accessories.on_eyes(front, outfit, eyes_apart, eyes_y)
    faces.eyes(front, face, eyes_apart, eyes_y, 3.5)
    faces.cheeks(front, face, eyes_apart + 4, eyes_y + 6.5, 3)
    _muzzle(front, face, look, nose_y, mouth_y)


def _muzzle(front: Brush, face: Face, look: Look, nose_y: float | None, mouth_y: float) -> None:
    if face.mouth == "teeth":
        front.polygon([(-2, mouth_y + 1), (2, mouth_y + 1), (1.8, mouth_y + 4.8), (-1.8, mouth_y + 4.8)], WHITE, rim=True)
        faces.mouth(front, "w", 0, mouth_y, 4.6)
    else:
        faces.mouth(front, face.mouth, 0, mouth_y, 4.6)
    if nose_y is not None:
        faces.nose(front, 0, nose_y, mix(look.accent, (220, 70, 100), 0.45))
