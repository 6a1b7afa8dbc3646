"""What a data set holds more than once, made here by saving pictures again."""

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from latent_diffusion.data import duplicates
from latent_diffusion.data.duplicates import find_repeats
from latent_diffusion.data.prepare import prepare
from latent_diffusion.data.store import Dataset
from latent_diffusion.data.summary import summary

SIDE = 32


def photo(seed: int, size: int = 96) -> Image.Image:
    """Soft blobs of colour with some grain, as photographs have."""
    random = np.random.default_rng(seed)
    blobs = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    soft = np.asarray(blobs.resize((size, size), Image.Resampling.BICUBIC)).astype(float)
    return Image.fromarray((soft + random.normal(0, 6, soft.shape)).clip(0, 255).astype(np.uint8))


def saved(folder: Path, name: str, image: Image.Image, **options) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    image.save(folder / name, **options)


def again(how: str, image: Image.Image) -> Image.Image:
    """The same picture in another file, or what only looks a little like it."""
    if how == "poor JPEG":
        stream = BytesIO()
        image.save(stream, "JPEG", quality=40)
        return Image.open(stream)
    return {
        "smaller": lambda: image.resize((48, 48), Image.Resampling.LANCZOS),
        "soft": lambda: image.filter(ImageFilter.GaussianBlur(1)),
        "the same pixels": lambda: image,
        "mirrored": lambda: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "shifted": lambda: image.transform(image.size, Image.Transform.AFFINE, (1, 0, 20, 0, 1, 0)),
        "another": lambda: photo(1_000),
    }[how]()


@pytest.mark.parametrize(
    "how, is_near",
    [
        ("poor JPEG", True),
        ("smaller", True),
        ("soft", True),
        ("the same pixels", True),
        ("mirrored", False),
        ("shifted", False),
        ("another", False),
    ],
)
def test_near_copies_across_the_split_are_named(how, is_near, tmp_path):
    source = tmp_path / "in"
    for seed in range(12):
        saved(source / "train" / "cat", f"{seed}.png", photo(seed))
    for seed in range(100, 111):
        saved(source / "test" / "cat", f"{seed}.png", photo(seed))
    saved(source / "test" / "cat", "copy.png", again(how, photo(5)), compress_level=1)
    info = prepare(str(source), tmp_path / "out", size=SIDE, processes=1)
    pairs = [(one.test, one.train) for one in info.near]
    assert pairs == ([("test/cat/copy.png", "train/cat/5.png")] if is_near else [])
    assert ("test/cat/copy.png and train/cat/5.png" in "\n".join(summary(info))) == is_near
    assert info.leaks == 0


def test_identical_pictures_and_those_of_two_classes_are_counted(tmp_path):
    """Of cat 12, of dog 13: one cat thrice as a cat, another once as a dog as well."""
    for seed in range(10):
        saved(tmp_path / "in" / "cat", f"{seed}.png", photo(seed))
    for number in range(2):
        saved(tmp_path / "in" / "cat", f"copy {number}.png", photo(0), compress_level=number)
    for seed in range(20, 32):
        saved(tmp_path / "in" / "dog", f"{seed}.png", photo(seed))
    saved(tmp_path / "in" / "dog", "cat.png", photo(1))
    info = prepare(str(tmp_path / "in"), tmp_path / "out", size=SIDE, processes=1)
    assert (info.identical, info.ambiguous) == (3, 2)
    text = "\n".join(summary(info))
    assert "3 images have the same pixels as another one" in text
    assert "2 images are there under several classes" in text


def test_flat_pictures_are_no_near_copies():
    """Seas and skies of one colour and a little noise are alike, and yet not copies."""
    noise = np.random.default_rng(0).integers(100, 103, (40, SIDE, SIDE, 3), dtype=np.uint8)
    split = np.repeat([0, 1], 20).astype(np.uint8)
    found = find_repeats(noise, np.zeros(40, np.int64), split, np.arange(40, dtype=np.uint64))
    assert found == (0, 0, [])


@pytest.mark.parametrize("fit, cropped", [("crop", 6), ("pad", 0), ("stretch", 0)])
def test_what_is_cropped_is_said(fit, cropped, tmp_path, ldm):
    """Six of twelve are twice as wide as high: half of those pictures, a quarter of all."""
    for seed in range(12):
        size = (96, 48) if seed % 2 else (96, 96)
        saved(tmp_path / "in", f"{seed}.png", photo(seed).resize(size))
    saved(tmp_path / "in", "moving.gif", photo(99), save_all=True, append_images=[photo(98)])
    data = tmp_path / "out"
    status, output, errors = ldm("prepare", tmp_path / "in", data, "--size", SIDE, "--fit", fit)
    assert status == 0, errors
    info = Dataset.open(data).info
    assert (info.fit, info.cropped) == (fit, cropped)
    assert info.cropped_area == pytest.approx(0.5 * cropped / 13, abs=1e-3)
    said = "6 images (46%) are the centre squares of their pictures; 23% of the area" in output
    assert said == (fit == "crop")
    assert "1 several frames: the first is taken: moving.gif" in output
    remarks = json.loads((data / "dataset.json").read_text())["remarks"]
    assert remarks == [{"path": "moving.gif", "reason": "several frames: the first is taken"}]


def test_near_copies_are_the_same_however_many_are_compared_at_once(monkeypatch):
    """The nearest of all training images, also where it is in another block."""
    random = np.random.default_rng(0)
    train = np.stack([np.asarray(photo(seed, SIDE)) for seed in range(40)])
    order = random.permutation(len(train))
    test = (train[order].astype(int) + random.integers(-2, 3, train.shape)).clip(0, 255)
    images = np.concatenate([train, test.astype(np.uint8)])
    split = np.repeat(np.uint8([0, 1]), len(train))
    keys = np.arange(len(images), dtype=np.uint64)
    expected = list(zip(range(40, 80), order.tolist(), strict=True))
    assert duplicates.near_pairs(images, split, keys) == expected
    monkeypatch.setattr(duplicates, "BLOCK", 7)
    monkeypatch.setattr(duplicates, "MOST_AT_ONCE", 9)
    assert duplicates.near_pairs(images, split, keys) == expected
