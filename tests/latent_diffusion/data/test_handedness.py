"""Pictures that a mirror makes others of are found, and their flips are off."""

import numpy as np
import pytest
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from latent_diffusion.data.handedness import FEWEST, HANDED, handedness
from latent_diffusion.data.prepare import prepare

FONT = font_manager.findfont("DejaVu Sans")


def written(letters: str, count: int) -> np.ndarray:
    """Pictures of one of some letters each, at any place in any colours, uint8 (N, 32, 32, 3)."""
    random = np.random.default_rng(0)
    pictures = []
    for number in range(count):
        image = Image.new("RGB", (32, 32), tuple(random.integers(0, 256, 3).tolist()))
        font = ImageFont.truetype(FONT, int(random.integers(16, 26)))
        middle = tuple(random.integers(12, 21, 2).tolist())
        colour = tuple(random.integers(0, 256, 3).tolist())
        letter = letters[number % len(letters)]
        ImageDraw.Draw(image).text(middle, letter, font=font, fill=colour, anchor="mm")
        pictures.append(np.asarray(image))
    return np.stack(pictures)


def test_letters_are_told_from_their_mirrors_unless_these_are_the_same():
    assert handedness(written("BCDEFGJKLPRSZ", 200)).low > HANDED
    symmetric = handedness(written("AHIMOTUVWX", 200))
    assert symmetric.low < 0.6 and symmetric.high < HANDED


def test_blobs_and_drawn_cartoons_are_not_handed(fresh_shapes):
    from latent_diffusion.data.sources import more_images

    images, _ = more_images("cartoons:200")(("cat", "dog"), 32, 80)
    for pictures in (images, fresh_shapes):
        assert handedness(pictures).low < 0.6


def test_copies_of_few_pictures_say_nothing():
    few = written("BCDEF", FEWEST // 2)
    assert handedness(np.repeat(few, 10, axis=0)) is None  # a detector would know them by heart


@pytest.mark.parametrize("asked", [None, True])
def test_prepare_says_that_flips_are_off(tmp_path, asked):
    (tmp_path / "in").mkdir()
    for number, image in enumerate(written("BCDEFGJKLPRSZ", 120)):
        Image.fromarray(image).save(tmp_path / "in" / f"{number}.png")
    info = prepare(str(tmp_path / "in"), tmp_path / "data", size=32, flip=asked)
    assert info.flip == bool(asked)
    assert any("mirror images" in note for note in info.notes) == (asked is None)
