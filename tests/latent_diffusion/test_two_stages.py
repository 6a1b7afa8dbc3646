"""The whole path on a small data set.

Two stages learn it, samples are what was asked for, and guidance steers.
"""

import json
import shutil

import numpy as np
import pytest
import tomli_w
import torch
from PIL import Image

from latent_diffusion import Pipeline
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import choose_device
from latent_diffusion.evaluation.judge import Judge
from latent_diffusion.parsing import read_toml
from latent_diffusion.run import Run


@pytest.fixture(scope="module")
def pipe(tiny_run):
    return Pipeline.from_run(tiny_run, device="cpu")


@pytest.fixture(scope="module")
def judge(tiny_run):
    return Judge.load(Run(tiny_run), choose_device("cpu"))


def accuracy(pipe, judge, guidance: float, count: int = 90) -> float:
    """Share of samples that the judge takes for the class that was asked for."""
    seeds, labels = range(1, count + 1), [seed % 3 for seed in range(count)]
    images = pipe.generate(seeds, labels, pipe.configured(guidance=guidance))
    return float((judge(images)[1].argmax(axis=1) == labels).mean())


def test_samples_are_of_the_class_asked_for(pipe, judge):
    assert accuracy(pipe, judge, guidance=1.5) >= 0.9


def test_guidance_moves_conditional_accuracy_in_the_right_direction(pipe, judge):
    unconditional, conditional, opposed = (
        accuracy(pipe, judge, guidance) for guidance in (0.0, 1.0, 2.0)
    )
    assert unconditional < 0.6 < conditional <= opposed + 0.05


def test_samples_look_like_the_data(pipe, shapes):
    """Mean colour of the middle of each class's samples, against the data's."""
    data = Dataset.open(shapes)
    images = pipe.generate(range(1, 61), [seed % 3 for seed in range(60)], pipe.sampling)
    for label in range(3):
        real = data.images[data.labels == label][:, 6:10, 6:10].mean(axis=(0, 1, 2))
        drawn = images[np.arange(60) % 3 == label][:, 6:10, 6:10].mean(axis=(0, 1, 2))
        assert np.abs(real - drawn).max() < 40


def test_batches_fill_compute_batches(pipe):
    sizes, config = [], pipe.configured(compute_batch=64, steps=1)
    pipe.generate(range(1, 201), [0] * 200, config, sizes.append)
    assert sizes == [128, 72]


def test_pictures_of_any_kind_are_encoded_as_prepare_would_take_them(pipe):
    clear = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    grey = Image.fromarray(np.full((16, 16), 32768, np.uint16))
    latents = pipe.encode(
        [
            clear,
            grey,
            Image.new("RGB", (16, 16), (255,) * 3),
            Image.new("RGB", (16, 16), (128,) * 3),
        ]
    )
    assert torch.equal(latents[0], latents[2]) and torch.equal(latents[1], latents[3])


def test_the_autoencoder_reconstructs(pipe, shapes):
    data = Dataset.open(shapes)
    images = [Image.fromarray(image) for image in data.images[data.test]]
    decoded = np.stack([np.asarray(image) for image in pipe.decode(pipe.encode(images))]).astype(
        float
    )
    error = np.square(decoded - data.images[data.test]).mean()
    assert (
        error
        < 0.25 * np.square(data.images[data.test] - data.images[data.train].mean(axis=0)).mean()
    )


def test_three_lines_of_python(tiny_run):
    pipe = Pipeline.from_run(tiny_run)
    first, second = pipe(classes=["disk"], seeds=[1, 2], guidance=1.5)
    assert first.size == (16, 16) and first.tobytes() != second.tobytes()


def test_one_class_and_one_seed_stand_for_themselves(pipe):
    listed = pipe(classes=["disk"], seeds=[7])
    assert [image.tobytes() for image in pipe(classes="disk", seeds=7)] == [listed[0].tobytes()]
    assert len(pipe(seeds=np.arange(1, 4))) == 3


@pytest.mark.parametrize(
    "asked, hint",
    [
        ({"seeds": []}, "seeds are empty"),
        ({"seeds": [1.5]}, "whole numbers.*1.5"),
        ({"seeds": "1-4"}, "whole numbers.*1-4"),
        ({"seeds": ["1"]}, "whole numbers"),
        ({"seeds": -1}, "whole numbers"),
        ({"seeds": [2**64]}, "whole numbers"),
        ({"seeds": [True]}, "whole numbers"),
        ({"seeds": None}, "whole numbers"),
        ({"classes": ""}, "no class ''"),
        ({"classes": [1]}, "no class 1"),
        ({"classes": "disk,square"}, "no class 'disk,square'"),
        ({"guidence": 2}, "guidence"),
        ({"guidance": 2, "guidance_interval": (100, 200)}, "none of the noise levels"),
    ],
)
def test_what_cannot_be_drawn_is_named(pipe, asked, hint):
    with pytest.raises(ValueError, match=hint):
        pipe(**asked)


def without_dropout(tiny_run, tmp_path, guidance: float):
    """A run that was trained without hiding any label, as its config says."""
    run = Run(shutil.copytree(tiny_run, tmp_path / "run"))
    config = read_toml(run.diffusion.config_path)
    config["diffusion"]["label_dropout"] = 0.0
    config["sampling"]["guidance"] = guidance
    run.diffusion.config_path.write_text(tomli_w.dumps(config))
    return run.folder


def test_guidance_is_refused_where_no_label_was_hidden(tiny_run, tmp_path, ldm):
    """Not even the default of an earlier run guides it: the same bytes as guidance 1."""
    run = without_dropout(tiny_run, tmp_path, guidance=1.5)
    sample = ("sample", run, tmp_path / "s", "--seeds", "1-2", "--device", "cpu")
    for asked in (["--guidance", 3], ["--guidance", 0], ["--class-guidance", "disk=2"]):
        status, _, errors = ldm(*sample, *asked)
        assert (status, errors.count("\n")) == (2, 1) and "label_dropout = 0" in errors
        assert not (tmp_path / "s").exists()
    ours = Pipeline.from_run(run, device="cpu")(seeds=[1, 2])
    plain = Pipeline.from_run(tiny_run, device="cpu")(seeds=[1, 2], guidance=1)
    assert [one.tobytes() for one in ours] == [one.tobytes() for one in plain]


def test_training_without_hidden_labels_says_that_guidance_is_off(
    tiny_run, tiny_config, shapes, tmp_path, ldm
):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    settings = ["diffusion.label_dropout=0", "diffusion.training.steps=2", "sampling.guidance=3"]
    status, output, errors = ldm(
        "train-diffusion",
        tiny_config,
        *("--data", shapes, "--run", run, "--device", "cpu", "--overwrite"),
        *(part for setting in settings for part in ("--set", setting)),
    )
    assert status == 0, errors
    assert "label_dropout = 0" in output and "sampling.guidance = 1" in output
    assert read_toml(run / "diffusion" / "config.toml")["sampling"]["guidance"] == 1


def test_the_same_seed_and_class_give_the_same_bytes_in_any_company(tiny_run, tmp_path, ldm):
    folders = {}
    for name, arguments in {
        "one": ["--batch-size", 1],
        "seven": ["--batch-size", 7],
        "hundred": ["--batch-size", 100],
        "backwards": ["--seeds", "20,19,3-18,2,1"],
    }.items():
        status, _, errors = ldm(
            "sample", tiny_run, tmp_path / name, "--seeds", "1-20", "--device", "cpu", *arguments
        )
        assert status == 0, errors
        folders[name] = {path.name: path.read_bytes() for path in (tmp_path / name).glob("0*.png")}
    assert len(folders["one"]) == 20 and len(set(folders["one"].values())) == 20
    assert folders["one"] == folders["seven"] == folders["hundred"] == folders["backwards"]
    every = ldm(
        "sample", tiny_run, tmp_path / "every", "--seeds", "4", "--every-class", "--device", "cpu"
    )
    assert every[0] == 0
    label = json.loads((tmp_path / "one" / "samples.json").read_text())["files"]["00004.png"][
        "class"
    ]
    assert (tmp_path / "every" / f"{label}-00004.png").read_bytes() == folders["one"]["00004.png"]


def test_classes_follow_the_plan(tiny_run, tmp_path, ldm):
    assert (
        ldm(
            "sample",
            tiny_run,
            tmp_path / "s",
            "--seeds",
            "1-4",
            "--classes",
            "square,disk",
            "--device",
            "cpu",
        )[0]
        == 0
    )
    files = json.loads((tmp_path / "s" / "samples.json").read_text())["files"]
    assert [files[f"0000{seed}.png"]["class"] for seed in range(1, 5)] == [
        "square",
        "disk",
        "square",
        "disk",
    ]
    assert (tmp_path / "s" / "grid.png").is_file()


def test_a_run_can_be_moved_and_needs_no_data_set(tiny_run, tmp_path, ldm):
    import shutil

    moved = shutil.copytree(tiny_run, tmp_path / "moved")
    assert ldm("sample", moved, tmp_path / "s", "--seeds", "1-12", "--device", "cpu")[0] == 0
    status, output, errors = ldm("evaluate", tmp_path / "s", "--run", moved, "--device", "cpu")
    assert status == 0, errors
    assert "FID" in output and "floor" in output
    assert ldm("reconstruct", moved, "--device", "cpu")[0] == 0
    scores = json.loads((moved / "scores.json").read_text())
    assert scores["reconstruction"]["psnr"] > 15 and scores[str(tmp_path / "s")]["n"] == 12


def test_reconstruct_takes_image_files(tiny_run, tmp_path, ldm):
    Image.new("RGB", (50, 40), (200, 30, 30)).save(tmp_path / "mine.png")
    assert (
        ldm(
            "reconstruct",
            tiny_run,
            tmp_path / "mine.png",
            "--out",
            tmp_path / "r.png",
            "--device",
            "cpu",
        )[0]
        == 0
    )
    assert Image.open(tmp_path / "r.png").width > 16
    (tmp_path / "bad.png").write_bytes(b"nothing")
    status, _, errors = ldm("reconstruct", tiny_run, tmp_path / "bad.png", "--device", "cpu")
    assert status == 2 and "bad.png" in errors and errors.count("\n") == 1
