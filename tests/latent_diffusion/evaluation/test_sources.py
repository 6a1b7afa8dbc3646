"""Whatever `ldm prepare` reads, every other command reads, to the same pixels."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latent_diffusion.data.prepare import prepare
from latent_diffusion.data.reference import DataFacts
from latent_diffusion.data.store import Dataset
from latent_diffusion.evaluation.sources import open_images
from latent_diffusion.exploration.pictures import of_files

SIDE = 16
NOISE = np.random.default_rng(0).integers(0, 256, (12, SIDE, SIDE, 3), dtype=np.uint8)


def save_all(folder: Path, name: str = "{:02d}.png", **options) -> None:
    folder.mkdir(parents=True)
    for number, image in enumerate(NOISE):
        Image.fromarray(image).save(folder / name.format(number), **options)


def turned(folder: Path) -> None:
    """Stored on their sides, with the orientation that puts them upright."""
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    for number, image in enumerate(NOISE):
        stored = Image.fromarray(image).transpose(Image.Transpose.ROTATE_90)
        stored.save(folder / f"{number:02d}.png", exif=exif)


def linked(folder: Path) -> None:
    """The pictures lie in a folder elsewhere that is only linked."""
    folder.mkdir()
    save_all(folder.with_name("elsewhere"))
    (folder / "a").symlink_to(folder.with_name("elsewhere"))


def zipped(path: Path, pattern: str) -> None:
    save_all(path.with_name("loose"))
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(path.with_name("loose").iterdir()):
            archive.writestr(zipfile.ZipInfo(pattern.format(file.name)), file.read_bytes())
        archive.writestr(zipfile.ZipInfo("__MACOSX\\x\\._00.png"), b"\0\5\x16\7")


KINDS = {
    "plain": save_all,
    "TIFF": lambda p: save_all(p, "{:02d}.tif"),
    "upper case": lambda p: save_all(p, "{:02d}.PNG", format="PNG"),
    "no ending": lambda p: save_all(p, "{:02d}", format="PNG"),
    "another ending": lambda p: save_all(p, "{:02d}.dat", format="PNG"),
    "turned": turned,
    "linked": linked,
    "zip with back slashes": lambda p: zipped(p, "x\\{}"),
    "zip of a folder": lambda p: zipped(p, "x/{}"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_command_reads_the_same_pixels(kind, tmp_path):
    place = tmp_path / ("in.zip" if "zip" in kind else "in")
    KINDS[kind](place)
    want = {image.tobytes() for image in NOISE}
    prepare(str(place), tmp_path / "data", size=SIDE, processes=1)
    assert {image.tobytes() for image in Dataset.open(tmp_path / "data").images} == want
    scored = open_images(place, SIDE)  # evaluate, statistics, grade, audit, study
    assert {image.tobytes() for image in scored.read(np.arange(scored.count))} == want
    facts = DataFacts.of(Dataset.open(tmp_path / "data"))
    explored = of_files(place, facts).images  # reconstruct, invert, vary, interpolate
    assert {image.tobytes() for image in explored} == want


def test_what_is_left_out_is_said(tmp_path, capsys):
    save_all(tmp_path / "in")
    (tmp_path / "in" / "notes.txt").write_text("hello")
    Image.new("RGB", (99, 99)).save(tmp_path / "in" / "grid.png")
    assert open_images(tmp_path / "in", SIDE).count == 12
    said = capsys.readouterr().out
    assert "2 files left out: grid.png (made by ldm), notes.txt (not an image)" in said


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_arrays_in_files_are_images(name, tmp_path):
    path = tmp_path / name
    np.save(path, NOISE) if name == "a.npy" else np.savez(path, NOISE)
    found = open_images(path, SIDE)
    assert (found.read(np.arange(12)) == NOISE).all() and found.name == str(path)
    with pytest.raises(ValueError, match="16x16"):
        open_images(path, 32)
    np.savez(tmp_path / "b.npz", mu=np.zeros(3))
    with pytest.raises(ValueError, match="called arr_0"):
        open_images(tmp_path / "b.npz", SIDE)


def test_pictures_are_fitted_as_the_data_of_the_run_were(tmp_path):
    """Where the data set was padded, pictures that a user names are padded, too."""
    save_all(tmp_path / "in")
    wide = np.concatenate(list(NOISE[:2]), axis=1)
    Image.fromarray(wide).save(tmp_path / "in" / "wide.png")
    prepare(str(tmp_path / "in"), tmp_path / "data", size=SIDE, fit_by="pad", processes=1)
    data = Dataset.open(tmp_path / "data")
    image = of_files(tmp_path / "in" / "wide.png", DataFacts.of(data)).images[0]
    assert (image[:4] == 255).all() and image.tobytes() in {one.tobytes() for one in data.images}
