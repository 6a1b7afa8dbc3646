"""What lies behind an animal: a few large, soft, flat shapes in colours close to the background."""

from __future__ import annotations

from collections.abc import Callable

from latent_diffusion.data.cartoons.canvas import Brush, Colour
from latent_diffusion.data.cartoons.dice import Dice
from latent_diffusion.data.cartoons.palette import WHITE, mix

SCENES = ("plain", "plain", "disc", "floor", "hills", "clouds", "sunny hills", "rainbow")
GRASS: Colour = (190, 222, 168)


def paint(brush: Brush, dice: Dice, background: Colour, scenes: tuple[str, ...] = SCENES) -> None:
    """Paint one of the scenes (see PAINTERS) over the flat background."""
    PAINTERS[dice.pick(scenes)](brush, dice, background)


def plain(brush: Brush, dice: Dice, background: Colour) -> None:
    """Leave the background as it is."""


def disc(brush: Brush, dice: Dice, background: Colour) -> None:
    """Paint a pale disc about the middle."""
    x, y = dice.uniform(-4, 4), dice.uniform(-3, 4)
    brush.circle(x, y, dice.uniform(24, 28), mix(background, WHITE, 0.5))


def floor(brush: Brush, dice: Dice, background: Colour) -> None:
    """Paint a floor up to a straight horizon."""
    y = dice.uniform(16, 22)
    brush.polygon([(-32, y), (32, y), (32, 32), (-32, 32)], deep(background))


def hills(brush: Brush, dice: Dice, background: Colour) -> None:
    """Paint two hills."""
    far, near = mix(deep(background), GRASS, 0.4), mix(deep(background), GRASS, 0.75)
    brush.ellipse(dice.uniform(-26, -12), 34, 34, dice.uniform(18, 26), far)
    brush.ellipse(dice.uniform(14, 28), 36, 34, dice.uniform(16, 22), near)


def sunny_hills(brush: Brush, dice: Dice, background: Colour) -> None:
    """Paint one broad hill and the sun in a corner."""
    brush.circle(dice.pick((-22, 22)), dice.uniform(-24, -18), 7, (255, 224, 130))
    brush.ellipse(dice.uniform(-10, 10), 42, 50, 24, mix(deep(background), GRASS, 0.8))


def clouds(brush: Brush, dice: Dice, background: Colour) -> None:
    """Paint a cloud to either side."""
    for side in (-1, 1):
        x, y = side * dice.uniform(18, 28), dice.uniform(-24, -6)
        cloud(brush.at(x, y, dice.uniform(0.8, 1.2)), mix(background, WHITE, 0.7))


def cloud(brush: Brush, colour: Colour) -> None:
    """Paint one cloud about the origin."""
    for x, y, radius in ((-6, 1, 5), (0, -2, 6.5), (6, 1, 5)):
        brush.circle(x, y, radius, colour)
    brush.polygon([(-6, 6), (6, 6), (6, 0), (-6, 0)], colour)


def rainbow(brush: Brush, dice: Dice, background: Colour) -> None:
    """Paint three arches behind the animal."""
    y = dice.uniform(14, 20)
    for radius, colour in ((33, (250, 176, 176)), (28, (255, 226, 150)), (23, (176, 220, 196))):
        brush.circle(0, y, radius, mix(colour, background, 0.45))
    brush.circle(0, y, 18, background)


def bubbles(brush: Brush, dice: Dice, background: Colour) -> None:
    """Paint five bubbles near the corners."""
    for x, y in ((-24, -20), (-18, -26), (24, -22), (25, 20), (-25, 23)):
        right, down = dice.uniform(-3, 3), dice.uniform(-3, 3)
        radius = dice.uniform(2, 4.2)
        brush.circle(x + right, y + down, radius, mix(background, WHITE, 0.6))


def seabed(brush: Brush, dice: Dice, background: Colour) -> None:
    """Paint sand and two weeds."""
    brush.ellipse(dice.uniform(-14, 14), 38, 50, 14, (250, 228, 184))
    for x, lean in ((-26, 3), (26, -3)):
        weed = [(x, 30), (x + lean, 20), (x - lean, 10), (x, 0)]
        brush.stroke(weed, 4.5, (132, 200, 168), 2.5)


def deep(background: Colour) -> Colour:
    """Return the background's colour a little darker, for the ground."""
    return mix(background, (120, 120, 150), 0.2)


PAINTERS: dict[str, Callable[[Brush, Dice, Colour], None]] = {
    "plain": plain,
    "disc": disc,
    "floor": floor,
    "hills": hills,
    "sunny hills": sunny_hills,
    "clouds": clouds,
    "rainbow": rainbow,
    "bubbles": bubbles,
    "seabed": seabed,
}
