"""`ldm evaluate A B`: one folder beside another, where no run says what is real."""

import numpy as np
import pytest
from PIL import Image

from latent_diffusion.data.store import Dataset
from latent_diffusion.evaluation import detector
from latent_diffusion.evaluation.features import Pixels
from latent_diffusion.evaluation.requests import compare_folders
from metrics import frechet_distance, statistics


def folder_of(path, images):
    path.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(path / f"{number}.png")
    return path


@pytest.fixture
def folders(tmp_path, fresh_shapes):
    """Twice as many shapes as samples, and noise."""
    noise = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    return {
        "samples": folder_of(tmp_path / "samples", fresh_shapes[:20]),
        "real": folder_of(tmp_path / "real", fresh_shapes[20:]),
        "noise": folder_of(tmp_path / "noise", noise),
    }


def test_by_pixels_the_distance_is_that_of_their_statistics(folders, fresh_shapes):
    scores = compare_folders(folders["samples"], folders["real"], None, None, None, "cpu")
    features = [Pixels()(images)[0] for images in (fresh_shapes[:20], fresh_shapes[20:])]
    assert scores.network == "pixels" and scores.n == 20
    distance = frechet_distance(*(statistics(each) for each in features))
    assert scores.value("fid") == pytest.approx(distance)
    assert scores.fid_over_floor == pytest.approx(1, abs=0.3)  # drawn alike
    noise = compare_folders(folders["noise"], folders["real"], None, None, None, "cpu")
    assert noise.fid_over_floor > 5 and noise.value("precision") == 0


def test_a_data_set_has_its_held_out_images_beside_the_samples(folders, shapes):
    scores = compare_folders(folders["samples"], shapes, None, None, None, "cpu")
    assert f"the {Dataset.open(shapes).info.train} pictures" in scores.reference
    assert scores.fid_over_floor == pytest.approx(1, abs=0.3)
    many = compare_folders(folders["noise"], folders["samples"], None, None, None, "cpu")
    assert many.scores["fid"].real is None and "no floor" in many.notes[0]


def test_the_judge_of_a_run_looks(folders, shapes, tiny_run, monkeypatch):
    # Twenty pictures are few: let any known fault count as found.
    monkeypatch.setattr(detector.Reals, "too_few", property(lambda reals: False))
    with pytest.raises(ValueError, match="whose judge"):
        compare_folders(folders["noise"], folders["real"], tiny_run, "pixels", None, "cpu")
    scores = compare_folders(shapes, shapes, tiny_run, None, None, "cpu")
    assert scores.network == "judge" and scores.value("accuracy") > 0.9
    assert scores.scores["accuracy"].real == scores.value("accuracy")  # the same held-out images
    scores = compare_folders(folders["noise"], folders["real"], tiny_run, None, None, "cpu")
    assert scores.value("detectability") > 0.9
    assert scores.value("accuracy") is None  # no class was asked for


def test_other_shares_of_the_classes_are_said(shapes, fresh_shapes, tmp_path):
    from latent_diffusion.sampling.folder import SamplesWriter

    names = [f"{number}.png" for number in range(12)]
    writer = SamplesWriter(tmp_path / "disks", {name: {"class": "disk"} for name in names})
    for name, image in zip(names, fresh_shapes, strict=False):
        writer.add(name, image)
    writer.close()
    scores = compare_folders(tmp_path / "disks", shapes, None, None, None, "cpu")
    assert any("shares of the classes differ" in note for note in scores.notes)


def test_on_the_command_line(folders, shapes, fresh_shapes, tmp_path, ldm):
    status, output, errors = ldm("evaluate", folders["samples"], folders["real"])
    assert status == 0 and "seen by pixels" in output and "FID / floor" in output, errors
    assert "40 pictures" in output

    def refused(*arguments) -> str:
        status, _, errors = ldm("evaluate", *arguments)
        assert status == 2
        return errors

    assert "a second folder" in refused(folders["samples"])
    assert "leave out --data" in refused(folders["samples"], folders["real"], "--data", shapes)
    judged = ("--features", "judge")
    assert "whose judge?" in refused(folders["samples"], folders["real"], *judged)
    large = folder_of(tmp_path / "large", np.zeros((3, 20, 30, 3), np.uint8))
    assert "ldm prepare makes" in refused(folders["samples"], large)
    one = folder_of(tmp_path / "one", fresh_shapes[:1])
    assert "at least 2" in refused(folders["samples"], one)
