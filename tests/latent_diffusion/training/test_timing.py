"""Trainings that are given minutes: measured once, fixed from then on, exact when resumed."""

import time

import pytest
import torch

from latent_diffusion.config import build
from latent_diffusion.data.store import Dataset
from latent_diffusion.distributed import World
from latent_diffusion.run import Run
from latent_diffusion.training.classifier import classifier_task, train_classifier
from latent_diffusion.training.planning import scaled
from latent_diffusion.training.stage import FRESH, Start
from latent_diffusion.training.stages import Config, load_config, resumed_config
from latent_diffusion.training.timing import in_minutes, measured_seconds

WORLD = World(0, 1, torch.device("cpu"))
MINUTES = 0.05


def recorded(run: Run):
    return resumed_config(run.classifier).classifier.training


def train(run, data, config, start=FRESH):
    train_classifier(run, data, config.classifier, WORLD, start)


@pytest.fixture
def data(shapes):
    return Dataset.open(shapes)


@pytest.fixture
def config(tiny_config):
    return load_config(tiny_config, [f"classifier.training.minutes={MINUTES}"])


def test_measuring_leaves_a_task_as_it_was(data, config):
    task = classifier_task(data, config.classifier, WORLD.device)
    before = {name: value.clone() for name, value in task.model.state_dict().items()}
    assert 0 < measured_seconds(task, config.classifier.training, WORLD) < 5
    for name, value in task.model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(parameter.grad is None for parameter in task.model.parameters())


def test_steps_fit_the_minutes(data, config, tmp_path):
    run = Run(tmp_path / "run")
    start = time.perf_counter()
    train(run, data, config)
    took = time.perf_counter() - start
    training = recorded(run)
    assert training.minutes == MINUTES and training.steps != 80
    # Measuring takes as long as 3 s more; the rest is a wide margin for a busy machine.
    assert 0.3 * 60 * MINUTES < took < 10 * 60 * MINUTES + 10
    assert training.preview_every == -(-training.steps // 4)


def test_a_machine_twice_as_slow_does_half_the_steps(data, config, monkeypatch):
    task = classifier_task(data, config.classifier, WORLD.device)
    steps = {}
    for seconds in (0.01, 0.02):
        monkeypatch.setattr(
            "latent_diffusion.training.timing.measured_seconds", lambda *_, s=seconds: s
        )
        steps[seconds] = in_minutes(config.classifier, task, WORLD, "judge").training.steps
    assert steps[0.01] == 2 * steps[0.02] == int(0.96 * 60 * MINUTES / 0.01)


def test_resumed_steps_are_those_that_were_fixed(data, config, tmp_path, monkeypatch, capsys):
    run = Run(tmp_path / "run")
    train(run, data, config)
    steps, weights = recorded(run).steps, run.classifier.checksum()

    def never(*_):
        raise AssertionError("measured again")

    monkeypatch.setattr("latent_diffusion.training.timing.measured_seconds", never)
    for again in (resumed_config(run.classifier), config):  # what was recorded, and the file's own
        train(run, data, again, Start(resume=True))
        assert recorded(run).steps == steps and run.classifier.checksum() == weights
    more = resumed_config(run.classifier, [f"classifier.training.minutes={2 * MINUTES}"])
    with pytest.raises(AssertionError, match="measured again"):
        train(run, data, more, Start(resume=True))


@pytest.mark.parametrize(
    ("file", "settings", "minutes", "steps"),
    [
        ({"minutes": 2.0}, [], 2.0, None),
        ({"minutes": 2.0}, ["classifier.training.steps=70"], None, 70),
        ({"steps": 70}, ["classifier.training.minutes=2"], 2.0, None),
        ({"steps": 70, "minutes": 2.0}, [], 2.0, 70),  # as a run records it
    ],
)
def test_of_steps_and_minutes_what_is_set_last_counts(file, settings, minutes, steps):
    tree = {"classifier": {"training": file}}
    training = build(Config, tree, settings, "file").classifier.training
    assert training.minutes == minutes
    assert steps is None or training.steps == steps


def test_a_share_of_a_stage_is_one_of_all_that_it_trains(tiny_config):
    settings = [
        "autoencoder.training.minutes=2",
        "autoencoder.adversary.training.minutes=1",
        "autoencoder.perceptual_classifier.training.steps=100",
    ]
    half = scaled(load_config(tiny_config, settings).autoencoder, 0.5)
    assert half.training.minutes == 1 and half.adversary.training.minutes == 0.5
    assert half.perceptual_classifier.training.steps == 50
