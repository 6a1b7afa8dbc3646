"""What lies behind an animal: a few large, soft, flat shapes in colours close to the background's."""

from __future__ import annotations

from latent_diffusion.data.cartoons.canvas import Brush, Colour
from latent_diffusion.data.cartoons.dice import Dice
from latent_diffusion.data.cartoons.palette import WHITE, mix

SCENES = ("plain", "plain", "disc", "floor", "hills", "clouds", "sunny hills", "rainbow")
GRASS: Colour = (190, 222, 168)


def paint(brush: Brush, dice: Dice, background: Colour, scenes: tuple[str, ...] = SCENES) -> None:
    """One scene over the flat background."""
    scene = dice.pick(scenes)
    pale, deep = mix(background, WHITE, 0.5), mix(background, (120, 120, 150), 0.2)
    if scene == "disc":
        brush.circle(dice.uniform(-4, 4), dice.uniform(-3, 4), dice.uniform(24, 28), pale)
    elif scene == "floor":
        brush.polygon([(-32, y := dice.uniform(16, 22)), (32, y), (32, 32), (-32, 32)], deep)
    elif scene == "hills":
        brush.ellipse(dice.uniform(-26, -12), 34, 34, dice.uniform(18, 26), mix(deep, GRASS, 0.4))
        brush.ellipse(dice.uniform(14, 28), 36, 34, dice.uniform(16, 22), mix(deep, GRASS, 0.75))
    elif scene == "sunny hills":
        brush.circle(dice.pick((-22, 22)), dice.uniform(-24, -18), 7, (255, 224, 130))
        brush.ellipse(dice.uniform(-10, 10), 42, 50, 24, mix(deep, GRASS, 0.8))
    elif scene == "clouds":
        for side in (-1, 1):
            x, y = side * dice.uniform(18, 28), dice.uniform(-24, -6)
            _cloud(brush.at(x, y, dice.uniform(0.8, 1.2)), mix(background, WHITE, 0.7))
    elif scene == "rainbow":
        y = dice.uniform(14, 20)
        for radius, colour in ((33, (250, 176, 176)), (28, (255, 226, 150)), (23, (176, 220, 196))):
            brush.circle(0, y, radius, mix(colour, background, 0.45))
        brush.circle(0, y, 18, background)
    elif scene == "bubbles":
        for x, y in ((-24, -20), (-18, -26), (24, -22), (25, 20), (-25, 23)):
            brush.circle(
                x + dice.uniform(-3, 3),
                y + dice.uniform(-3, 3),
                dice.uniform(2, 4.2),
                mix(background, WHITE, 0.6),
            )
    elif scene == "seabed":
        brush.ellipse(dice.uniform(-14, 14), 38, 50, 14, (250, 228, 184))
        for x, lean in ((-26, 3), (26, -3)):
            brush.stroke(
                [(x, 30), (x + lean, 20), (x - lean, 10), (x, 0)], 4.5, (132, 200, 168), 2.5
            )


def _cloud(brush: Brush, colour: Colour) -> None:
    for x, y, radius in ((-6, 1, 5), (0, -2, 6.5), (6, 1, 5)):
        brush.circle(x, y, radius, colour)
    brush.polygon([(-6, 6), (6, 6), (6, 0), (-6, 0)], colour)
