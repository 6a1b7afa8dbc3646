"""Guidance by class: the choice on features whose answer is known, and the way it takes through sweep, sample and training."""

import dataclasses
import json
import shutil
import tomllib

import numpy as np
import pytest
import torch
from PIL import Image

from latent_diffusion import Pipeline
from latent_diffusion.evaluation.judge import Judge, judge_statistics
from latent_diffusion.run import Run
from latent_diffusion.sampling.plan import follow
from latent_diffusion.studies import sweep as sweeps
from latent_diffusion.studies.by_class import best_by_class
from latent_diffusion.studies.sweep import CONFIRMED, TRIED, features_of, read_trials
from metrics import frechet_distance, statistics


def test_each_class_gets_the_guidance_with_which_it_is_like_the_data():
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1, 3], 200)  # no sample of class 2
    centres = 5 * random.normal(size=(4, 6))
    real = centres[labels] + random.normal(size=(600, 6))
    right = {0: 1.0, 1: 2.0, 3: 4.0}
    off = {
        scale: np.array([scale != right[label] for label in labels]) for scale in (1.0, 2.0, 4.0)
    }
    features = {
        scale: real + wrong[:, None] * random.normal(2, 1, size=(600, 6))
        for scale, wrong in off.items()
    }
    chosen, fid = best_by_class(features, labels, statistics(real), 2.0)
    assert [chosen[label] for label in right] == list(right.values()) and chosen[2] == 2.0
    assert fid == pytest.approx(0, abs=1e-6) and fid < min(
        frechet_distance(statistics(f), statistics(real)) for f in features.values()
    )


def test_images_of_a_class_are_those_that_its_guidance_makes_for_all(tiny_run):
    pipe, seeds, labels = (
        Pipeline.from_run(tiny_run, device="cpu"),
        [1, 2, 3, 4, 5],
        [0, 1, 2, 0, 1],
    )
    names = pipe.facts.class_names
    for one, other in ((4.0, 1.5), (1.5, 1.0), (1.0, 3.0), (0.0, 2.0)):
        mixed = pipe.generate(
            seeds, labels, pipe.configured(guidance=one, class_guidance={names[1]: other})
        )
        alone = {
            scale: pipe.generate(seeds, labels, pipe.configured(guidance=scale))
            for scale in (one, other)
        }
        for row, label in enumerate(labels):
            assert (mixed[row] == alone[other if label == 1 else one][row]).all(), (one, other, row)
    assert not (alone[other] == alone[one]).all()


def test_a_guidance_for_all_replaces_those_by_class(tiny_run):
    pipe = Pipeline.from_run(tiny_run, device="cpu")
    name = pipe.facts.class_names[0]
    own = pipe.configured(class_guidance={name: 3.0})
    assert (own.guidance, own.class_guidance) == (
        pipe.sampling.guidance,
        {name: 3.0},
    ) and own.evaluations == 2 * own.steps
    both = dataclasses.replace(pipe, sampling=own).configured(
        class_guidance={pipe.facts.class_names[1]: 2.0}, steps=3
    )
    assert both.class_guidance == {name: 3.0, pipe.facts.class_names[1]: 2.0} and both.steps == 3
    assert pipe.configured(guidance=1, class_guidance={name: 3.0}).evaluations == 2 * own.steps
    assert (
        pipe.configured(guidance=0, class_guidance={name: 1}).evaluations
        == pipe.configured(guidance=1).evaluations
        == own.steps
    )
    assert not pipe.configured(guidance=2).class_guidance
    with pytest.raises(ValueError, match="no class 'ox'"):
        pipe.configured(class_guidance={"ox": 2.0})


def test_a_sweep_finds_and_applies_it(ldm, tiny_run, tmp_path):
    run, out = tmp_path / "run", tmp_path / "run/sweep"
    shutil.copytree(tiny_run, run)
    options = (
        "sweep",
        run,
        "--guidance",
        "0,1,2",
        "--images",
        "60",
        "--by-class",
        "--apply",
        "--device",
        "cpu",
    )
    status, output, errors = ldm(*options)
    assert status == 0, errors
    pipe, trials = Pipeline.from_run(run, device="cpu"), read_trials(out)
    tried, again = trials[:3], trials[3:]
    assert all(trial.first_seed == TRIED for trial in tried) and all(
        trial.first_seed == CONFIRMED for trial in again
    )
    kept = {trial.guidance: np.load(features_of(trial, out)) for trial in tried}
    labels = follow(range(TRIED, TRIED + 60), range(3), pipe.facts.histogram)
    assert (
        all(features.shape[0] == len(labels) for features in kept.values())
        and len(list((out / "features").iterdir())) == 3
    )
    run_judge, start = (
        Judge.load(Run(run), torch.device("cpu")),
        min(tried, key=lambda trial: trial.scores.value("fid")).guidance,
    )
    chosen, _ = best_by_class(
        kept, np.array(labels), judge_statistics(Run(run), run_judge).statistics, start
    )
    wanted = {name: scale for name, scale in zip(pipe.facts.class_names, chosen) if scale != start}
    assert [trial.class_guidance for trial in again if trial.class_guidance] == [wanted] * bool(
        wanted
    )
    assert (
        pipe.sampling.class_guidance == again[-1].class_guidance
        and pipe.sampling.guidance == again[-1].guidance
    )
    assert again[-1].scores.value("fid") == min(trial.scores.value("fid") for trial in again)
    assert "by class" in output + errors and len(again) == 1 + any(
        trial.class_guidance for trial in again
    )
    next((out / "features").iterdir()).unlink()  # what was lost is drawn again, the rest is not
    (out / "sweep.json").write_text(
        json.dumps([{**trial.model_dump(), "seconds": 123.0} for trial in trials])
    )
    status, _, errors = ldm(*options)
    assert status == 0 and sum(trial.seconds != 123.0 for trial in read_trials(out)) == 1, errors


def test_what_is_chosen_for_a_class_is_drawn_and_shown(ldm, tiny_run, tmp_path, monkeypatch):
    """Whatever the choice: here the second class gets another guidance than the best."""
    monkeypatch.setattr(
        sweeps, "best_by_class", lambda features, labels, against, start: ([start, 3.0, start], 0.5)
    )
    status, output, errors = ldm(
        "sweep",
        tiny_run,
        tmp_path,
        "--guidance",
        "1,2",
        "--images",
        "50",
        "--by-class",
        "--device",
        "cpu",
    )
    assert status == 0 and "by class: FID 0.500" in output + errors, errors
    pipe, (_, _, *again) = Pipeline.from_run(tiny_run, device="cpu"), read_trials(tmp_path)
    name = pipe.facts.class_names[1]
    assert (
        sorted(len(trial.class_guidance) for trial in again) == [0, 1]
        and f"{name} 3, the others {again[0].guidance:g}" in output
    )
    found = next(trial for trial in again if trial.class_guidance)
    assert found.class_guidance == {name: 3.0} and found.scores.value("fid") != next(
        t for t in again if t is not found
    ).scores.value("fid")


def test_a_sweep_by_class_needs_a_choice(ldm, tiny_run, tmp_path):
    status, _, errors = ldm(
        "sweep", tiny_run, tmp_path, "--guidance", "2", "--by-class", "--device", "cpu"
    )
    assert status == 2 and "two or more" in errors and len(errors.splitlines()) == 1


def test_sample_takes_it(ldm, tiny_run, tmp_path):
    draw = (
        "sample",
        tiny_run,
        tmp_path / "a",
        "--seeds",
        "1-3",
        "--device",
        "cpu",
        "--guidance",
        "1",
    )
    status, _, errors = ldm(*draw, "--class-guidance", "disk=4")
    assert status == 0, errors
    facts = json.loads((tmp_path / "a/samples.json").read_text())["files"]["00001.png"]
    assert facts["class_guidance"] == {"disk": 4.0} and facts["guidance"] == 1
    one, pipe = Image.open(tmp_path / "a/00002.png"), Pipeline.from_run(tiny_run, device="cpu")
    name = json.loads((tmp_path / "a/samples.json").read_text())["files"]["00002.png"]["class"]
    assert (
        np.asarray(one)
        == np.asarray(pipe(classes=[name], seeds=[2], guidance=4.0 if name == "disk" else 1.0)[0])
    ).all()
    for wrong, text in (
        ("disk", "such as cat=2"),
        ("disk=much", "such as cat=2"),
        ("=2", "no class"),
        ("ox=2", "no class"),
        ("disk=-1", "greater"),
    ):
        status, _, errors = ldm(*draw, "--class-guidance", wrong)
        assert status == 2 and text in errors and len(errors.splitlines()) == 1, (wrong, errors)


def test_what_another_judge_saw_is_not_used(ldm, tiny_run, tiny_config, shapes, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    options = ("sweep", run, "--guidance", "1,2", "--images", "50", "--by-class", "--device", "cpu")
    assert ldm(*options)[0] == 0
    judge = read_trials(run / "sweep")[0].scores.identity
    status, _, errors = ldm(
        "train-classifier",
        tiny_config,
        "--data",
        shapes,
        "--run",
        run,
        "--overwrite",
        "--device",
        "cpu",
        "--set",
        "classifier.training.steps=20",
        "--set",
        "classifier.model.widths=[32, 64]",
    )
    assert status == 0 and ldm(*options)[0] == 0, errors
    assert all(trial.scores.identity != judge for trial in read_trials(run / "sweep"))


def test_a_config_for_other_data_is_said_and_left_out(ldm, tiny_run, tiny_config, shapes, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    train = (
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
        "diffusion.training.steps=2",
    )
    for named, recorded in (("{ox = 3.0}", {}), ("{disk = 2.0}", {"disk": 2.0})):
        status, output, errors = ldm(*train, "--set", f"sampling.class_guidance={named}")
        assert status == 0 and ("left out" in output + errors) == (not recorded), errors
        assert (
            tomllib.loads((run / "diffusion/config.toml").read_text())["sampling"]["class_guidance"]
            == recorded
        )
    status, _, errors = ldm(*train, "--set", "sampling.class_guidance={ox = 3.0, disk = 2.0}")
    assert status == 2 and "no class 'ox'" in errors and len(errors.splitlines()) == 1
