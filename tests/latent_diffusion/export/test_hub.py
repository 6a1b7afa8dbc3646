"""`ldm export --format hub`, and `Pipeline.from_pretrained`, which reads it back."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latent_diffusion import Pipeline
from latent_diffusion.data.reference import write_reference
from latent_diffusion.data.store import Dataset
from latent_diffusion.export.hub import Asked, are_near_copies, export_hub
from latent_diffusion.run import Run

FILES = {
    "README.md",
    "config.json",
    "autoencoder/config.toml",
    "autoencoder/model.safetensors",
    "diffusion/config.toml",
    "diffusion/model.safetensors",
}


def files_of(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def folder(random_run, tmp_path_factory):
    out = tmp_path_factory.mktemp("exports") / "hub"
    export_hub(random_run, out, Asked(licence="mit"))
    return out


def test_it_loads_back_and_draws_the_same_bytes(folder, random_run, tmp_path):
    moved = shutil.move(shutil.copytree(folder, tmp_path / "copy"), tmp_path / "moved")
    there, here = (Pipeline.from_pretrained(one, "cpu") for one in (moved, random_run))
    expected = here.generate([1, 2, 3], [0, 1, 2], here.sampling)
    assert expected.std() > 10
    np.testing.assert_array_equal(there.generate([1, 2, 3], [0, 1, 2], there.sampling), expected)


def test_a_student_goes_along(fast_run, secrets, tmp_path):
    out = tmp_path / "out"
    export_hub(fast_run, out, Asked(licence="mit"))
    student = {"diffusion-fast/config.toml", "diffusion-fast/model.safetensors"}
    assert files_of(out) == FILES | student
    for name in files_of(out):
        assert not [one for one in secrets if one in (out / name).read_bytes()], name
    there, here = (Pipeline.from_pretrained(one, "cpu", fast=True) for one in (out, fast_run))
    expected = here.generate([1, 2, 3], [0, 1, 2], here.sampling)
    assert there.is_fast and expected.std() > 10
    np.testing.assert_array_equal(there.generate([1, 2, 3], [0, 1, 2], there.sampling), expected)
    assert "fast=True" in (out / "README.md").read_text()
    about = json.loads((out / "config.json").read_text())["fast"]
    assert about["levels"]["2"] == here.configured(steps=2).levels


def test_it_holds_nothing_of_the_user(folder, secrets):
    assert files_of(folder) == FILES
    for name in FILES:
        assert not [one for one in secrets if one in (folder / name).read_bytes()], name


def test_pictures_go_along_where_asked(random_run, secrets, tmp_path):
    export_hub(random_run, tmp_path / "out", Asked(pictures=True))
    kept = {"reference/data.json", "reference/images.npy", "reference/labels.npy", "samples.png"}
    assert files_of(tmp_path / "out") == FILES | kept
    assert secrets[0] in (tmp_path / "out" / "reference" / "images.npy").read_bytes()
    assert Image.open(tmp_path / "out" / "samples.png").size[0] > 8 * 16


def test_the_card_says_what_is_known(folder):
    text = (folder / "README.md").read_text()
    front = text.split("---\n")[1].splitlines()
    assert {"license: mit", "library_name: latent-diffusion"} <= set(front)
    assert "52 pictures from `private photos`" in text and "Skipped: 3 too small." in text
    assert "| yak, wet | 10 |" in text and "None were recorded" in text
    assert "Nothing pretrained had a part in it." in text
    assert "samples.png" not in text and "{{" not in text
    assert json.loads((folder / "config.json").read_text())["class_names"][2] == "yak, wet"


def test_the_card_has_the_last_scores(random_run, tmp_path):
    copy = shutil.copytree(random_run, tmp_path / "run")
    scores = {"fid": {"value": 1.2, "low": 1.0, "high": 1.4, "real": 0.5}}
    scores["detectability"] = {"value": 0.83, "real": 0.5}
    entry = {"n": 500, "network": "judge", "identity": "x", "reference": "it", "scores": scores}
    Run(copy).add_scores("/home/somebody/samples", entry)
    export_hub(copy, tmp_path / "out", Asked())
    text = (tmp_path / "out" / "README.md").read_text()
    assert "| FID | 1.200 | 1.000 .. 1.400 | 0.500 (floor) |" in text
    assert "| detectability | 0.830 |" in text and "| FID / floor | 2.400 |" in text
    assert "500 samples, seen by a classifier" in text and "/home/somebody" not in text


def test_near_copies_are_found(tmp_path, random_run, shapes):
    """A training image that was moved by a level is one, noise is none."""
    run, data = Run(tmp_path / "run"), Dataset.open(shapes)
    write_reference(run, data)
    image = np.asarray(data.images[data.train[3]])
    near = np.where(image < 255, image + 1, 254).astype(np.uint8)
    noise = np.random.default_rng(5).integers(0, 256, image.shape, dtype=np.uint8)
    found = are_near_copies(np.stack([near, noise, near[:, ::-1]]), run, shapes)
    assert found.tolist() == [True, False, data.info.flip]
    with pytest.raises(ValueError, match="is not the data set"):
        are_near_copies(near[None], Run(random_run), shapes)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub that is a folder of this machine, in place of huggingface_hub's calls."""
    import huggingface_hub

    shelf = tmp_path / "hub"

    class Api:
        def create_repo(self, repository, private, exist_ok):
            assert private and exist_ok
            (shelf / repository).mkdir(parents=True, exist_ok=True)

        def upload_folder(self, repo_id, folder_path):
            if not (shelf / repo_id).is_dir():
                raise huggingface_hub.errors.HTTPError("404: no such repository")
            shutil.copytree(folder_path, shelf / repo_id, dirs_exist_ok=True)
            return f"hub://{repo_id}"

    def snapshot_download(repository, revision, allow_patterns):
        if not (shelf / repository).is_dir():
            raise OSError("404: no such repository")
        copy, everything = tmp_path / "cache" / repository, shelf / repository
        wanted = {path for one in allow_patterns for path in everything.rglob(one)}
        for path in wanted:
            goal = copy / path.relative_to(everything)
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, goal)
        return str(copy)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return shelf


def test_there_and_back_by_the_hub(random_run, tmp_path, ldm, hub):
    out = tmp_path / "out"
    words = ("export", random_run, out, "--format", "hub", "--push", "me/cats")
    status, said, errors = ldm(*words)
    assert status == 0 and "uploaded: hub://me/cats" in said, errors
    assert files_of(hub / "me" / "cats") == files_of(out) == FILES
    here, there = (Pipeline.from_pretrained(one, "cpu") for one in (out, "me/cats"))
    assert here.checksum == there.checksum
    with pytest.raises(ValueError, match="the hub does not give it: 404"):
        Pipeline.from_pretrained("me/dogs")
    with pytest.raises(ValueError, match="it is no repository's name"):
        Pipeline.from_pretrained("/me/dogs")


def test_a_folder_never_asks_the_network(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    Pipeline.from_pretrained(folder, "cpu")
    with pytest.raises(ValueError, match=r"to look for it on the hub: .*pip install"):
        Pipeline.from_pretrained("me/cats")


def test_options_of_another_format_are_refused(random_run, tmp_path, ldm):
    words = ("export", random_run, tmp_path / "out", "--format", "hub", "--runtime", tmp_path)
    status, _, errors = ldm(*words)
    assert status == 2 and "--runtime is for --format web" in errors
    status, _, errors = ldm(*words[:4], "onnx", "--with-pictures")
    assert status == 2 and "--with-pictures is for --format hub" in errors
    assert not (tmp_path / "out").exists()
