"""Whether a training of the denoiser is healthy: its losses, the reference, what is said."""

import json
import shutil

import numpy as np
import pytest
import torch
from torch import nn

from latent_diffusion.data.store import Dataset
from latent_diffusion.denoiser import Denoiser, NoiseLevelConfig
from latent_diffusion.distributed import World
from latent_diffusion.parsing import read_log
from latent_diffusion.run import Run
from latent_diffusion.tensors import load_tensors
from latent_diffusion.training import health
from latent_diffusion.training.config import with_training
from latent_diffusion.training.diffusion import train_diffusion
from latent_diffusion.training.stage import FRESH, Start
from latent_diffusion.training.stages import load_config

CPU = torch.device("cpu")
WORLD = World(0, 1, CPU)
LEVELS = NoiseLevelConfig()


def white(count: int, seed: int, deviation: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Moments (N, 2 * 2, 4, 4) of latents that are white noise, without posterior noise; labels."""
    means = np.random.default_rng(seed).normal(0, deviation, (count, 2, 4, 4))
    return np.concatenate([means, np.full_like(means, -20)], axis=1), np.zeros(count, np.int64)


class Shrinking(nn.Module):
    """The best denoiser of white latents of deviation 1, as a network: it predicts the velocity."""

    num_classes = 1

    def forward(self, x, t, labels):
        t = t.view(-1, 1, 1, 1)
        sigma = t / (1 - t)
        clean = x * (1 + sigma) / (1 + sigma**2)  # x is scaled by 1 + sigma
        return (x - clean) / t


def watch(**changed) -> health.Watch:
    made = {"held_out": white(600, 1), "training": white(2000, 2), "schedule": (6400, 100)}
    made |= changed
    return health.make_watch(
        **made, levels=LEVELS, precision="float32", device=CPU, ends_early=False
    )


def test_the_best_denoiser_of_white_latents_is_as_good_as_the_linear_one():
    seen = watch().look(Denoiser(Shrinking()), last=True)
    for name in (health.HELD_OUT, health.TRAINING, health.UNLABELLED):
        assert seen[name] == pytest.approx(seen[health.LINEAR], rel=0.05), name


def test_a_look_is_the_same_each_time_and_leaves_random_numbers_alone():
    torch.manual_seed(5)
    state, one = torch.get_rng_state(), watch()
    first = one.look(Denoiser(Shrinking()), last=False)
    assert first == watch().look(Denoiser(Shrinking()), last=False)
    assert torch.equal(state, torch.get_rng_state())


def test_few_held_out_pictures_are_looked_at_again_at_other_levels():
    few = watch(held_out=white(3, 1))
    assert len(few.held_out.latents) == len(few.sigmas) == 640
    assert few.look(Denoiser(Shrinking()), last=False)[health.HELD_OUT] > 0


def test_latents_that_are_all_the_same_have_a_state_too():
    alike = np.zeros((50, 4, 4, 4)) - 20 * np.repeat([0, 1], 2)[:, None, None], np.zeros(50, int)
    seen = watch(held_out=alike, training=alike).look(Denoiser(Shrinking()), last=True)
    assert "of the best linear denoiser's" in health.state([{"step": 1, **seen}])


def test_channels_that_say_nothing_of_pictures_are_named():
    moments, _ = white(100, 1)
    assert health.collapse(moments) == ""
    one = moments.copy()
    one[:, 0] *= 0.1
    one[:, 2] = 0  # the log variance of the same channel: 1
    assert "1 of 2 channels" in health.collapse(one)
    alike = np.repeat(moments[:1], 100, axis=0)
    assert "the latents say next to nothing" in health.collapse(alike)


def history(held_out, training, unlabelled=None, linear=1.0):
    """Looks at every hundredth step."""
    lines = [
        {"step": 100 * (at + 1), health.HELD_OUT: a, health.TRAINING: b, health.LINEAR: linear}
        for at, (a, b) in enumerate(zip(held_out, training, strict=True))
    ]
    if unlabelled is not None:
        lines[-1][health.UNLABELLED] = unlabelled
    return lines


FALLING = np.linspace(0.9, 0.5, 10)
HEALTHY = history(FALLING, FALLING - 0.01, 0.52)


def test_what_ails_a_training_is_said_with_the_remedy():
    def said(lines, classes=3, dropout=0.1):
        return health.ailment(lines, classes, dropout)

    assert said(HEALTHY) == "" and said([]) == ""
    rising = np.r_[FALLING[:5], FALLING[4] * np.linspace(1.01, 1.2, 5)]
    overfitted = said(history(rising, FALLING, 0.9))
    assert overfitted.startswith("overfitting") and "steps=500" in overfitted
    blown = np.r_[FALLING[:5], [5.0] * 5]
    assert said(history(blown, blown, 5)).startswith("diverged")
    assert said(history([0.9, float("nan")], [0.9, float("nan")])).startswith("diverged")
    assert said(history(FALLING, FALLING, 0.5)).startswith("label dropout without effect")
    assert "more --set diffusion.label_dropout" in said(history(FALLING, FALLING, 1.2))
    assert said(history(FALLING, FALLING, 0.5), classes=1) == ""
    assert said(history(FALLING, FALLING, 0.5), dropout=0) == ""
    flat = np.r_[FALLING[:5], [FALLING[4]] * 5]
    assert said(history(flat, flat, 0.9)).startswith("plateau")
    assert said(history(FALLING, FALLING, 0.6, linear=0.4)).startswith("not trained enough")


def test_a_rise_counts_when_two_looks_in_a_row_see_it():
    assert not health.has_risen([])
    assert not health.has_risen(history([1, 0.5, 0.6], [1, 1, 1]))
    assert not health.has_risen(history([1, 0.5, 0.6, 0.5], [1] * 4))
    assert health.has_risen(history([1, 0.5, 0.52, 0.53], [1] * 4))


class Killed(Exception):
    pass


@pytest.fixture
def train(shapes, tiny_config, tiny_run):
    """A training of 50 steps, looked at every 5: train(folder, end_early, …) -> its part."""
    data, config = Dataset.open(shapes), load_config(tiny_config, [], "float32")
    short = with_training(
        config.diffusion,
        steps=50,
        batch_size=8,
        warmup_steps=2,
        checkpoint_every=10,
        preview_every=1,
    )

    def run(folder, end_early, start=FRESH, preview=None):
        shutil.copytree(tiny_run / "autoencoder", folder / "autoencoder", dirs_exist_ok=True)
        stage = short.model_copy(update={"end_early": end_early})
        train_diffusion(Run(folder), data, stage, config.sampling, WORLD, start, preview)
        return Run(folder).diffusion

    return run


def test_a_training_ends_where_the_held_out_loss_rises_killed_or_not(
    train, tmp_path, monkeypatch, capsys
):
    """What held-out pictures lose is made up: as far as the weights are from those at step 20."""
    kept = {}

    def keep(model, step):
        if step == 20:
            kept.update({key: value.clone() for key, value in model.state_dict().items()})

    def kill(model, step):
        if step == 28:
            raise Killed

    def distance(watch, model, latents, labels):
        away = sum((model.state_dict()[key] - kept[key]).square().sum().item() for key in kept)
        return 1 + 1_000 * away

    train(tmp_path / "first", False, preview=keep)
    monkeypatch.setattr(health.Watch, "loss", distance)
    whole = train(tmp_path / "whole", True)
    assert "ended after step 30 of 50" in " ".join(capsys.readouterr().out.split())
    found = load_tensors(whole.model_path)[0]
    assert all(torch.equal(found[key], kept[key]) for key in kept)
    with pytest.raises(Killed):
        train(tmp_path / "broken", True, preview=kill)
    broken = train(tmp_path / "broken", True, Start(resume=True))
    assert broken.model_path.read_bytes() == whole.model_path.read_bytes()
    logs = [health.looks(read_log(part.metrics_path)) for part in (broken, whole)]
    assert [look["step"] for look in logs[0]] == [5, 10, 15, 20, 25, 30]
    losses = [[look[health.HELD_OUT] for look in log] for log in logs]
    assert losses[0] == losses[1]
    before = whole.model_path.read_bytes()
    train(tmp_path / "whole", True, Start(resume=True))  # it has ended, and stays as it is
    assert whole.model_path.read_bytes() == before
    train(tmp_path / "whole", False, Start(resume=True))  # unless it is told to go on
    assert read_log(whole.metrics_path)[-1]["step"] == 50


def test_training_records_its_health_ten_times(shapes, tiny_config, tiny_run, tmp_path, ldm):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    options = (
        "--data",
        shapes,
        "--run",
        run,
        "--overwrite",
        "--set",
        "diffusion.training.steps=50",
    )
    status, output, errors = ldm("train-diffusion", tiny_config, *options)
    assert status == 0 and "of the best linear denoiser's" in output, errors
    log = [json.loads(line) for line in (run / "diffusion" / "metrics.jsonl").open()]
    found = health.looks(log)
    assert [look["step"] for look in found] == list(range(5, 51, 5))
    assert found[-1][health.HELD_OUT] < found[0][health.HELD_OUT]
    assert found[0][health.LINEAR] == found[-1][health.LINEAR] > 0
    assert health.UNLABELLED in found[-1] and health.UNLABELLED not in found[-2]
