"""The scripts for a GPU run on a CPU, too, in small."""

import itertools
import json
import math
import re
import shutil
import subprocess
import sys
import time
from argparse import Namespace
from contextlib import nullcontext
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from latent_diffusion.data.store import Dataset
from latent_diffusion.evaluation.judge import Judge
from latent_diffusion.run import Run
from latent_diffusion.sampling.config import SamplingConfig
from latent_diffusion.training.distributed import World
from latent_diffusion.training.latents import latents_checksum
from latent_diffusion.training.stages import load_config

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


def test_the_gpu_script_leaves_all_it_promises(tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            SCRIPTS / "gpu",
            tmp_path / "out",
            "--source",
            "cartoons:330",
            "--tiny",
            "--minutes",
            "0.1",
            "--device",
            "cpu",
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for name in (
        "summary.md",
        "samples.png",
        "reconstructions.png",
        "curves.png",
        "benchmark.json",
        "run/diffusion/model.safetensors",
    ):
        assert (tmp_path / "out" / name).stat().st_size > 100, name
    summary = (tmp_path / "out" / "summary.md").read_text()
    assert "FID" in summary and "| all |" in summary
    assert (
        re.search(r"drawn by themselves, (\d+) of \1 images are the same", summary)
        and "20 samples by class: FID" in summary
    )
    shares = re.findall(r"(autoencoder|classifier|diffusion) ([\d.]+)%", summary)
    assert len(shares) == 3 and all(0 < float(share) < 120 for _, share in shares)


def test_the_gpu_script_begins_only_what_fits_into_the_minutes(script, tmp_path, monkeypatch):
    gpu, drawn, clock = (
        script("gpu"),
        [],
        iter(range(0, 10_000, 10)),
    )  # every look at the clock comes ten seconds after the last
    monkeypatch.setattr(gpu.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(
        gpu, "sampled", lambda count, *_: drawn.append(count) or f"- {count} samples: FID 1"
    )
    pipe, summary = (
        SimpleNamespace(sampling=SamplingConfig(compute_batch=64)),
        gpu.Summary(tmp_path / "summary.md", "a job", 300.0),
    )
    pace = gpu.score_samples((100, 500, 10_000), "", 0.0, pipe, None, summary, "cpu")
    assert drawn == [100, 500] and 0 < pace < 1
    assert "10000 samples: left out, as" in (tmp_path / "summary.md").read_text()


def test_the_gpu_script_takes_what_is_faster_and_leaves_what_does_not_compile(
    shapes, script, monkeypatch
):
    gpu, said = script("gpu"), []
    config, data, world = (
        load_config(Path("own_cpu"), gpu.TINY, "float32"),
        Dataset.open(shapes),
        World(0, 1, torch.device("cpu")),
    )
    monkeypatch.setattr(gpu, "say", said.append)
    monkeypatch.setattr(gpu, "seconds_per_step", lambda *arguments: 0.01)
    steps = {name: gpu.measured(name, config, data, world) for name in gpu.SHARES}
    assert [one.training.compile for found in steps.values() for one in found] == [
        "none"
    ] * 3  # compiling is for a GPU
    (whole,), batch = steps["diffusion"], config.diffusion.training.batch_size
    assert whole.rate == batch / 0.01 and 0.001 < whole.gflop < 1
    compiled = gpu.Measured(
        whole.training.model_copy(update={"compile": "reduce-overhead"}), 0.004, whole.gflop
    )
    found = gpu.planned(config, {**steps, "diffusion": [whole, compiled]}, 600)
    assert (
        found.diffusion.training.compile,
        found.classifier.training.compile,
        found.autoencoder.training.compile,
    ) == ("reduce-overhead", "none", "none")
    assert (found.classifier.training.steps, found.diffusion.training.steps) == (
        int(gpu.SHARES["classifier"] * 600 / 0.01),
        int(gpu.SHARES["diffusion"] * 600 / 0.004),
    )
    assert (
        gpu.fastest([whole, gpu.Measured(compiled.training, 0.0095, 1.0)]) is whole
    )  # not worth it

    def fails(stage, *others):
        if stage.training.compile != "none":
            raise AssertionError
        return 0.01

    monkeypatch.setattr(gpu, "seconds_per_step", fails)
    here = World(0, 1, SimpleNamespace(type="cuda"))
    monkeypatch.setattr(gpu, "flops_per_image", lambda *arguments: 1e9)
    monkeypatch.setattr(gpu, "choose_precision", lambda *arguments: "bfloat16")
    assert [one.training.compile for one in gpu.measured("diffusion", config, data, here)] == [
        "none"
    ]
    assert "diffusion, compile = reduce-overhead: left out, AssertionError: " in said


def test_stage_two_that_fails_compiled_begins_again_as_it_is(
    shapes, tiny_run, tiny_config, tmp_path, script, monkeypatch
):
    gpu, run = script("gpu"), Run(tmp_path / "run")
    shutil.copytree(tiny_run / "autoencoder", run.folder / "autoencoder")
    config = load_config(
        tiny_config,
        ["diffusion.training.compile=default", "diffusion.training.steps=40"],
        "float32",
    )

    def backend(graph, inputs):
        raise RuntimeError("no code for this")

    compile = torch.compile
    monkeypatch.setattr(torch, "compile", lambda forward, mode: compile(forward, backend=backend))
    gpu.train_denoiser(run, Dataset.open(shapes), config, World(0, 1, torch.device("cpu")))
    training = run.diffusion.require().read_config()["diffusion"]["training"]
    assert (training["compile"], training["steps"]) == ("none", 20)


SYSTEMS = {"ours", "ddpm", "ddpm-small", "dcgan", "diffusers-latent"}


@pytest.fixture
def script(monkeypatch):
    """A script as a module, by its name."""
    monkeypatch.syspath_prepend(SCRIPTS)

    def load(name: str):
        loader = SourceFileLoader(name, str(SCRIPTS / name))
        module = module_from_spec(spec_from_loader(name, loader))
        monkeypatch.setitem(sys.modules, name, module)  # where its dataclasses look their types up
        loader.exec_module(module)
        return module

    return load


@pytest.fixture
def race(script):
    return script("race")


def test_a_quick_race_scores_every_system(shapes, tiny_run, tmp_path, race):
    pytest.importorskip("diffusers")
    out, start = tmp_path / "race", time.perf_counter()
    done = subprocess.run(
        [
            sys.executable,
            SCRIPTS / "race",
            "--quick",
            "--data",
            shapes,
            "--judge",
            tiny_run,
            "--out",
            out,
            "--minutes",
            "0.05",
            "--points",
            "2",
            "--n",
            "24",
            "--n-pixel",
            "12",
            "--device",
            "cpu",
            "--precision",
            "float32",
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    systems = json.loads((out / "race.json").read_text())["systems"]
    assert set(systems) == SYSTEMS
    for name, system in systems.items():
        rows = system["rows"]
        assert [row["n"] for row in rows[-2:]] == ([24, 12] if name != "ddpm" else [12]), name
        assert all(
            math.isfinite(row[what])
            for row in rows
            for what in ("fid", "fid_over_floor", "accuracy", "sharpness")
        )
        assert rows[-1]["minutes"] > (0.05 if name != "ours" else 0) and rows[-1]["images"] > 0, (
            name
        )
        assert f"| {name} |" in done.stdout and (out / f"{name}.png").stat().st_size > 100
    assert (
        60 * sum(system["rows"][-1]["minutes"] for system in systems.values())
        < time.perf_counter() - start
    )
    assert (out / "race.png").stat().st_size > 100
    again = Namespace(
        data=shapes,
        judge=tiny_run,
        out=out,
        minutes=0.05,
        points=2,
        n=24,
        n_pixel=12,
        config=Path("eurosat_cpu"),
        quick=True,
        small=None,
        device="cpu",
        precision="float32",
    )
    if torch.get_num_threads() == 1:  # as in the other process, by conftest.py
        assert race.make_race(again).systems == systems
    with pytest.raises(ValueError, match="holds another race, whose n is 24 and not 20"):
        race.make_race(Namespace(**vars(again) | {"n": 20}))


def test_a_look_scores_by_class_and_takes_no_training_time(shapes, tiny_run, tmp_path, race):
    options = Namespace(
        data=shapes,
        judge=tiny_run,
        out=tmp_path,
        minutes=10,
        points=3,
        n=24,
        n_pixel=12,
        config=Path("eurosat_cpu"),
        quick=True,
        small=None,
        device="cpu",
        precision="float32",
    )
    turn, data = race.Turn(race.make_race(options), "reals", 24, 3, 12), Dataset.open(shapes)
    turn.start = time.perf_counter() - 200.0  # beyond a quarter of the ten minutes

    def reals(seeds, labels):
        time.sleep(1.0)
        return np.stack(
            [
                data.images[data.train][data.labels[data.train] == label][seed % 40]
                for seed, label in zip(seeds, labels)
            ]
        )

    assert turn.is_due()
    turn.look(reals, 7, last=False)
    assert turn.due == [300.0] and not turn.is_due() and turn.elapsed() < 200.9
    turn.look(lambda *asked: 255 - reals(*asked), 8, last=True)
    first, last, fewer = turn.rows
    assert (
        (first["n"], last["n"], fewer["n"]) == (24, 24, 12)
        and first["sampling_seconds"] > 1
        and first["images"] == 7
    )
    assert first["accuracy"] > 0.9 and first["fid_over_floor"] < 3 < last["fid_over_floor"]


def test_an_ablation_compares_variants_seed_by_seed(shapes, tiny_run, tmp_path):
    out = tmp_path / "ablation"
    small = [
        "autoencoder.model.encoder_widths=[32]",
        "autoencoder.model.decoder_widths=[32]",
        "diffusion.model.widths=[32]",
        "diffusion.model.attention_levels=[0]",
        "diffusion.model.embedding_width=64",
        "autoencoder.training.steps=30",
        "diffusion.training.steps=3",
        "sampling.steps=4",
    ]
    options = [
        "--data",
        shapes,
        "--judge",
        tiny_run,
        "--out",
        out,
        "--n",
        "24",
        "--device",
        "cpu",
        "--precision",
        "float32",
        *(part for setting in small for part in ("--set", setting)),
    ]

    def ablate(*more):
        done = subprocess.run(
            [sys.executable, SCRIPTS / "ablate", *options, *more], capture_output=True, text=True
        )
        return done.returncode, done.stdout, done.stderr

    longer = ("--variant", "short", "--variant", "longer: diffusion.training.steps=60")
    status, shown, errors = ablate(*longer, "--seeds", "0,1")
    assert status == 0, errors
    rows = json.loads((out / "ablation.json").read_text())["rows"]
    assert [(row["variant"], row["seed"], row["steps"]) for row in rows] == [
        ("short", 0, 3),
        ("longer", 0, 60),
        ("short", 1, 3),
        ("longer", 1, 60),
    ]
    assert (
        len(list((out / "autoencoders").iterdir())) == 2
    )  # one for each seed, shared by the variants
    assert (
        rows[0]["psnr"] == rows[1]["psnr"] != rows[2]["psnr"] and rows[0]["fid"] != rows[2]["fid"]
    )
    assert rows[0]["seconds"] < rows[1]["seconds"] and rows[0]["matched_floor"] > 0
    assert not list(
        (Path(shapes) / "latents").glob(
            f"*{latents_checksum(Run(next(out.glob('short-0-*'))).autoencoder)[:16]}*"
        )
    )
    line = next(line for line in shown.splitlines() if line.startswith("| longer"))
    assert "(2 seeds)" in line and line in (out / "ablation.md").read_text()
    status, shown, errors = ablate(
        *longer,
        "--variant",
        "blown up: diffusion.training.learning_rate=1e30 diffusion.training.gradient_norm=1e30 "
        "diffusion.training.steps=30",
        "--variant",
        "wide: autoencoder.model.decoder_widths=[48]",
        "--seeds",
        "0",
    )
    assert status == 1 and "blown up, seed 0: " in errors + shown and "Traceback" not in errors
    assert [row["variant"] for row in json.loads((out / "ablation.json").read_text())["rows"]][
        4:
    ] == ["wide"], errors
    assert len(list((out / "autoencoders").iterdir())) == 3
    for wrong, said in (
        (("--variant", "short: diffusion.training.steps=4"), "with other settings"),
        ((*longer, "--variant", "calm: sampling.guidance=1"), "ldm sweep"),
        (("--variant", "../x"), "needs a name"),
        (("--variant", "a", "--n", "20"), "another ablation, whose n is 24"),
        (("--variant", "a: x.y=1"), "no setting x"),
        (("--variant", "a: diffusion.training.seed=4"), "--seeds"),
        (("--variant", "a", "--variant", "a"), "two variants"),
        (("--variant", "a", "--n", "3"), "needs a floor"),
        (("--variant", "a", "--set", "sampling.steps=5"), "whose settings"),
    ):
        status, _, errors = ablate(*wrong)
        assert status == 2 and said in errors, errors


def test_an_ablation_takes_as_many_steps_as_the_minutes_allow(script):
    ablate, config = script("ablate"), load_config(Path("own_cpu"), [], "float32")
    half = config.model_copy(update={"diffusion": ablate.changed(config.diffusion, batch_size=1)})
    planned = SimpleNamespace(
        variants={"whole": config, "one image": half},
        facts={},
        world=World(0, 1, torch.device("cpu")),
        data=SimpleNamespace(info=SimpleNamespace(image_size=32, class_names=["a", "b", "c"])),
    )
    ablate.Ablation.plan_steps(planned, 0.5)
    steps = {name: one.diffusion.training.steps for name, one in planned.variants.items()}
    assert (
        sorted(planned.facts["steps"].values()) == sorted(steps.values())
        and steps["one image"] > 1.5 * steps["whole"] > 10
    )
    planned.variants = {"whole": config, "one image": half}
    ablate.Ablation.plan_steps(planned, 9)  # the same command again: never measured again
    assert steps == {name: one.diffusion.training.steps for name, one in planned.variants.items()}


def test_an_ablation_says_whether_seeds_agree(script):
    difference = script("ablate").difference
    assert [difference(apart) for apart in ([-0.1, -0.2, -0.3], [-0.1, 0.2, -0.1], [-0.5], [])] == [
        "-20% (every seed)",
        "+0% (seeds disagree)",
        "-50% (1 seed)",
        "",
    ]


@pytest.fixture
def peers(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    import race_peers

    return race_peers


@pytest.fixture
def turn(shapes, peers):
    """Of a race whose clock counts the times it is read, so that what is learnt does not depend on this machine."""
    race = SimpleNamespace(
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
        race=race, name="a peer", elapsed=lambda: float(next(clock)), is_due=lambda: False
    )


def test_the_dcgan_learns_the_classes(peers, turn, tiny_run):
    seen, judge, labels = [], Judge.load(Run.open(tiny_run), torch.device("cpu")), [0, 1, 2] * 8
    turn.look = lambda draw, images, last: seen.append(
        judge(draw(list(range(24)), labels))[1].argmax(axis=1)
    )
    peers.dcgan(turn)
    assert len(seen) == 1 and (seen[0] == labels).mean() > 0.8


def test_the_noise_prediction_learns(peers, turn):
    pytest.importorskip("diffusers")
    model, batches = (
        peers.Ddpm(turn.race, peers.QUICK.small, 3, 16, clip=True),
        peers.Batches(turn.race, 16),
    )
    before = model.loss(*batches(0)).item()
    peers.Trainer(turn, model.network, 2e-3).run(lambda number: model.loss(*batches(number)), 60.0)
    assert model.loss(*batches(0)).item() < before / 2


class Exact(torch.nn.Module):
    """The best noise prediction where all images of class 0, 1, 2 have the values -0.5, 0, 0.5, and any of them has no class."""

    def __init__(self, shares: torch.Tensor):
        super().__init__()
        self.shares = shares  # alpha bar

    def forward(self, noisy, times, labels):
        share = self.shares[times.long()][:, None, None, None]
        value = torch.tensor([-0.5, 0.0, 0.5, 0.0])[labels][:, None, None, None]
        return SimpleNamespace(sample=(noisy - share.sqrt() * value) / (1 - share).sqrt())


@pytest.mark.parametrize("guidance, expected", [(1.0, (64, 128, 191)), (1.5, (32, 128, 223))])
def test_with_the_exact_noise_the_samples_have_the_value_of_their_class(
    peers, turn, guidance, expected
):
    pytest.importorskip("diffusers")
    model = peers.Ddpm(turn.race, peers.Unet((32, 32), 1, (), 1e-3, 16, guidance), 3, 16, clip=True)
    model.network = Exact(model.noising.alphas_cumprod)
    images = model.draw(lambda x: x, list(range(30)), [0, 1, 2] * 10)
    for label, value in enumerate(expected):
        assert np.abs(images[label::3].astype(int) - value).max() <= 1


class Fake:
    """An autoencoder whose latents are three times the images."""

    def encode(self, images):
        return SimpleNamespace(latent_dist=SimpleNamespace(sample=lambda: 3 * images))

    def decode(self, latents):
        return SimpleNamespace(sample=latents / 3)


def test_latents_have_deviation_one_and_the_second_half_is_mirrored(peers, turn):
    data = turn.race.data = SimpleNamespace(
        **{name: getattr(turn.race.data, name) for name in ("images", "labels", "train")},
        info=SimpleNamespace(flip=True),
    )
    latents, count = peers.Latents(turn.race, Fake(), 16), len(data.train)
    for number in range(-(-2 * count // 16)):
        x, labels, _ = latents(number)
        places = latents.shuffle.batch(number)
        images = data.images[data.train[places % count]].astype(np.float32) / 127.5 - 1
        images[places >= count] = images[places >= count][:, :, ::-1]
        assert np.abs(latents.decode(x).numpy() - images.transpose(0, 3, 1, 2)).max() < 1e-5
        assert (labels.numpy() == data.labels[data.train[places % count]]).all()
    assert latents.known.all() and abs(latents.latents.std().item() - 1) < 0.02
