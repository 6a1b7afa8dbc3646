"""`ldm prepare --dry-run`: what it says, its sheet, and that it writes nothing else."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latent_diffusion.inspection.dry_run import CELL, dry_run
from latent_diffusion.inspection.grids import GAP

COLOURS = {"cat": (200, 30, 30), "dog": (30, 200, 30), "owl": (30, 30, 200)}


def fill(root: Path) -> str:
    for name, colour in COLOURS.items():
        (root / name).mkdir(parents=True)
        (root / name / "00 broken.png").write_bytes(b"no picture")
        for at in range(12 if name != "owl" else 3):
            Image.new("RGB", (16, 16), colour).save(root / name / f"{at + 10}.png")
    (root / "readme.txt").write_text("x")
    return str(root)


def test_lines_and_a_sheet_of_one_picture_a_class(tmp_path):
    lines = dry_run(fill(tmp_path / "in"), tmp_path / "data" / "pets", size=16)
    text = "\n".join(lines)
    assert "30 images to read in 3 classes; 10% of each class to be held out; flips on" in text
    assert "cat         13" in text and "owl          4  (left out: fewer than 10)" in text
    assert "1 outside the class folders: readme.txt" in text
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["pets-dry-run.png"]
    sheet = Image.open(tmp_path / "data" / "pets-dry-run.png")
    middles = [GAP + at * (CELL + GAP) + CELL // 2 for at in range(3)]
    assert [sheet.getpixel((middle, CELL // 2)) for middle in middles] == list(COLOURS.values())


def test_it_runs_again_and_leaves_a_picture_of_the_users_alone(tmp_path):
    source = fill(tmp_path / "in")
    assert dry_run(source, tmp_path / "pets", size=16) == dry_run(source, tmp_path / "pets", 16)
    Image.new("RGB", (9, 9)).save(tmp_path / "mine-dry-run.png")
    before = (tmp_path / "mine-dry-run.png").read_bytes()
    with pytest.raises(ValueError, match=r"mine-dry-run\.png .* is yours"):
        dry_run(source, tmp_path / "mine", size=16)
    assert (tmp_path / "mine-dry-run.png").read_bytes() == before


def test_array_files(tmp_path):
    labels = np.arange(40) % 2
    images = np.broadcast_to((200 * labels)[:, None, None], (40, 28, 28)).astype("u1")
    source = tmp_path / "source"
    source.mkdir()
    for part in ("train", "t10k"):
        header = struct.pack(">4I", 0x803, 40, 28, 28)
        (source / f"{part}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        header = struct.pack(">2I", 0x801, 40)
        (source / f"{part}-labels-idx1-ubyte").write_bytes(header + bytes(labels.tolist()))
    lines = dry_run(str(source), tmp_path / "digits")
    assert "40 train, 40 test (the source's own split); flips off" in lines[1]
    sheet = Image.open(tmp_path / "digits-dry-run.png")
    width = 28 * -(-CELL // 28)
    assert sheet.getpixel((GAP + width // 2, width // 2)) == (0, 0, 0)
    assert sheet.getpixel((2 * GAP + width + width // 2, width // 2)) == (200, 200, 200)


def test_the_command(tmp_path, ldm):
    source, pets = fill(tmp_path / "in"), tmp_path / "pets"
    status, output, errors = ldm("prepare", source, pets, "--dry-run")
    assert status == 0 and "a dry run, nothing is prepared" in output, errors
    assert not pets.exists() and (tmp_path / "pets-dry-run.png").exists()
    status, _, errors = ldm("prepare", "cartoons:20", pets, "--dry-run", "--files", tmp_path / "f")
    assert status == 2 and "--files" in errors
    options = ("--dry-run", "--labels", "none", "--no-flip", "--fit", "pad")
    status, output, errors = ldm("prepare", source, pets, *options)
    assert status == 0 and "flips off" in output, errors


def test_the_sheet_shows_what_fit_makes_of_wide_pictures(tmp_path):
    wide = Image.new("RGB", (48, 16), (200, 30, 30))
    wide.paste((30, 30, 200), (16, 0, 32, 16))  # red, blue, red
    (tmp_path / "in").mkdir()
    for number in range(12):
        wide.save(tmp_path / "in" / f"{number}.png")
    seen = {}
    for fit_by in ("crop", "pad", "stretch"):
        lines = dry_run(str(tmp_path / "in"), tmp_path / fit_by, size=16, fit_by=fit_by)
        sheet = Image.open(tmp_path / f"{fit_by}-dry-run.png").convert("RGB")
        across = [GAP + 2, GAP + CELL // 2]
        seen[fit_by] = [sheet.getpixel((x, GAP + CELL // 2)) for x in across]
        seen[fit_by].append(sheet.getpixel((GAP + 2, GAP + 2)))
        assert any("67% of the area is cropped away" in line for line in lines) == (
            fit_by == "crop"
        )
    red, blue, white = (200, 30, 30), (30, 30, 200), (255, 255, 255)
    assert seen == {"crop": [blue] * 3, "pad": [red, blue, white], "stretch": [red, blue, red]}
