"""The drawn data set: repeatable pictures that differ where they should, and their files."""

import hashlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latent_diffusion.data.cartoons import SPECIES, draw, prompt, species_and_seed, write_files
from latent_diffusion.data.cartoons.canvas import canvas, pixels
from latent_diffusion.data.cartoons.dice import Dice
from latent_diffusion.data.cartoons.species import KINDS

REAL_ROWS = (
    Path(__file__).resolve().parents[3].parent / "shared" / "data" / "synth_cute_metadata.jsonl"
)


MAGENTA = (255, 0, 255)


def _pictures(species: str, seeds: range, size: int = 64) -> np.ndarray:
    return np.stack([draw(species, seed, size) for seed in seeds])


def _digest(index: int) -> str:
    return hashlib.sha256(draw(*species_and_seed(index)).tobytes()).hexdigest()


def test_the_species_are_those_of_synth_cute_in_its_order():
    assert " ".join(SPECIES) == "cat chicken dog dragon fish frog gecko hamster horse monkey rabbit"


def test_a_picture_is_the_same_in_every_process():
    here = [_digest(index) for index in range(22)]
    assert here == [_digest(index) for index in range(22)]
    # A fresh interpreter hashes strings with another salt: chance must not hang on it.
    code = (
        "import hashlib; from latent_diffusion.data.cartoons import draw, species_and_seed\n"
        "for index in range(22):\n"
        "    print(hashlib.sha256(draw(*species_and_seed(index)).tobytes()).hexdigest())"
    )
    fresh = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert fresh.stdout.split() == here


def test_chance_is_the_same_on_every_machine():
    """Numbers written down once: a change here would change every picture of everybody's set."""
    dice = Dice("cat", 1)
    assert [dice.uniform(0, 1), dice.uniform(0, 1), dice.pick("abcdefgh")] == [
        0.36761549008626515,
        0.5116498825315104,
        "e",
    ]


@pytest.mark.parametrize("species", SPECIES)
def test_seeds_differ_and_nothing_is_blank(species):
    pictures = _pictures(species, range(1, 31)).astype(int)
    assert pictures.shape == (30, 64, 64, 3)
    gaps = [np.abs(a - b).mean() for i, a in enumerate(pictures) for b in pictures[:i]]
    assert min(gaps) > 3, "two seeds give nearly the same picture"
    assert pictures.reshape(30, -1, 3).std(axis=1).min(axis=0).min() > 8, "an almost empty picture"


@pytest.mark.parametrize("species", SPECIES)
def test_the_animal_is_large_and_whole_and_in_the_middle(species):
    """On a background of a colour that no animal has, the animal can be measured."""
    for seed in range(1, 31):
        dice, kind = Dice(species, seed), KINDS[species]
        image, brush = canvas(64, MAGENTA, (56, 46, 66), 1.0)
        kind.paint(brush, dice.pick(kind.looks), dice)
        animal = np.abs(pixels(image).astype(int) - MAGENTA).sum(axis=2) > 60
        rows, columns = np.flatnonzero(animal.any(axis=1)), np.flatnonzero(animal.any(axis=0))
        assert 0.3 < animal.mean() < 0.8
        assert np.ptp(rows) > 0.6 * 64 or np.ptp(columns) > 0.6 * 64
        assert animal[0].sum() <= 8, "the head is cut off"
        assert animal[28:44, 24:40].mean() > 0.9, "the animal is not in the middle"


def test_a_mirrored_brush_paints_the_mirror_image():
    pictures = []
    for mirror in (False, True):
        image, brush = canvas(64, MAGENTA, (0, 0, 0), 1.5)
        moved = brush.at(0, 0, 1.1, mirror=mirror)
        moved.at(5, 3, 0.8, tilt=25).polygon(
            [(0, 0), (14, -9), (10, 12)], (255, 255, 255), rim=True
        )
        moved.stroke([(-20, 4), (-12, -9), (-3, -14)], 5, (0, 200, 0), 2, rim=True)
        moved.at(4, -14, mirror=True).blob([(0, 0), (12, -3), (9, 8)], (0, 0, 200), rim=True)
        pictures.append(pixels(image).astype(int))
    # Corners are whole pixels of the supersampled canvas, whose edges Pillow includes: up to a
    # quarter pixel of shift.
    mirrored, straight = pictures
    assert np.abs(mirrored - straight[:, ::-1]).mean() < 4
    assert np.abs(mirrored - straight).mean() > 4


def test_an_outline_lies_outside_and_keeps_its_width_at_any_scale():
    for scale in (0.5, 1.0, 2.0):
        for shape in ("ellipse", "polygon", "stroke"):
            spans = []
            for rim in (False, True):
                image, brush = canvas(256, MAGENTA, (0, 0, 0), 2.0)
                at = brush.at(0, 0, scale)
                if shape == "ellipse":
                    at.ellipse(0, 0, 8, 6, (255, 255, 255), rim=rim)
                elif shape == "polygon":
                    at.polygon([(-8, -6), (8, -6), (8, 6), (-8, 6)], (255, 255, 255), rim=rim)
                else:
                    at.stroke([(-6, 0), (6, 0)], 4, (255, 255, 255), rim=rim)
                middle = pixels(image)[128].astype(int)
                spans.append((np.abs(middle - MAGENTA).sum(axis=1) > 200).sum())
            assert abs((spans[1] - spans[0]) - 2 * 2.0 * 256 / 64) <= 2


@pytest.mark.parametrize("size", [16, 100, 256])
def test_every_size_shows_the_same_drawing(size):
    for index in range(11):
        species, seed = species_and_seed(index)
        small = Image.fromarray(draw(species, seed, 64)).resize((16, 16), Image.Resampling.BOX)
        other = Image.fromarray(draw(species, seed, size)).resize((16, 16), Image.Resampling.BOX)
        assert np.abs(np.asarray(small, int) - np.asarray(other, int)).mean() < 8


def test_colours_are_flat():
    """At 256 pixels most neighbours are equal: no gradients, no texture, no noise."""
    for index in range(22):
        picture = draw(*species_and_seed(index), 256)
        assert (picture[:, 1:] == picture[:, :-1]).all(axis=2).mean() > 0.85


def test_species_can_be_told_apart():
    """A nearest-mean rule on unseen seeds at 16x16 already beats chance (9%) four times over."""
    seeds, unseen = range(1, 41), range(101, 111)
    means = np.stack(
        [_pictures(species, seeds, 16).reshape(40, -1).mean(axis=0) for species in SPECIES]
    )
    hits = 0
    for label, species in enumerate(SPECIES):
        for picture in _pictures(species, unseen, 16).reshape(10, -1):
            hits += int(np.argmin(((means - picture) ** 2).sum(axis=1)) == label)
    assert hits > 0.36 * 110


def test_unknown_species_and_tiny_sizes_are_refused():
    with pytest.raises(ValueError, match=r"unicorn.*cat, chicken"):
        draw("unicorn", 1)
    with pytest.raises(ValueError, match=r"15.*16"):
        draw("cat", 1, 15)


def test_every_prefix_of_the_numbered_set_is_balanced():
    pairs = [species_and_seed(index) for index in range(250)]
    assert len(set(pairs)) == 250
    assert pairs[0] == ("cat", 1) and pairs[10] == ("rabbit", 1) and pairs[11] == ("cat", 2)
    for stop in range(1, 250):
        counts = Counter(species for species, _ in pairs[:stop])
        assert max(counts.values()) - min(counts[species] for species in SPECIES) <= 1


def test_prompts_and_names_equal_the_real_metadata():
    if not REAL_ROWS.exists():
        pytest.skip(f"the real metadata rows are not at {REAL_ROWS}")
    rows = [json.loads(line) for line in REAL_ROWS.read_text().splitlines()]
    assert rows
    for row in rows:
        inputs, seed = json.loads(row["text"]).values()
        text = prompt(inputs.split("cartoon ")[1].split(",")[0], seed)
        digest = hashlib.sha256(text.encode()).hexdigest()
        assert text == row["text"] and row["path"] == f"{digest[:2]}/{digest}.json"


def test_written_files_have_the_layout_of_synth_cute(tmp_path):
    heard = []
    write_files(tmp_path / "set", 50, size=32, on_progress=heard.append)
    assert heard[-1] == 50 and heard == sorted(heard)
    files = [path for path in (tmp_path / "set").rglob("*") if path.is_file()]
    assert len(files) == 100
    seen = []
    for metadata in (path for path in files if path.suffix == ".json"):
        text = metadata.read_bytes()
        assert (
            metadata.stem == hashlib.sha256(text).hexdigest()
            and metadata.parent.name == metadata.stem[:2]
        )
        row = json.loads(text)
        species = row["inputs"].split("cartoon ")[1].split(",")[0]
        with Image.open(metadata.with_suffix(".png")) as image:
            assert image.mode == "RGB"
            assert np.array_equal(np.asarray(image), draw(species, row["seed"], 32))
        seen.append((species, row["seed"]))
    assert sorted(seen) == sorted(species_and_seed(index) for index in range(50))


def test_writing_nothing_is_nothing_and_less_is_refused(tmp_path):
    write_files(tmp_path, 0)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="-1"):
        write_files(tmp_path, -1)
