"""The race: its clock and its table; its peers learn, and sample what they were asked for."""

import itertools
import json
import math
import subprocess
import sys
import time
from argparse import Namespace
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from latent_diffusion.data.store import Dataset
from latent_diffusion.evaluation.judge import Judge
from latent_diffusion.experiments import peers, race
from latent_diffusion.experiments.peers_dcgan import dcgan
from latent_diffusion.experiments.peers_ddpm import Ddpm, Latents
from latent_diffusion.experiments.peers_training import Batches, PeerTrainer
from latent_diffusion.experiments.race_turn import Turn
from latent_diffusion.run import Run
from latent_diffusion.sampling.config import SamplingConfig

ROOT = Path(__file__).parents[3]
SYSTEMS = {"ours", "ddpm", "ddpm-small", "dcgan", "diffusers-latent"}


def raced(data: Path, judge: Path, out: Path, **others) -> Namespace:
    """Return the options of a quick race on a CPU."""
    options = {
        "data": data,
        "judge": judge,
        "out": out,
        "minutes": 0.05,
        "points": 2,
        "n": 24,
        "n_pixel": 12,
        "config": Path("eurosat_cpu"),
        "quick": True,
        "small": None,
        "device": "cpu",
        "precision": "float32",
    }
    return Namespace(**options | others)


def command(options: Namespace) -> list[str]:
    """Return the same as a command line."""
    found = [sys.executable, str(ROOT / "scripts" / "race"), "--quick"]
    for name in ("data", "judge", "out", "minutes", "points", "n", "n_pixel", "device"):
        found += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    return [*found, "--precision", options.precision]


def test_a_quick_race_scores_every_system(shapes, tiny_run, tmp_path):
    pytest.importorskip("diffusers")
    out, start = tmp_path / "race", time.perf_counter()
    options = raced(shapes, tiny_run, out)
    done = subprocess.run(command(options), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    systems = json.loads((out / "race.json").read_text())["systems"]
    assert set(systems) == SYSTEMS
    for name, system in systems.items():
        rows = system["rows"]
        assert [row["n"] for row in rows[-2:]] == ([24, 12] if name != "ddpm" else [12]), name
        for row in rows:
            for what in ("fid", "fid_over_floor", "accuracy", "sharpness"):
                assert math.isfinite(row[what]), (name, what)
        assert rows[-1]["minutes"] > (0.05 if name != "ours" else 0), name
        assert rows[-1]["images"] > 0, name
        assert f"| {name} |" in done.stdout
        assert (out / f"{name}.png").stat().st_size > 100
    trained = 60 * sum(system["rows"][-1]["minutes"] for system in systems.values())
    assert trained < time.perf_counter() - start
    assert (out / "race.png").stat().st_size > 100
    if torch.get_num_threads() == 1:  # as in the other process, by conftest.py
        assert race.make_race(options).systems == systems
    with pytest.raises(ValueError, match="holds another race, whose n is 24 and not 20"):
        race.make_race(raced(shapes, tiny_run, out, n=20))


def test_a_score_is_by_class_and_takes_no_training_time(shapes, tiny_run, tmp_path):
    options = raced(shapes, tiny_run, tmp_path, minutes=10, points=3)
    turn, data = Turn(race.make_race(options), "reals", 24, 3, 12), Dataset.open(shapes)
    turn.start = time.perf_counter() - 200.0  # beyond a quarter of the ten minutes
    images, labels = data.images[data.train], data.labels[data.train]

    def reals(seeds, asked):
        time.sleep(1.0)
        pairs = zip(seeds, asked, strict=True)
        return np.stack([images[labels == label][seed % 40] for seed, label in pairs])

    assert turn.is_due()
    turn.score(reals, 7, last=False)
    assert turn.due == [300.0] and not turn.is_due() and turn.elapsed() < 200.9
    turn.score(lambda *asked: 255 - reals(*asked), 8, last=True)
    first, last, fewer = turn.rows
    assert (first["n"], last["n"], fewer["n"]) == (24, 24, 12)
    assert first["sampling_seconds"] > 1 and first["images"] == 7
    assert first["accuracy"] > 0.9 and first["fid_over_floor"] < 3 < last["fid_over_floor"]


@pytest.fixture
def turn(shapes):
    """A turn whose clock counts how often it is read: what is learnt depends on no machine."""
    here = SimpleNamespace(
        data=Dataset.open(shapes),
        device=torch.device("cpu"),
        cast=nullcontext,
        tell=lambda text: None,
        sizes=peers.QUICK,
        seconds=400.0,
        config=SimpleNamespace(sampling=SamplingConfig(compute_batch=16)),
    )
    clock = itertools.count()
    torch.manual_seed(0)
    return SimpleNamespace(
        race=here, name="a peer", elapsed=lambda: float(next(clock)), is_due=lambda: False
    )


def test_the_dcgan_learns_the_classes(turn, tiny_run):
    judge, labels = Judge.load(Run.open(tiny_run), torch.device("cpu")), [0, 1, 2] * 8
    seen = []

    def score(sample, images_seen, last):
        seen.append(judge(sample(list(range(24)), labels))[1].argmax(axis=1))

    turn.score = score
    dcgan(turn)
    assert len(seen) == 1 and (seen[0] == labels).mean() > 0.8


def test_the_noise_prediction_learns(turn):
    pytest.importorskip("diffusers")
    model = Ddpm(turn.race, peers.QUICK.small, 3, 16, clip=True)
    batches = Batches(turn.race, 16)
    before = model.loss(*batches(0)).item()
    trainer = PeerTrainer(turn, model.network, 2e-3)
    trainer.run(lambda number: model.loss(*batches(number)), 60.0)
    assert model.loss(*batches(0)).item() < before / 2


class Exact(torch.nn.Module):
    """The best noise prediction where all images of class 0, 1, 2 have the values -0.5, 0, 0.5.

    Images without a class have the value 0.
    """

    def __init__(self, shares: torch.Tensor):
        super().__init__()
        self.shares = shares  # alpha bar

    def forward(self, noisy, times, labels):
        share = self.shares[times.long()][:, None, None, None]
        value = torch.tensor([-0.5, 0.0, 0.5, 0.0])[labels][:, None, None, None]
        return SimpleNamespace(sample=(noisy - share.sqrt() * value) / (1 - share).sqrt())


@pytest.mark.parametrize("guidance, expected", [(1.0, (64, 128, 191)), (1.5, (32, 128, 223))])
def test_with_the_exact_noise_the_samples_have_the_value_of_their_class(turn, guidance, expected):
    pytest.importorskip("diffusers")
    settings = peers.UnetSettings((32, 32), 1, (), 1e-3, 16, guidance)
    model = Ddpm(turn.race, settings, 3, 16, clip=True)
    model.network = Exact(model.noising.alphas_cumprod)
    images = model.sample(lambda x: x, list(range(30)), [0, 1, 2] * 10)
    for label, value in enumerate(expected):
        assert np.abs(images[label::3].astype(int) - value).max() <= 1


class Fake:
    """An autoencoder whose latents are three times the images."""

    def encode(self, images):
        return SimpleNamespace(latent_dist=SimpleNamespace(sample=lambda: 3 * images))

    def decode(self, latents):
        return SimpleNamespace(sample=latents / 3)


def test_latents_have_deviation_one_and_the_second_half_is_mirrored(turn):
    data = turn.race.data
    turn.race.data = SimpleNamespace(
        images=data.images, labels=data.labels, train=data.train, info=SimpleNamespace(flip=True)
    )
    latents, count = Latents(turn.race, Fake(), 16), len(data.train)
    for number in range(-(-2 * count // 16)):
        x, labels, _ = latents(number)
        views = latents.shuffle.batch(number)
        images = data.images[data.train[views % count]].astype(np.float32) / 127.5 - 1
        images[views >= count] = images[views >= count][:, :, ::-1]
        assert np.abs(latents.decode(x).numpy() - images.transpose(0, 3, 1, 2)).max() < 1e-5
        assert (labels.numpy() == data.labels[data.train[views % count]]).all()
    assert latents.known.all() and abs(latents.latents.std().item() - 1) < 0.02
