"""Colours: pastel backgrounds, accents for clothes, and what an animal's coat implies."""

from __future__ import annotations

from dataclasses import dataclass

from latent_diffusion.data.cartoons.canvas import Colour
from latent_diffusion.data.cartoons.dice import Dice

DARK: Colour = (56, 46, 66)
WHITE: Colour = (255, 255, 255)
BLUSH: Colour = (255, 150, 158)
TONGUE: Colour = (244, 124, 138)
MOUTH: Colour = (150, 62, 82)

BACKGROUNDS: tuple[Colour, ...] = (
    (252, 231, 205), (255, 243, 196), (226, 241, 205), (200, 234, 217),
    (196, 230, 240), (204, 216, 246), (224, 210, 244), (250, 212, 228),
    (255, 218, 206), (240, 240, 240), (172, 214, 206), (178, 200, 232),
)  # fmt: skip
ACCENTS: tuple[Colour, ...] = (
    (238, 96, 110), (92, 146, 222), (250, 196, 70),
    (92, 184, 140), (168, 122, 214), (246, 142, 184),
)  # fmt: skip


@dataclass(frozen=True)
class Look:
    """The colours of one animal.

    `coat` the body, `light` belly and muzzle, `mark` markings, ears and mane, `accent` inner ears
    and nose.
    """

    coat: Colour
    light: Colour
    mark: Colour
    accent: Colour = (246, 160, 170)

    @property
    def ink(self) -> Colour:
        """The outline."""
        return mix(self.coat, DARK, 0.62)

    @property
    def patch(self) -> Colour:
        """A marking pale enough for a dark eye to show on it."""
        return mix(self.mark, self.coat, 0.35)

    @property
    def shade(self) -> Colour:
        """The coat where it lies behind: far legs, the body below the head."""
        return mix(self.coat, (130, 90, 120), 0.13)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return `first` with `share` (0..1) of `second` in it."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def distance(first: Colour, second: Colour) -> float:
    """Return how far apart two colours are, 0..765: the sum over the channels."""
    return sum(abs(a - b) for a, b in zip(first, second, strict=True))


def background_for(dice: Dice, look: Look, options: tuple[Colour, ...] = BACKGROUNDS) -> Colour:
    """Return a background on which the coat stands out."""
    clear = [colour for colour in options if distance(colour, look.coat) > 75]
    return dice.pick(clear or options)
