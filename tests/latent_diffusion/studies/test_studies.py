"""Studies show what they are for: scores notice disturbances, features forgive a shift, features beat pixels."""

import json
import shutil
import tomllib

import numpy as np
import pytest
import torch

from latent_diffusion import Pipeline
from latent_diffusion.ema import ema_after
from latent_diffusion.run import load_tensors
from latent_diffusion.sampling.folder import png
from latent_diffusion.sampling.generate import conditioned
from latent_diffusion.studies.disturbances import (
    ForeignCrops,
    gaussian_blur,
    gaussian_noise,
    salt_and_pepper,
)
from latent_diffusion.studies.probe import accuracy
from latent_diffusion.studies.sweep import CONFIRMED


@pytest.fixture
def study(ldm, tiny_run, tmp_path):
    def call(name, *arguments) -> dict:
        status, _, errors = ldm("study", name, tiny_run, tmp_path, *arguments, "--device", "cpu")
        assert status == 0, errors
        assert (tmp_path / f"{name}.png").stat().st_size > 5_000
        return json.loads((tmp_path / f"{name}.json").read_text())

    return call


def test_sensitivity(study):
    numbers = study("sensitivity")
    for name in ("Gaussian noise", "Gaussian blur", "salt and pepper", "foreign crops"):
        fids = numbers[name]["fid"]
        assert fids[-1] > fids[0] and len(fids) == 8, name
    assert numbers["foreign crops"]["fid"][-1] > 3 * numbers["foreign crops"]["fid"][0]
    assert (
        numbers["Gaussian noise"]["inception_score"][-1]
        < numbers["Gaussian noise"]["inception_score"][0]
    )


def test_distance(study):
    numbers = study("distance")
    assert numbers["pixels"][0] == numbers["features"][0] == 0
    assert all(0 < numbers[name][1] < numbers[name][4] for name in ("pixels", "features"))


def test_sample_size(study, shapes):
    numbers = study("sample-size")["real, held out"]
    fids = [mean for mean, _ in numbers["fid"]]
    assert fids[0] > fids[-1] > 0  # biased for few images


def test_probe(study, shapes):
    numbers = study("probe", "--data", shapes)
    assert numbers["accuracy"]["latents"] > 0.8 and {"pixels", "denoiser middle"} <= set(
        numbers["accuracy"]
    )


def test_probe_needs_its_data(ldm, tiny_run, tmp_path):
    status, _, errors = ldm("study", "probe", tiny_run, tmp_path)
    assert status == 2 and "--data" in errors


def test_disturbances_leave_level_0_alone_and_grow():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    for disturb in (gaussian_noise, gaussian_blur, salt_and_pepper, ForeignCrops(255 - images)):
        errors = [
            np.abs(disturb(images, level, np.random.default_rng(0)).astype(int) - images).mean()
            for level in (0, 0.3, 1)
        ]
        assert errors[0] == 0 < errors[1] < errors[2]


def test_the_linear_classifier_separates_what_is_separable_and_nothing_else():
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(300) % 3
    features = torch.randn(300, 10, generator=random)
    features[torch.arange(300), labels] += 8
    assert accuracy(features[:200], labels[:200], features[200:], labels[200:], 3) > 0.98
    shuffled = labels[torch.randperm(300, generator=random)]
    assert accuracy(features[:200], shuffled[:200], features[200:], shuffled[200:], 3) < 0.6


def test_sweep_tries_every_setting_and_confirms_the_best(ldm, tiny_run, tmp_path):
    status, output, errors = ldm(
        "sweep",
        tiny_run,
        tmp_path,
        "--guidance",
        "0,1.5",
        "--steps",
        "2,6",
        "--images",
        "50",
        "--device",
        "cpu",
    )
    assert status == 0, errors
    trials = json.loads((tmp_path / "sweep.json").read_text())
    fids = [trial["scores"]["scores"]["fid"]["value"] for trial in trials]
    assert len(trials) == 5 and trials[4]["first_seed"] == CONFIRMED and "other seeds" in output
    best = trials[int(np.argmin(fids[:4]))]
    assert (best["guidance"], best["steps"]) == (
        trials[4]["guidance"],
        trials[4]["steps"],
    ) and best["guidance"] == 1.5
    assert {trial["evaluations"] for trial in trials if trial["steps"] == 6} == {
        6,
        12,
    }  # guidance takes two passes
    assert (tmp_path / "sweep.png").is_file() and (tmp_path / "pareto.png").is_file()
    kept = [{**trial, "seconds": 123.0} for trial in trials[:3]]  # as after an interrupt
    (tmp_path / "sweep.json").write_text(json.dumps(kept))
    status, output, _ = ldm(
        "sweep",
        tiny_run,
        tmp_path,
        "--guidance",
        "0,1.5",
        "--steps",
        "2,6",
        "--images",
        "50",
        "--device",
        "cpu",
    )
    assert status == 0 and "are not tried again" in output
    again = json.loads((tmp_path / "sweep.json").read_text())
    assert [trial["seconds"] == 123.0 for trial in again] == [True, True, True, False, False]
    assert [trial["scores"] for trial in again] == [trial["scores"] for trial in trials]


@pytest.mark.parametrize(
    "option",
    [
        ("--guidance", "much"),
        ("--sampler", "magic"),
        ("--guidance-interval", "5-1"),
        ("--guidance-interval", "0.2-inf"),
        ("--guidance-interval", "0.2"),
        ("--average", "0.5"),
    ],
)
def test_sweep_refuses_in_one_line(ldm, tiny_run, tmp_path, option):
    status, _, errors = ldm("sweep", tiny_run, tmp_path, *option, "--device", "cpu")
    assert status == 2 and len(errors.splitlines()) == 1


def test_sweep_applies_the_best_average_and_settings(ldm, tiny_run, tiny_config, shapes, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    status, _, errors = ldm(
        "train-diffusion",
        tiny_config,
        "--data",
        shapes,
        "--run",
        run,
        "--overwrite",
        "--device",
        "cpu",
        "--set",
        "diffusion.training.steps=60",
        "--set",
        "diffusion.training.snapshots=4",
    )
    assert status == 0, errors
    before = tomllib.loads((run / "diffusion/config.toml").read_text())
    status, _, errors = ldm(
        "sweep",
        run,
        "--guidance",
        "2.5",
        "--temperature",
        "0.9",
        "--epsilon-scale",
        "1.01",
        "--average",
        "0.2",
        "--images",
        "50",
        "--apply",
        "--device",
        "cpu",
    )
    assert status == 0, errors
    after = tomllib.loads((run / "diffusion/config.toml").read_text())
    assert after["sampling"] == before["sampling"] | {
        "guidance": 2.5,
        "temperature": 0.9,
        "epsilon_scale": 1.01,
    }
    assert after == before | {"sampling": after["sampling"], "ema_length": 0.2}
    weights, wanted = (
        Pipeline.from_run(run, device="cpu").denoiser.state_dict(),
        ema_after(run / "diffusion/ema", 0.2, 60),
    )
    assert all(torch.equal(weights[key], wanted[key]) for key in weights)
    own, _ = load_tensors(run / "diffusion/model.safetensors")
    assert not all(torch.equal(own[key], wanted[key]) for key in own)
    again = ("train-diffusion", "--data", shapes, "--run", run, "--resume", "--device", "cpu")
    assert (
        ldm(*again)[0] == 0 and Pipeline.from_run(run, device="cpu").ema_length == 0.2
    )  # there was nothing left to train
    config = run / "diffusion/config.toml"
    chosen = config.read_text()
    config.write_text(
        chosen.replace("ema_length = 0.2", "ema_length = 0.05")
    )  # as a sweep of guidance alone records
    assert "holds no longer" not in ldm(*again, "--set", "diffusion.training.steps=65")[1]
    config.write_text(chosen)
    status, said, errors = ldm(*again, "--set", "diffusion.training.steps=70")
    assert status == 0 and Pipeline.from_run(run, device="cpu").ema_length == 0.05, errors
    assert "length 0.2 was chosen after 60 steps, and holds no longer" in said
    with pytest.raises(ValueError, match="end after step 70 of 90"):
        ema_after(run / "diffusion/ema", 0.2, 90)


def test_a_lower_temperature_draws_less_varied_images(tiny_run):
    pipe = Pipeline.from_run(tiny_run, device="cpu")
    spread = [
        np.std(
            pipe.generate(range(1, 17), [0] * 16, pipe.configured(temperature=t)).astype(float),
            axis=0,
        ).mean()
        for t in (0.5, 1.0)
    ]
    assert spread[0] < 0.9 * spread[1]


def test_epsilon_scale_divides_the_predicted_noise(tiny_run, ldm, tmp_path):
    pipe = Pipeline.from_run(tiny_run, device="cpu")
    x, settings = (
        torch.randn(2, *pipe.autoencoder.latent_shape),
        {"guidance": 1.5, "steps": 6, "sampler": "ddim"},
    )
    plain, scaled = (
        conditioned(
            pipe.denoiser, [0, 1], pipe.configured(epsilon_scale=scale, **settings), "float32"
        )(x, 2.0)
        for scale in (1, 1.05)
    )
    assert torch.allclose((x - plain) / 1.05, x - scaled, atol=1e-6)
    images = [
        pipe.generate([1, 2], [0, 1], pipe.configured(epsilon_scale=scale, **settings))
        for scale in (None, 1, 1.05)
    ]
    assert np.array_equal(images[0], images[1]) and not np.array_equal(images[1], images[2])
    status, _, errors = ldm(
        "sample",
        tiny_run,
        tmp_path,
        "--seeds",
        "2",
        "--classes",
        pipe.facts.class_names[1],
        "--epsilon-scale",
        "1.05",
        "--guidance",
        "1.5",
        "--steps",
        "6",
        "--sampler",
        "ddim",
        "--device",
        "cpu",
    )
    assert status == 0 and (tmp_path / "00002.png").read_bytes() == png(images[2][1]), errors
