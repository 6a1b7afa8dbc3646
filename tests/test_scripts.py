"""The scripts for a GPU run on a CPU, too, in small."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


def test_benchmark_quick(tmp_path):
    done = subprocess.run([sys.executable, SCRIPTS / "benchmark", "--quick", "--json", tmp_path / "b.json", "--device", "cpu", "--precision",
                           "float32"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "b.json").read_text())["rows"]
    assert {row["section"] for row in rows} >= {"peak", "UNet, training", "autoencoder, training", "sampling", "preparation", "scoring", "memory"}
    assert all(row["rate"] > 0 for row in rows) and all(0 < row["mfu"] < 1.5 for row in rows if "mfu" in row)
    assert "| UNet, training | ours" in done.stdout


def test_the_gpu_script_leaves_all_it_promises(tmp_path):
    done = subprocess.run([sys.executable, SCRIPTS / "gpu", tmp_path / "out", "--source", "cartoons:330", "--tiny", "--minutes", "0.1", "--device",
                           "cpu"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in ("summary.md", "samples.png", "reconstructions.png", "curves.png", "benchmark.json", "run/diffusion/model.safetensors"):
        assert (tmp_path / "out" / name).stat().st_size > 100, name
    assert "FID" in (tmp_path / "out" / "summary.md").read_text()
