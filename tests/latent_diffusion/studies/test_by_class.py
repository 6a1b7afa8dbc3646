"""Guidance by class: the choice on features whose answer is known.

Also the way it takes through sweep, sample and training.
"""

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
from latent_diffusion.studies.by_class import best_by_class
from latent_diffusion.studies.sweep import search
from latent_diffusion.studies.sweep.store import CONFIRMED, TRIED, read_features, read_trials
from metrics import frechet_distance, statistics

CPU = ("--device", "cpu")


def test_each_class_gets_the_guidance_with_which_it_is_like_the_data():
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1, 3], 200)  # no sample of class 2
    centres = 5 * random.normal(size=(4, 6))
    real = centres[labels] + random.normal(size=(600, 6))
    right = {0: 1.0, 1: 2.0, 3: 4.0}
    features = {}
    for scale in (1.0, 2.0, 4.0):
        wrong = np.array([scale != right[label] for label in labels])
        features[scale] = real + wrong[:, None] * random.normal(2, 1, size=(600, 6))
    against = statistics(real)
    chosen, fid = best_by_class(features, labels, against, 2.0)
    assert [chosen[label] for label in right] == list(right.values())
    assert chosen[2] == 2.0
    assert fid == pytest.approx(0, abs=1e-6)
    assert fid < min(frechet_distance(statistics(f), against) for f in features.values())


def test_images_of_a_class_are_those_that_its_guidance_makes_for_all(tiny_run):
    pipe = Pipeline.from_run(tiny_run, device="cpu")
    seeds, labels = [1, 2, 3, 4, 5], [0, 1, 2, 0, 1]
    name = pipe.facts.class_names[1]
    for one, other in ((4.0, 1.5), (1.5, 1.0), (1.0, 3.0), (0.0, 2.0)):
        config = pipe.configured(guidance=one, class_guidance={name: other})
        mixed = pipe.generate(seeds, labels, config)
        alone = {
            scale: pipe.generate(seeds, labels, pipe.configured(guidance=scale))
            for scale in (one, other)
        }
        for row, label in enumerate(labels):
            assert (mixed[row] == alone[other if label == 1 else one][row]).all(), (one, other, row)
    assert not (alone[other] == alone[one]).all()


def test_a_guidance_for_all_replaces_those_by_class(tiny_run):
    pipe = Pipeline.from_run(tiny_run, device="cpu")
    name, another, *_ = pipe.facts.class_names
    own = pipe.configured(class_guidance={name: 3.0})
    assert own.guidance == pipe.sampling.guidance
    assert own.class_guidance == {name: 3.0}
    assert own.evaluations == 2 * own.steps
    changed = dataclasses.replace(pipe, sampling=own)
    both = changed.configured(class_guidance={another: 2.0}, steps=3)
    assert both.class_guidance == {name: 3.0, another: 2.0}
    assert both.steps == 3
    assert not pipe.configured(guidance=2).class_guidance
    with pytest.raises(ValueError, match="no class 'ox'"):
        pipe.configured(class_guidance={"ox": 2.0})


def test_the_class_that_needs_most_evaluations_counts(tiny_run):
    pipe = Pipeline.from_run(tiny_run, device="cpu")
    name, steps = pipe.facts.class_names[0], pipe.sampling.steps
    assert pipe.configured(guidance=1, class_guidance={name: 3.0}).evaluations == 2 * steps
    assert pipe.configured(guidance=0, class_guidance={name: 1}).evaluations == steps
    assert pipe.configured(guidance=1).evaluations == steps


def test_a_sweep_finds_and_applies_it(ldm, tiny_run, tmp_path):
    run, out = tmp_path / "run", tmp_path / "run/sweep"
    shutil.copytree(tiny_run, run)
    options = ("sweep", run, *"--guidance 0,1,2 --images 60 --by-class --apply".split(), *CPU)
    status, output, errors = ldm(*options)
    assert status == 0, errors
    pipe, trials = Pipeline.from_run(run, device="cpu"), read_trials(out)
    tried, confirmed = trials[:3], trials[3:]
    assert all(trial.first_seed == TRIED for trial in tried)
    assert all(trial.first_seed == CONFIRMED for trial in confirmed)

    labels = follow(range(TRIED, TRIED + 60), range(3), pipe.facts.histogram)
    features = {trial.guidance: read_features(trial, out) for trial in tried}
    assert all(len(kept) == len(labels) for kept in features.values())
    assert len(list((out / "features").iterdir())) == 3
    judge = Judge.load(Run(run), torch.device("cpu"))
    against = judge_statistics(Run(run), judge).statistics
    start = min(tried, key=lambda trial: trial.fid).guidance
    chosen, _ = best_by_class(features, np.array(labels), against, start)
    scales = dict(zip(pipe.facts.class_names, chosen, strict=True))
    wanted = {name: scale for name, scale in scales.items() if scale != start}
    by_class = [trial.class_guidance for trial in confirmed if trial.class_guidance]
    assert by_class == ([wanted] if wanted else [])
    assert len(confirmed) == 1 + len(by_class)
    assert "by class" in output + errors

    best = confirmed[-1]
    assert best.fid == min(trial.fid for trial in confirmed)
    assert pipe.sampling.class_guidance == best.class_guidance
    assert pipe.sampling.guidance == best.guidance

    next((out / "features").iterdir()).unlink()  # what was lost is drawn again, the rest is not
    marked = [{**trial.model_dump(), "seconds": 123.0} for trial in trials]
    (out / "sweep.json").write_text(json.dumps(marked))
    status, _, errors = ldm(*options)
    assert status == 0, errors
    assert sum(trial.seconds != 123.0 for trial in read_trials(out)) == 1


def test_what_is_chosen_for_a_class_is_drawn_and_shown(ldm, tiny_run, tmp_path, monkeypatch):
    """Whatever the choice: here the second class gets another guidance than the best."""
    monkeypatch.setattr(
        search, "best_by_class", lambda features, labels, against, start: ([start, 3.0, start], 0.5)
    )
    options = "--guidance 1,2 --images 50 --by-class".split()
    status, output, errors = ldm("sweep", tiny_run, tmp_path, *options, *CPU)
    assert status == 0, errors
    assert "by class: FID 0.500" in output + errors
    name = Pipeline.from_run(tiny_run, device="cpu").facts.class_names[1]
    _, _, *confirmed = read_trials(tmp_path)
    plain, by_class = sorted(confirmed, key=lambda trial: len(trial.class_guidance))
    assert not plain.class_guidance
    assert by_class.class_guidance == {name: 3.0}
    assert by_class.fid != plain.fid
    assert f"{name} 3, the others {plain.guidance:g}" in output


def test_a_sweep_by_class_needs_a_choice(ldm, tiny_run, tmp_path):
    status, _, errors = ldm("sweep", tiny_run, tmp_path, "--guidance", "2", "--by-class", *CPU)
    assert status == 2 and "two or more" in errors and len(errors.splitlines()) == 1


def test_sample_takes_it(ldm, tiny_run, tmp_path):
    out = tmp_path / "a"
    sample = ("sample", tiny_run, out, *"--seeds 1-3 --guidance 1".split(), *CPU)
    status, _, errors = ldm(*sample, "--class-guidance", "disk=4")
    assert status == 0, errors
    files = json.loads((out / "samples.json").read_text())["files"]
    assert files["00001.png"]["class_guidance"] == {"disk": 4.0}
    assert files["00001.png"]["guidance"] == 1
    name = files["00002.png"]["class"]
    pipe = Pipeline.from_run(tiny_run, device="cpu")
    (alone,) = pipe(classes=[name], seeds=[2], guidance=4.0 if name == "disk" else 1.0)
    assert np.array_equal(Image.open(out / "00002.png"), alone)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ("disk", "such as cat=2"),
        ("disk=much", "such as cat=2"),
        ("=2", "no class"),
        ("ox=2", "no class"),
        ("disk=-1", "greater"),
    ],
)
def test_sample_refuses_a_wrong_one_in_one_line(ldm, tiny_run, tmp_path, wrong, text):
    options = ("--seeds", "1-3", "--guidance", "1", "--class-guidance", wrong)
    status, _, errors = ldm("sample", tiny_run, tmp_path / "a", *options, *CPU)
    assert status == 2 and text in errors and len(errors.splitlines()) == 1


def test_what_another_judge_saw_is_not_used(ldm, tiny_run, tiny_config, shapes, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    sweep = ("sweep", run, *"--guidance 1,2 --images 50 --by-class".split(), *CPU)
    assert ldm(*sweep)[0] == 0
    judge = read_trials(run / "sweep")[0].scores.identity
    settings = ("classifier.training.steps=20", "classifier.model.widths=[32, 64]")
    train = ("train-classifier", tiny_config, "--data", shapes, "--run", run, "--overwrite", *CPU)
    status, _, errors = ldm(*train, "--set", settings[0], "--set", settings[1])
    assert status == 0, errors
    status, _, errors = ldm(*sweep)
    assert status == 0, errors
    assert all(trial.scores.identity != judge for trial in read_trials(run / "sweep"))


def test_a_config_for_other_data_is_said_and_left_out(ldm, tiny_run, tiny_config, shapes, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    train = ("train-diffusion", tiny_config, "--data", shapes, "--run", run, "--overwrite", *CPU)
    train += ("--set", "diffusion.training.steps=2")
    for named, recorded in (("{ox = 3.0}", {}), ("{disk = 2.0}", {"disk": 2.0})):
        status, output, errors = ldm(*train, "--set", f"sampling.class_guidance={named}")
        assert status == 0, errors
        assert ("left out" in output + errors) == (not recorded)
        config = tomllib.loads((run / "diffusion/config.toml").read_text())
        assert config["sampling"]["class_guidance"] == recorded
    status, _, errors = ldm(*train, "--set", "sampling.class_guidance={ox = 3.0, disk = 2.0}")
    assert status == 2 and "no class 'ox'" in errors and len(errors.splitlines()) == 1
