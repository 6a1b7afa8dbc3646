"""Killed and resumed trainings, averages, interrupts, losses that blow up, several processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from latent_diffusion.data.store import Dataset
from latent_diffusion.distributed import World
from latent_diffusion.ema import (
    SNAPSHOT_LENGTHS,
    PowerEMA,
    ema_after,
    exponent,
    save_snapshot,
)
from latent_diffusion.loading import load_autoencoder
from latent_diffusion.run import Interrupted, Run
from latent_diffusion.tensors import load_tensors
from latent_diffusion.training.autoencoder import train_autoencoder
from latent_diffusion.training.classifier import train_classifier
from latent_diffusion.training.diffusion import train_diffusion
from latent_diffusion.training.randomness import Share, Shuffle
from latent_diffusion.training.stage import FRESH, Start
from latent_diffusion.training.stages import load_config, resumed_config

WORLD = World(0, 1, torch.device("cpu"))
SHORT = [
    f"{part}.training.{setting}"
    for part in ("autoencoder", "diffusion")
    for setting in ("steps=30", "checkpoint_every=10", "preview_every=5")
] + ["diffusion.training.snapshots=2"]


class Killed(Exception):
    pass


@pytest.fixture
def trainings(shapes, tiny_config, tiny_run):
    """Short trainings by part: train(run, start, preview), in a run that has what comes before."""
    data, config = Dataset.open(shapes), load_config(tiny_config, SHORT, "float32")

    def diffusion(run, start=FRESH, preview=None):
        shutil.copytree(tiny_run / "autoencoder", run.folder / "autoencoder", dirs_exist_ok=True)
        train_diffusion(run, data, config.diffusion, config.sampling, WORLD, start, preview)

    return {
        "autoencoder": lambda run, *more, **named: train_autoencoder(
            run, data, config.autoencoder, WORLD, *more, **named
        ),
        "diffusion": diffusion,
    }


@pytest.mark.parametrize(
    ("name", "killed_at"),
    [("autoencoder", 5), ("autoencoder", 15), ("diffusion", 15), ("diffusion", 25)],
)
def test_a_killed_training_resumes_to_the_same_weights_bit_for_bit(
    trainings, tmp_path, name, killed_at
):
    def kill(model, step):
        if step == killed_at:
            raise Killed

    train, whole, broken = trainings[name], Run(tmp_path / "whole"), Run(tmp_path / "broken")
    train(whole)
    with pytest.raises(Killed):
        train(broken, preview=kill)
    whole, broken = getattr(whole, name), getattr(broken, name)
    resume = broken.checkpoint_path.is_file()
    assert resume == (killed_at > 10)
    train(Run(tmp_path / "broken"), Start(resume=resume))
    kept = sorted(path.name for path in whole.ema_folder.glob("*"))
    assert kept == (
        []
        if name == "autoencoder"
        else [
            "00000015-0.05.safetensors",
            "00000015-0.1.safetensors",
            "00000030-0.05.safetensors",
            "00000030-0.1.safetensors",
        ]
    )
    for file in ("model.safetensors", *(f"ema/{file}" for file in kept)):
        assert (whole.folder / file).read_bytes() == (broken.folder / file).read_bytes()
    steps = [json.loads(line)["step"] for line in broken.metrics_path.read_text().splitlines()]
    assert steps == sorted(set(steps)) and steps[-1] == 30


def test_diffusion_resumes_too_and_goes_on_beyond_its_end(
    tiny_run, tiny_config, shapes, tmp_path, ldm
):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    more = ["--data", shapes, "--run", run, "--resume", "--set", "diffusion.training.steps=520"]
    status, output, errors = ldm("train-diffusion", *more)
    assert status == 0 and "resuming after step 500 of 520" in output, errors
    assert output.count(
        "from here on"
    ) == 1 and "from here on training.steps is 520, no longer 500" in " ".join(output.split())
    assert Run(run).diffusion.checksum() != Run(tiny_run).diffusion.checksum()


def test_resume_refuses_other_averages_and_leaves_all_as_it_was(tiny_run, shapes, tmp_path, ldm):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    before = (run / "diffusion" / "config.toml").read_text()
    for setting, words in (
        ("snapshots=4", "snapshots"),
        ("ema_length=0.1", "ema_length"),
        ("steps=400", "500 steps already"),
        ("optimizer=adamw", "from muon to adamw"),
    ):
        status, _, errors = ldm(
            "train-diffusion",
            "--data",
            shapes,
            "--run",
            run,
            "--resume",
            "--set",
            f"diffusion.training.{setting}",
        )
        assert (
            status == 2
            and words in errors
            and (run / "diffusion" / "config.toml").read_text() == before
        )


def test_an_interrupt_in_the_step_of_a_snapshot_keeps_it(trainings, tmp_path, monkeypatch):
    update = PowerEMA.update

    def interrupted(average, step):
        update(average, step)
        if step == 15 and average.length == 0.05:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(PowerEMA, "update", interrupted)
    run, train = Run(tmp_path), trainings["diffusion"]
    with pytest.raises(Interrupted) as stop:
        train(run)
    assert "step 15" in str(stop.value)
    train(run, Start(resume=True))
    assert (
        sorted(path.name[:8] for path in run.diffusion.ema_folder.iterdir())
        == ["00000015"] * 2 + ["00000030"] * 2
    )


def test_a_part_that_recorded_snapshots_before_they_were_refused_is_read(tiny_run, tmp_path):
    run = Run(shutil.copytree(tiny_run, tmp_path / "run"))
    recorded = run.autoencoder.read_config()
    recorded["autoencoder"]["training"]["snapshots"] = 2
    run.autoencoder.write_config(recorded)
    assert (
        load_autoencoder(run, WORLD.device)
        and resumed_config(run.autoencoder).autoencoder.training.snapshots == 2
    )


def test_a_checkpoint_that_does_not_load_leaves_the_config_as_it_was(
    tiny_run, shapes, tmp_path, ldm
):
    run = Run(shutil.copytree(tiny_run, tmp_path / "run"))
    more = ["--data", shapes, "--run", run.folder, "--resume"]
    longer = ["--set", "diffusion.training.steps=520"]
    recorded = run.diffusion.read_config()
    recorded["diffusion"]["training"]["optimizer"] = "adamw"  # as earlier versions let it happen
    run.diffusion.write_config(recorded)
    before = run.diffusion.config_path.read_text()
    status, _, errors = ldm("train-diffusion", *more, *longer)
    assert status == 2 and "written by another optimizer" in errors
    for path in run.diffusion.checkpoint_path.parent.iterdir():
        path.write_bytes(path.read_bytes()[:1000])
    status, _, errors = ldm("train-diffusion", *more, *longer)
    assert status == 2 and "no checkpoint of the denoiser is whole" in errors
    assert run.diffusion.config_path.read_text() == before
    assert run.diffusion.checksum() == Run(tiny_run).diffusion.checksum()


def test_resume_refuses_another_shape(tiny_run, shapes, tmp_path, ldm):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    status, _, errors = ldm(
        "train-diffusion",
        "--data",
        shapes,
        "--run",
        run,
        "--resume",
        "--set",
        "diffusion.model.blocks=2",
    )
    assert status == 2 and "cannot change the shape" in errors


def test_resume_refuses_a_network_whose_checkpoint_is_gone_and_leaves_it_as_it_was(
    tiny_run, shapes, tmp_path, ldm
):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    shutil.rmtree(run / "autoencoder" / "checkpoint")
    status, _, errors = ldm(
        "train-autoencoder",
        "--data",
        shapes,
        "--run",
        run,
        "--resume",
        "--set",
        "autoencoder.training.steps=5",
    )
    assert status == 2 and "is missing" in errors and "--overwrite" in errors
    assert Run(run).autoencoder.checksum() == Run(tiny_run).autoencoder.checksum()


def test_a_damaged_autoencoder_is_written_again_from_its_checkpoint(
    tiny_run, shapes, tmp_path, ldm
):
    run = Run(shutil.copytree(tiny_run, tmp_path / "run"))
    whole = run.autoencoder.model_path.read_bytes()
    half = len(whole) // 2
    run.autoencoder.model_path.write_bytes(
        whole[:half] + bytes([whole[half] ^ 4]) + whole[half + 1 :]
    )
    ldm("train-autoencoder", "--data", shapes, "--run", run.folder, "--resume")
    assert run.autoencoder.model_path.read_bytes() == whole


def test_resume_refuses_another_perceptual_classifier(tiny_config, shapes, tmp_path, ldm):
    stage = ("train-autoencoder", "--data", shapes, "--run", tmp_path / "run", "--device", "cpu")
    short = (
        "autoencoder.training.steps=2",
        "autoencoder.perceptual=classifier",
        "autoencoder.perceptual_classifier.training.steps=2",
    )
    assert (
        ldm(*stage, tiny_config, *(word for setting in short for word in ("--set", setting)))[0]
        == 0
    )
    assert (
        ldm(*stage, "--resume", "--set", "autoencoder.training.steps=3", "--precision", "bfloat16")[
            0
        ]
        == 0
    )
    config = tmp_path / "run" / "perceptual" / "config.toml"
    config.write_text(
        "".join(
            line
            for line in config.read_text().splitlines(keepends=True)
            if not line.startswith("compile")
        )
    )  # an older one
    status, _, errors = ldm(
        *stage, "--resume", "--set", "autoencoder.perceptual_classifier.training.steps=4"
    )
    assert (
        status == 2
        and "cannot change the perceptual classifier" in errors
        and "training.steps is 4, no longer 2" in errors
    )


def test_init_starts_from_another_run(tiny_run, tiny_config, shapes, tmp_path, ldm):
    status, _, errors = ldm(
        "train-autoencoder",
        tiny_config,
        "--data",
        shapes,
        "--run",
        tmp_path / "run",
        "--init",
        tiny_run,
        "--set",
        "autoencoder.training.steps=1",
        "--set",
        "autoencoder.training.learning_rate=1e-12",
    )
    assert status == 0, errors
    ours, theirs = (
        load_tensors(Run(folder).autoencoder.model_path)[0]
        for folder in (tmp_path / "run", tiny_run)
    )
    assert torch.allclose(ours["to_latents.weight"], theirs["to_latents.weight"], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "parts"), [("autoencoder", 2), ("classifier", 2), ("diffusion", 1)]
)
def test_a_compiled_training_learns_the_same(
    tiny_config, tiny_run, shapes, tmp_path, monkeypatch, name, parts
):
    """Without the generation of code, which takes minutes.

    What is compiled, that steps alone use it, and that all else stays.
    """
    compile, modes, calls, weights = torch.compile, [], [], {}

    def backend(graph, inputs):
        return lambda *arguments: (calls.append(1), graph(*arguments))[1]

    def preview(model, step):
        before = len(calls)
        if name == "autoencoder":
            model.decode(model.encode(torch.zeros(2, 3, 16, 16)).mean)
        else:
            model(torch.zeros(2, 8, 4, 4), torch.ones(2), torch.zeros(2, dtype=torch.long))
        assert len(calls) == before

    monkeypatch.setattr(
        torch,
        "compile",
        lambda forward, mode: (modes.append(mode), compile(forward, backend=backend))[1],
    )
    torch.compiler.reset()
    for mode in ("none", "reduce-overhead"):
        config, run = (
            load_config(
                tiny_config,
                [*SHORT, "classifier.training.steps=30", f"{name}.training.compile={mode}"],
                "float32",
            ),
            Run(tmp_path / mode),
        )
        data = Dataset.open(shapes)
        if name == "autoencoder":
            train_autoencoder(run, data, config.autoencoder, WORLD, preview=preview)
        elif name == "classifier":
            train_classifier(run, data, config.classifier, WORLD)
        else:
            shutil.copytree(tiny_run / "autoencoder", run.folder / "autoencoder")
            train_diffusion(run, data, config.diffusion, config.sampling, WORLD, preview=preview)
        weights[mode] = load_tensors(getattr(run, name).model_path)[0]
        assert (len(modes), len(calls)) == ((0, 0) if mode == "none" else (parts, 30 * parts))
    assert weights["none"].keys() == weights["reduce-overhead"].keys()
    assert all(
        torch.equal(value, weights["reduce-overhead"][key])
        for key, value in weights["none"].items()
    )


def test_a_loss_that_blows_up_ends_in_one_line_and_keeps_the_checkpoint(
    shapes, tiny_config, tmp_path, ldm
):
    short = [
        part
        for setting in (*SHORT, "autoencoder.training.gradient_norm=1e30")
        for part in ("--set", setting)
    ]
    arguments = ["train-autoencoder", tiny_config, "--data", shapes, "--run", tmp_path / "run"]
    assert ldm(*arguments, *short, "--set", "autoencoder.training.steps=10")[0] == 0
    good = (tmp_path / "run" / "autoencoder" / "checkpoint" / "last.safetensors").read_bytes()
    status, output, errors = ldm(
        *arguments, *short, "--resume", "--set", "autoencoder.training.learning_rate=1e30"
    )
    assert status == 2 and errors.count("\n") == 1
    assert output.count("going on after step 10 with a third of the learning rate") == 1
    assert "not finite" in errors and "learning_rate" in errors and "step 10" in errors
    assert (
        tmp_path / "run" / "autoencoder" / "checkpoint" / "last.safetensors"
    ).read_bytes() == good


def test_out_of_memory_is_one_line(shapes, tiny_config, tmp_path, monkeypatch):
    from latent_diffusion.training import autoencoder

    def exhausted(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(autoencoder.AutoencoderObjective, "forward", exhausted)
    with pytest.raises(ValueError, match=r"ran out of memory.*batch_size"):
        train_autoencoder(
            Run(tmp_path / "run"), Dataset.open(shapes), load_config(tiny_config).autoencoder, WORLD
        )


def test_an_interrupt_saves_and_exits_130(shapes, tiny_config, tmp_path):
    command = [
        sys.executable,
        "-m",
        "latent_diffusion",
        "train-autoencoder",
        str(tiny_config),
        "--data",
        str(shapes),
        "--run",
        str(tmp_path / "run"),
        "--set",
        "autoencoder.training.steps=100000",
        "--device",
        "cpu",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    log = tmp_path / "run" / "autoencoder" / "metrics.jsonl"
    deadline = time.time() + 60
    while not log.is_file() and time.time() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "--resume" in errors and "Traceback" not in errors
    assert (tmp_path / "run" / "autoencoder" / "checkpoint" / "last.safetensors").is_file()


def test_two_processes_under_torchrun(shapes, tiny_config, tmp_path):
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "--",
        "latent_diffusion",
        "train-autoencoder",
        str(tiny_config),
        "--data",
        str(shapes),
        "--run",
        str(tmp_path / "two"),
        "--device",
        "cpu",
        "--set",
        "autoencoder.training.steps=20",
        "--set",
        "autoencoder.adversarial=true",
        "--set",
        "autoencoder.adversary.training.steps=20",
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    run = Run(tmp_path / "two")
    assert run.autoencoder.trained
    for part in (run.autoencoder, run.adversary):
        steps = [json.loads(line)["step"] for line in part.metrics_path.read_text().splitlines()]
        assert steps == [20]  # one process writes


def test_average_against_its_definition():
    """The weight of step i is proportional to i ** gamma."""
    model, length = torch.nn.Linear(1, 1, bias=False), 0.1
    gamma, values = exponent(length), np.random.default_rng(0).normal(size=200)
    average = PowerEMA(model, length)
    for step, value in enumerate(values, 1):
        model.weight.data.fill_(value)
        average.update(step)
    edges = (np.arange(201) / 200) ** (gamma + 1)
    assert average.state()["weight"].item() == pytest.approx(
        (np.diff(edges) * values).sum(), abs=1e-5
    )
    profile = np.random.default_rng(1).beta(gamma + 1, 1, 200_000)  # density t ** gamma
    assert profile.std() == pytest.approx(length, rel=0.02)


@pytest.mark.parametrize("length", [0.05, 0.07, 0.15, 0.2])
def test_an_average_put_together_from_snapshots_is_near_the_one_kept_all_along(tmp_path, length):
    random, model, steps = torch.Generator().manual_seed(0), torch.nn.Linear(40, 50), 800
    kept, snapshots = (
        PowerEMA(model, length),
        [PowerEMA(model, own) for own in SNAPSHOT_LENGTHS],
    )
    with torch.no_grad():
        model.weight.zero_()
    for step in range(1, steps + 1):
        with torch.no_grad():  # a random walk that slows down, as weights do
            model.weight += torch.randn(50, 40, generator=random) * (1.2 - step / steps) / 30
        for average in (kept, *snapshots):
            average.update(step)
        if step % (steps // 8) == 0:
            [save_snapshot(tmp_path, average, step) for average in snapshots]
    again = ema_after(tmp_path, length, steps)["weight"]
    wrong = (again - kept.state()["weight"]).norm() / (model.weight - kept.state()["weight"]).norm()
    assert wrong < 0.04  # of the distance between the average and the last weights
    if length in SNAPSHOT_LENGTHS:
        assert wrong < 0.005


def test_an_ema_after_training_needs_snapshots(tmp_path, tiny_run, ldm):
    status, _, errors = ldm(
        "sample", tiny_run, tmp_path / "out", "--average", "0.07", "--device", "cpu"
    )
    assert status == 2 and "snapshots=8" in errors


def test_every_row_is_used_once_an_epoch_and_shared_among_processes():
    shuffle = Shuffle(rows=10, batch_size=4, seed=0)
    seen = np.concatenate([shuffle.batch(step) for step in range(5)])
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert not np.array_equal(seen[:10], seen[10:])
    for step in range(5):
        parts = [Shuffle(10, 4, 0).batch(step, Share(rank, 2)) for rank in range(2)]
        assert sorted(np.concatenate(parts)) == sorted(shuffle.batch(step))
