"""A samples folder never harms what it did not make, and is read back as it was written."""

import numpy as np
import pytest
from PIL import Image

from latent_diffusion.evaluation.sources import open_images
from latent_diffusion.sampling.folder import SamplesWriter, read_list


def picture(value: int) -> np.ndarray:
    return np.full((8, 8, 3), value, np.uint8)


def facts(names, **settings) -> dict[str, dict]:
    about = {"class": "cat", "guidance": 1.5, "run": "a", **settings}
    return {name: {"seed": ord(name[0]), **about} for name in names}


def write(folder, names, replace=False, **settings):
    writer = SamplesWriter(folder, facts(names, **settings), replace)
    for number, name in enumerate(names):
        writer.add(name, picture(number))
    writer.close()


def files_in(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_round_trip(tmp_path):
    write(tmp_path / "s", ["b.png", "a.png"])
    samples = open_images(tmp_path / "s", 8)
    assert samples.read(np.arange(2))[:, 0, 0, 0].tolist() == [0, 1] and samples.classes == [
        "cat",
        "cat",
    ]


def test_a_second_time_adds_to_the_first(tmp_path):
    folder = tmp_path / "s"
    write(folder, ["a.png", "b.png", "c.png"])
    (folder / "b.png").write_bytes(b"touched up by hand")
    write(folder, ["b.png", "d.png"])
    assert files_in(folder) == ["a.png", "b.png", "c.png", "d.png", "samples.json"]
    assert (folder / "b.png").read_bytes() == b"touched up by hand"
    assert set(read_list(folder)["files"]) == {"a.png", "b.png", "c.png", "d.png"}


@pytest.mark.parametrize(
    "names, settings, hint",
    [
        (["a.png"], {"class": "dog"}, r"another a\.png \(class cat"),
        (["a.png"], {"guidance": 3.0}, r"guidance 1\.5, now 3\.0"),
        (["z.png"], {"run": "b"}, "run a, now b"),
    ],
)
def test_samples_that_do_not_go_together_are_refused(tmp_path, names, settings, hint):
    folder = tmp_path / "s"
    write(folder, ["a.png", "b.png"])
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ValueError, match=hint):
        write(folder, names, **settings)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    write(folder, names, replace=True, **settings)
    assert files_in(folder) == sorted([*names, "samples.json"])


@pytest.mark.parametrize("name", ["holiday.png", "grid.png", "00001.png"])
@pytest.mark.parametrize("replace", [False, True])
def test_a_folder_with_other_files_is_left_alone(tmp_path, name, replace):
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(ValueError, match=name):
        SamplesWriter(tmp_path, facts(["00001.png"]), replace)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"mine"]


@pytest.mark.parametrize("place", ["mine", "mine/samples"])
def test_a_file_in_the_way_is_named_and_left_alone(tmp_path, place):
    (tmp_path / "mine").write_text("important")
    with pytest.raises(ValueError, match="a file has that name"):
        SamplesWriter(tmp_path / place, {"1.png": {"seed": 1, "class": "cat"}})
    assert (tmp_path / "mine").read_text() == "important"


def test_an_interrupted_sampling_is_completed(tmp_path):
    folder = tmp_path / "s"
    write(folder, ["o.png"])
    writer = SamplesWriter(folder, facts(["a.png", "b.png"]))
    writer.add("a.png", picture(1))  # and no close
    (folder / ".b.png.123").write_bytes(b"half")
    with pytest.raises(ValueError, match="interrupted"):
        open_images(folder, 8)
    again = SamplesWriter(folder, facts(["a.png", "b.png"]))
    assert set(again.files) == {"o.png", "a.png"}  # b.png is still to be drawn
    again.add("b.png", picture(2))
    again.close()
    assert open_images(folder, 8).count == 3


def test_what_an_earlier_version_left_interrupted_is_drawn_again(tmp_path):
    write(tmp_path, ["a.png"])
    (tmp_path / "samples.json").write_text('{"files": {}, "pending": ["a.png", "b.png"]}')
    write(tmp_path, ["b.png", "a.png"])
    assert open_images(tmp_path, 8).read(np.arange(2))[:, 0, 0, 0].tolist() == [0, 1]


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
