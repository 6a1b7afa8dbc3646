"""The scripts for a GPU run on a CPU, too, in small."""

import json
import re
import shutil
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from latent_diffusion.data.store import Dataset
from latent_diffusion.loading import latents_checksum
from latent_diffusion.run import Run
from latent_diffusion.sampling.config import SamplingConfig
from latent_diffusion.training.distributed import World
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
