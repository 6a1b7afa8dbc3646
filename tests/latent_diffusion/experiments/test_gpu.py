"""The reference job runs on a CPU, too, in small; it begins only what fits."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import torch

from latent_diffusion.data.store import Dataset
from latent_diffusion.distributed import World
from latent_diffusion.experiments import gpu, gpu_plan
from latent_diffusion.run import Run
from latent_diffusion.sampling.config import SamplingConfig
from latent_diffusion.training.stages import load_config

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


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


def test_the_gpu_script_begins_only_what_fits_into_the_minutes(tmp_path, monkeypatch):
    drawn: list[int] = []
    clock = iter(range(0, 10_000, 10))  # every look at it comes ten seconds after the last
    monkeypatch.setattr(gpu.time, "perf_counter", lambda: next(clock))

    def scored(what: str, count: int, *_) -> str:
        drawn.append(count)
        return f"- {what}: FID 1"

    monkeypatch.setattr(gpu, "scored", scored)
    pipe = SimpleNamespace(sampling=SamplingConfig(compute_batch=64))
    summary = gpu.Summary(tmp_path / "summary.md", "a job", 300.0)
    pace = gpu.score_samples((100, 500, 10_000), "", 0.0, pipe, None, summary, "cpu")
    assert drawn == [100, 500] and 0 < pace < 1
    assert "10000 samples: left out, as" in (tmp_path / "summary.md").read_text()


def test_the_gpu_script_takes_what_is_faster_and_leaves_what_does_not_compile(shapes, monkeypatch):
    said: list[str] = []
    config = load_config(Path("own_cpu"), gpu_plan.TINY, "float32")
    data, world = Dataset.open(shapes), World(0, 1, torch.device("cpu"))
    monkeypatch.setattr(gpu_plan, "say", said.append)
    monkeypatch.setattr(gpu_plan, "seconds_per_step", lambda *arguments: 0.01)
    steps = {name: gpu_plan.measured(name, config, data, world) for name in gpu_plan.SHARES}
    assert [one.training.compile for found in steps.values() for one in found] == [
        "none"
    ] * 3  # compiling is for a GPU
    (whole,) = steps["diffusion"]
    batch = config.diffusion.training.batch_size
    assert whole.images_per_second == batch / 0.01 and 0.001 < whole.gflop < 1
    compiled = gpu_plan.Measured(
        whole.training.model_copy(update={"compile": "reduce-overhead"}), 0.004, whole.gflop
    )
    found = gpu_plan.planned(config, {**steps, "diffusion": [whole, compiled]}, 600)
    assert (
        found.diffusion.training.compile,
        found.classifier.training.compile,
        found.autoencoder.training.compile,
    ) == ("reduce-overhead", "none", "none")
    assert (found.classifier.training.steps, found.diffusion.training.steps) == (
        int(gpu_plan.SHARES["classifier"] * 600 / 0.01),
        int(gpu_plan.SHARES["diffusion"] * 600 / 0.004),
    )
    assert (
        gpu_plan.fastest([whole, gpu_plan.Measured(compiled.training, 0.0095, 1.0)]) is whole
    )  # not worth it

    def fails(stage, *others):
        if stage.training.compile != "none":
            raise AssertionError
        return 0.01

    monkeypatch.setattr(gpu_plan, "seconds_per_step", fails)
    here = World(0, 1, SimpleNamespace(type="cuda"))
    monkeypatch.setattr(gpu_plan, "flops_per_image", lambda *arguments: 1e9)
    monkeypatch.setattr(gpu_plan, "choose_precision", lambda *arguments: "bfloat16")
    assert [one.training.compile for one in gpu_plan.measured("diffusion", config, data, here)] == [
        "none"
    ]
    assert "diffusion, compile = reduce-overhead: left out, AssertionError: " in said


def test_stage_two_that_fails_compiled_begins_again_as_it_is(
    shapes, tiny_run, tiny_config, tmp_path, monkeypatch
):
    run = Run(tmp_path / "run")
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
