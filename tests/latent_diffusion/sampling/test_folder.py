"""A samples folder never harms what it did not make, and is read back as it was written."""

import numpy as np
import pytest
from PIL import Image

from latent_diffusion.evaluation.sources import open_images
from latent_diffusion.sampling.folder import SamplesWriter


def picture(value: int) -> np.ndarray:
    return np.full((8, 8, 3), value, np.uint8)


def write(folder, names):
    writer = SamplesWriter(folder, list(names))
    for number, name in enumerate(names):
        writer.add(name, picture(number), {"seed": number, "class": "cat"})
    writer.close()


def test_round_trip(tmp_path):
    write(tmp_path / "s", ["b.png", "a.png"])
    samples = open_images(tmp_path / "s", 8)
    assert samples.read(np.arange(2))[:, 0, 0, 0].tolist() == [0, 1] and samples.classes == [
        "cat",
        "cat",
    ]


def test_a_second_time_replaces_the_first(tmp_path):
    write(tmp_path / "s", ["a.png", "b.png", "c.png"])
    write(tmp_path / "s", ["a.png"])
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["a.png", "samples.json"]


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "holiday.png").write_bytes(b"mine")
    with pytest.raises(ValueError, match=r"holiday\.png"):
        SamplesWriter(tmp_path, [])
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.png"]


def test_an_interrupted_sampling_can_be_done_again(tmp_path):
    writer = SamplesWriter(tmp_path / "s", ["a.png", "b.png"])
    writer.add("a.png", picture(1), {"class": "cat"})  # and no close
    (tmp_path / "s" / ".b.png.123").write_bytes(b"half")
    with pytest.raises(ValueError, match="interrupted"):
        open_images(tmp_path / "s", 8)
    write(tmp_path / "s", ["b.png"])
    assert open_images(tmp_path / "s", 8).count == 1
    assert not (tmp_path / "s" / "a.png").exists()


def test_a_folder_without_a_list_gives_every_png(tmp_path):
    write(tmp_path / "s", ["a.png", "b.png"])
    (tmp_path / "s" / "samples.json").unlink()
    samples = open_images(tmp_path / "s", 8)
    assert samples.count == 2 and samples.classes == [None, None]


@pytest.mark.parametrize("text", ["{", '{"files": {"../x.png": {}}}', '{"files": ["a.png"]}', "{}"])
def test_a_damaged_list_is_named(tmp_path, text):
    write(tmp_path / "s", ["a.png"])
    (tmp_path / "s" / "samples.json").write_text(text)
    with pytest.raises(ValueError, match=r"samples\.json is damaged"):
        open_images(tmp_path / "s", 8)


@pytest.mark.parametrize("ending", ["gif", "jfif"])
def test_whatever_prepare_takes_can_be_scored(tmp_path, ending):
    Image.fromarray(picture(7)).save(tmp_path / f"a.{ending}")
    assert open_images(tmp_path, 8).read(np.array([0])).shape == (1, 8, 8, 3)
