"""Names of any script in pictures: drawn where a font has them, and said where none does."""

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw

from latent_diffusion.inspection import fonts
from latent_diffusion.inspection.grids import grid

# A font that Matplotlib ships for letters that nothing else draws: it has them all.
LAST_RESORT = f"{matplotlib.get_data_path()}/fonts/ttf/LastResortHE-Regular.ttf"


@pytest.fixture
def system_fonts(monkeypatch):
    """What the system has: nothing, until a test adds a file."""
    from matplotlib import font_manager

    files: list[str] = []
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: files)
    fonts.font_path.cache_clear()
    fonts.say_lacking.cache_clear()
    yield files
    fonts.font_path.cache_clear()


def drawn(letter: str) -> bytes:
    sheet = Image.new("L", (40, 40))
    ImageDraw.Draw(sheet).text((4, 4), letter, fill=255, font=fonts.font_for(letter, 24))
    return sheet.tobytes()


@pytest.mark.parametrize("name", ["Äpfel", "собака", "γάτα", "שלום", "կատու", "ძაღლი", "café"])
def test_letters_are_drawn_and_differ(name, system_fonts, capsys):
    letters = {one for one in name if one.isalpha()}
    assert len({drawn(one) for one in letters}) == len(letters)  # boxes would all be alike
    assert capsys.readouterr().out == ""


def test_what_no_font_draws_is_said_once_with_its_script(system_fonts, capsys):
    image = np.zeros((1, 32, 32, 3), np.uint8)
    for _ in range(2):
        grid([image, image], ["犬", "หมา"])
    said = capsys.readouterr().out
    assert said.count("no font here draws 犬 (Cjk)") == 1
    assert said.count("(Thai)") == 1 and "install a font" in said


def test_a_font_of_the_system_is_found(system_fonts, capsys):
    system_fonts += ["no such file.ttf", LAST_RESORT]
    assert fonts.font_for("犬", 20).path == LAST_RESORT
    assert fonts.font_for("собака", 20).path != LAST_RESORT
    assert capsys.readouterr().out == ""


def test_ascii_needs_no_search(monkeypatch):
    monkeypatch.setattr(fonts, "font_files", lambda: pytest.fail("searched"))
    fonts.font_for("dog 7", 12)
