"""Several processes, which torchrun starts, do what one does; one that dies ends all."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from latent_diffusion.data.store import Dataset
from latent_diffusion.distributed import ALONE
from latent_diffusion.training.classifier import classifier_task
from latent_diffusion.training.config import TrainingConfig
from latent_diffusion.training.diffusion import diffusion_task
from latent_diffusion.training.randomness import StepRandom
from latent_diffusion.training.stages import load_config
from latent_diffusion.training.step import gradient, shares

WORKER = Path(__file__).with_name("two_processes.py")
ROOT = Path(__file__).parents[3]
TRAININGS = ("autoencoder", "sharpening", "classifier", "diffusion")


def together(*command, timeout=240) -> subprocess.CompletedProcess:
    """Run a command in two processes of one thread."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return subprocess.run(
        [*torchrun, "--nproc-per-node", "2", *map(str, command)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )


@pytest.fixture(scope="module")
def compared(shapes, tiny_run, tiny_config, tmp_path_factory):
    """What two processes and one make of the same things."""
    out = tmp_path_factory.mktemp("compared")
    done = together(WORKER, "compare", shapes, tiny_run, tiny_config, out)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((out / "compared.json").read_text())


@pytest.mark.parametrize("accumulate", [1, 4])
@pytest.mark.parametrize("name", TRAININGS)
def test_two_processes_train_as_one(compared, name, accumulate):
    found = compared[f"{name}, {accumulate}"]
    assert set(found["gradients"]) == ({"1", "10", "50"} if accumulate == 1 else {"1", "10"})
    assert max(found["gradients"].values()) < 1e-5, found
    assert found["losses"] < 1e-3, found


def test_two_processes_encode_draw_and_score_as_one(compared):
    assert compared["encoded"] and compared["sampled"] and compared["scored"]


def test_a_training_goes_from_two_processes_to_one_and_back(compared):
    assert compared["resumed"] < 1e-3


@pytest.mark.parametrize(
    ("how", "words"), [("raise", "this process has its own reason"), ("kill", "SIGKILL")]
)
def test_a_process_that_dies_ends_all_with_its_own_error(shapes, tiny_config, tmp_path, how, words):
    began = time.monotonic()
    done = together(WORKER, "die", shapes, tmp_path / "run", tiny_config, how)
    assert time.monotonic() - began < 60
    assert done.returncode != 0 and words in done.stderr, done.stderr[-3000:]
    assert "rank 0: another process of this command has ended" in done.stderr


def test_the_commands_share_their_work(tiny_run, tmp_path, ldm):
    """The pictures and scores of `ldm sample` and `ldm evaluate` in two processes."""
    one, two = tmp_path / "one", tmp_path / "two"
    more = ["--seeds", "1-20", "--device", "cpu"]
    assert ldm("sample", tiny_run, one, *more)[0] == 0
    done = together("-m", "--", "latent_diffusion", "sample", tiny_run, two, *more)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("20 images in") == 1
    files = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in (one, two)]
    assert len(files[0]) == 22 and files[0] == files[1]


def gradient_in_parts(task, accumulate) -> torch.Tensor:
    """The gradient of one step of a training, computed in so many parts."""
    config = TrainingConfig(batch_size=16, accumulate=accumulate, precision="float32")

    def parts():
        for share in shares(config, ALONE):
            rows = np.arange(16)[share.first :: share.of]
            yield task.batch(rows), StepRandom(0, 3, ALONE.device, share)

    gradient(task.objective, parts(), config, ALONE)
    return torch.cat([p.grad.flatten() for p in task.model.parameters() if p.requires_grad])


@pytest.mark.parametrize("name", ["classifier", "diffusion"])
def test_a_step_in_parts_is_the_same_step(name, shapes, tiny_config):
    data, config = Dataset.open(shapes), load_config(tiny_config, [], "float32")

    def task():
        if name == "classifier":
            return classifier_task(data, config.classifier, ALONE.device)
        moments = np.random.default_rng(0).normal(size=(1, 32, 8, 4, 4)).astype(np.float16)
        labels = np.arange(32) % 3
        made = diffusion_task(
            config.diffusion, moments, labels, data.info.class_names, ALONE.device
        )
        for parameter in made.model.parameters():  # the last layer begins with zeros
            torch.nn.init.normal_(parameter, std=0.05)
        return made

    one, four = (gradient_in_parts(task(), accumulate) for accumulate in (1, 4))
    assert one.norm() > 0 and (one - four).norm() / one.norm() < 1e-5


def test_a_batch_must_divide_into_processes_and_parts(shapes, tiny_config, tmp_path, ldm):
    more = ["--data", shapes, "--run", tmp_path / "run", "--device", "cpu"]
    settings = ["--set", "classifier.training.accumulate=3"]
    status, _, errors = ldm("train-classifier", tiny_config, *more, *settings)
    assert status == 2 and "does not divide into 1 process of 3 parts each" in errors
