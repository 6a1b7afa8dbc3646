"""The benchmark runs in small, and every figure is one."""

import json
import subprocess
import sys
from pathlib import Path

import torch

from latent_diffusion.experiments import benchmark_denoisers as section
from latent_diffusion.experiments.benchmark_arithmetic import count_flops

ROOT = Path(__file__).parents[3]


def test_a_quick_benchmark_has_every_section(tmp_path):
    path = tmp_path / "b.json"
    options = ["--quick", "--json", path, "--device", "cpu", "--precision", "float32"]
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "benchmark", *options], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(path.read_text())["rows"]
    assert {row["section"] for row in rows} >= {
        "peak",
        "UNet, training",
        "UNet, forward",
        "autoencoder, training",
        "sampling",
        "preparation",
        "scoring",
        "memory",
    }
    assert all(row["rate"] > 0 for row in rows)
    assert all(0 < row["mfu"] < 1.5 for row in rows if "mfu" in row)
    assert "| UNet, training | ours" in done.stdout


def test_the_transformer_has_about_as_many_flops_as_the_unet():
    noisy = section.Noisy.random(1, torch.device("cpu"))
    networks = section.denoisers(torch.device("cpu"))
    transformer = next(name for name in networks if name.startswith("ours DiT"))
    unet = networks[section.OURS]
    flops = count_flops(lambda: unet.predict(noisy))
    assert abs(count_flops(lambda: networks[transformer].predict(noisy)) / flops - 1) < 0.1
