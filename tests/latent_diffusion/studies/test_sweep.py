"""Sweeps: every setting tried, the best confirmed and applied, what is there already read again."""

import json
import shutil
import tomllib
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from latent_diffusion import Pipeline
from latent_diffusion.ema import ema_after
from latent_diffusion.evaluation.detector import SEEN_BY
from latent_diffusion.evaluation.scores import Score, Scores
from latent_diffusion.sampling.folder import png
from latent_diffusion.sampling.generate import conditioned
from latent_diffusion.studies.sweep.search import still_good
from latent_diffusion.studies.sweep.show import ON_A_PAGE, score_panels
from latent_diffusion.studies.sweep.store import CONFIRMED, TRIED, Trial, read_trials, write_trials
from latent_diffusion.tensors import load_tensors

CPU = ("--device", "cpu")


def trial(fid: float = 1.0, **settings) -> Trial:
    score = Score(value=fid, low=0.9 * fid, high=1.1 * fid, real=0.5)
    scores = Scores(n=50, network="judge", identity="", reference="", scores={"fid": score})
    known = {
        "run": "checksum",
        "sampler": "heun",
        "steps": 10,
        "guidance": 1.5,
        "guidance_interval": "all",
        "temperature": 1.0,
        "ema_length": 0.1,
        "evaluations": 20,
        "seconds": 0.1,
        "first_seed": TRIED,
    }
    return Trial(**known | settings, scores=scores)


def test_it_tries_every_setting_and_confirms_the_best(ldm, tiny_run, tmp_path):
    options = "--guidance 0,1.5 --steps 2,6 --images 50".split()
    status, output, errors = ldm("sweep", tiny_run, tmp_path, *options, *CPU)
    assert status == 0, errors
    trials = json.loads((tmp_path / "sweep.json").read_text())
    fids = [trial["scores"]["scores"]["fid"]["value"] for trial in trials]
    *tried, confirmed = trials
    assert len(tried) == 4
    assert confirmed["first_seed"] == CONFIRMED and "other seeds" in output
    best = tried[int(np.argmin(fids[:4]))]
    assert best["guidance"] == confirmed["guidance"] == 1.5
    assert best["steps"] == confirmed["steps"]
    # guidance takes two evaluations a step
    assert {trial["evaluations"] for trial in trials if trial["steps"] == 6} == {6, 12}
    assert (tmp_path / "sweep.png").is_file() and (tmp_path / "pareto.png").is_file()

    kept = [{**trial, "seconds": 123.0} for trial in trials[:3]]  # as after an interrupt
    (tmp_path / "sweep.json").write_text(json.dumps(kept))
    status, output, _ = ldm("sweep", tiny_run, tmp_path, *options, *CPU)
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
def test_it_refuses_in_one_line(ldm, tiny_run, tmp_path, option):
    status, _, errors = ldm("sweep", tiny_run, tmp_path, *option, *CPU)
    assert status == 2 and len(errors.splitlines()) == 1


def test_a_file_that_calls_the_ema_an_average_is_read(tmp_path):
    written = trial(ema_length=0.2).model_dump()
    written["average_length"] = written.pop("ema_length")
    del written["epsilon_scale"], written["class_guidance"]
    (tmp_path / "sweep.json").write_text(json.dumps([written]))
    assert read_trials(tmp_path) == [trial(ema_length=0.2)]


def test_what_an_earlier_detector_told_is_tried_again(tmp_path):
    old, new, judge = trial(), trial(steps=12), SimpleNamespace(identity="")
    for one in (old, new):
        one.scores.scores["detectability"] = Score(value=0.7, low=0.6, high=0.8, real=0.5)
    new.scores.detector = SEEN_BY
    write_trials(tmp_path, [old, new])
    assert [one.steps for one in still_good(tmp_path, 50, judge, False, "detectability")] == [12]
    assert len(still_good(tmp_path, 50, judge, False, "fid")) == 2


def test_curves_go_over_what_varies_with_a_curve_for_each_of_the_rest():
    trials = [
        trial(steps=steps, evaluations=2 * steps, sampler=sampler, fid=fid)
        for steps, sampler, fid in ((20, "heun", 1), (10, "heun", 2), (10, "ddim", 30))
    ]
    (panel,) = score_panels([*trials, trial(first_seed=CONFIRMED, steps=5)], ON_A_PAGE)
    assert panel.x_label == "network evaluations" and panel.log_x and panel.log_y
    assert panel.levels == {"held-out real images": 0.5}
    assert {curve.name: list(curve.x) for curve in panel.curves} == {
        "sampler ddim": [20],
        "sampler heun": [20, 40],
    }
    heun = next(curve for curve in panel.curves if curve.name == "sampler heun")
    assert heun.error == pytest.approx([0.2, 0.1])
    (panel,) = score_panels([trial(ema_length=0.05), trial(ema_length=0.1)])
    assert panel.x_label == "EMA length" and not panel.log_x and not panel.log_y


@pytest.fixture
def run_with_snapshots(ldm, tiny_run, tiny_config, shapes, tmp_path):
    """A copy of the run whose denoiser was trained for 60 steps, and kept four snapshots."""
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    train = ("train-diffusion", tiny_config, "--data", shapes, "--run", run, "--overwrite", *CPU)
    settings = ("diffusion.training.steps=60", "diffusion.training.snapshots=4")
    status, _, errors = ldm(*train, "--set", settings[0], "--set", settings[1])
    assert status == 0, errors
    return run


def test_it_applies_the_best_ema_and_settings(ldm, run_with_snapshots, shapes):
    run = run_with_snapshots
    config = run / "diffusion/config.toml"
    before = tomllib.loads(config.read_text())
    options = "--guidance 2.5 --temperature 0.9 --epsilon-scale 1.01 --average 0.2 --images 50"
    status, _, errors = ldm("sweep", run, *options.split(), "--apply", *CPU)
    assert status == 0, errors
    sampling = before["sampling"] | {"guidance": 2.5, "temperature": 0.9, "epsilon_scale": 1.01}
    assert tomllib.loads(config.read_text()) == before | {"sampling": sampling, "ema_length": 0.2}
    weights = Pipeline.from_run(run, device="cpu").denoiser.state_dict()
    wanted = ema_after(run / "diffusion/ema", 0.2, 60)
    assert all(torch.equal(weights[key], wanted[key]) for key in weights)
    own, _ = load_tensors(run / "diffusion/model.safetensors")
    assert not all(torch.equal(own[key], wanted[key]) for key in own)

    resume = ("train-diffusion", "--data", shapes, "--run", run, "--resume", *CPU)
    assert ldm(*resume)[0] == 0  # there was nothing left to train
    assert Pipeline.from_run(run, device="cpu").ema_length == 0.2
    chosen = config.read_text()
    # as a sweep of guidance alone records
    config.write_text(chosen.replace("ema_length = 0.2", "ema_length = 0.05"))
    assert "holds no longer" not in ldm(*resume, "--set", "diffusion.training.steps=65")[1]
    config.write_text(chosen)
    status, said, errors = ldm(*resume, "--set", "diffusion.training.steps=70")
    assert status == 0, errors
    assert Pipeline.from_run(run, device="cpu").ema_length == 0.05
    assert "length 0.2 was chosen after 60 steps, and holds no longer" in said
    with pytest.raises(ValueError, match="end after step 70 of 90"):
        ema_after(run / "diffusion/ema", 0.2, 90)


def test_a_lower_temperature_draws_less_varied_images(tiny_run):
    pipe = Pipeline.from_run(tiny_run, device="cpu")

    def spread(temperature: float) -> float:
        config = pipe.configured(temperature=temperature)
        images = pipe.generate(range(1, 17), [0] * 16, config)
        return np.std(images.astype(float), axis=0).mean()

    assert spread(0.5) < 0.9 * spread(1.0)


def test_epsilon_scale_divides_the_predicted_noise(tiny_run, ldm, tmp_path):
    pipe = Pipeline.from_run(tiny_run, device="cpu")
    settings = {"guidance": 1.5, "steps": 6, "sampler": "ddim"}
    x = torch.randn(2, *pipe.autoencoder.latent_shape)

    def predicted(scale: float) -> torch.Tensor:
        config = pipe.configured(epsilon_scale=scale, **settings)
        return conditioned(pipe.denoiser, [0, 1], config, "float32")(x, 2.0)

    assert torch.allclose((x - predicted(1)) / 1.05, x - predicted(1.05), atol=1e-6)
    own, same, other = (
        pipe.generate([1, 2], [0, 1], pipe.configured(epsilon_scale=scale, **settings))
        for scale in (None, 1, 1.05)
    )
    assert np.array_equal(own, same) and not np.array_equal(same, other)
    options = "--seeds 2 --epsilon-scale 1.05 --guidance 1.5 --steps 6 --sampler ddim".split()
    name = pipe.facts.class_names[1]
    status, _, errors = ldm("sample", tiny_run, tmp_path, *options, "--classes", name, *CPU)
    assert status == 0, errors
    assert (tmp_path / "00002.png").read_bytes() == png(other[1])
