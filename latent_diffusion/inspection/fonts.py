"""Fonts for the names of classes, which can be of any script.

ASCII is drawn by Pillow's own font; the rest by DejaVu Sans, which Matplotlib ships: Latin, Greek,
Cyrillic, Armenian, Georgian, Hebrew, Arabic, Lao and more. What it lacks (Chinese, Japanese,
Korean, Thai, the scripts of India, …) is drawn by the first font of the system that has it.
"""

import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from PIL import ImageFont

from latent_diffusion.progress import say

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
WIDE = ("noto", "unifont", "sourcehan", "droidsansfallback", "wqy", "arialuni")  # tried first


def font_for(text: str, size: int) -> Font:
    """Return a font of this size (pixels) that draws the text.

    Where no font of this machine does, it is said once, and the best one is returned.
    """
    if text.isascii():
        return ImageFont.load_default(size)
    return ImageFont.truetype(font_path("".join(sorted(set(text)))), size)


@cache
def font_path(letters: str) -> str:
    """Return the file of the first font that has all these letters, or as many as any has."""
    least: dict[str, str] = {}  # letters that a font lacks, by its file
    for path in font_files():
        least[path] = lacking(path, letters)
        if not least[path]:
            return path
    best = min(least, key=lambda path: len(least[path]))
    say_lacking(least[best])
    return best


def font_files() -> Iterator[str]:
    """Yield the files of fonts: DejaVu Sans, then the system's, those of wide coverage first."""
    from matplotlib import font_manager

    yield font_manager.findfont("DejaVu Sans")
    found = font_manager.findSystemFonts()
    yield from sorted(found, key=lambda path: (not Path(path).name.lower().startswith(WIDE), path))


@cache
def letters_of(path: str) -> frozenset[int]:
    """Return the code points that a font file draws; none where it cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(path).get_charmap())
    except (RuntimeError, OSError, ValueError):
        return frozenset()


def lacking(path: str, letters: str) -> str:
    """Return those letters that a font does not draw; marks without a shape count as drawn."""
    drawn = letters_of(path)
    shaped = (one for one in letters if unicodedata.category(one) not in ("Cf", "Zs", "Mn"))
    return "".join(one for one in shaped if ord(one) not in drawn)


@cache
def say_lacking(letters: str) -> None:
    """Say which scripts no font of this machine draws."""
    scripts = sorted({unicodedata.name(one, "unknown").split()[0].capitalize() for one in letters})
    say(
        f"no font here draws {letters} ({', '.join(scripts)}), so pictures show boxes: install a "
        "font that does, such as one of Noto's, and it is found"
    )
