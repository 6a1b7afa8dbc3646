"""Loading what was trained: without the trainer, in older runs' words, on one compute batch."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import tomli_w
import torch

from latent_diffusion.loading import Codec
from latent_diffusion.parsing import read_toml
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.run import CONFIG_FORMAT, Run
from latent_diffusion.tensors import load_tensors, save_tensors

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    "imported",
    [
        "from latent_diffusion import Pipeline",
        "from latent_diffusion.evaluation.scoring import evaluate",
        "from latent_diffusion.evaluation.reconstruction import reconstruct_images",
    ],
)
def test_inference_imports_no_trainer(imported):
    code = (
        f"import sys; {imported}; "
        "print([name for name in sys.modules if name.startswith('latent_diffusion.training')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_names_the_samplers_and_waits_for_no_torch():
    code = (
        "import sys; from latent_diffusion.cli import main\n"
        "sys.argv = ['ldm', 'sample', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('torch imported:', 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "torch imported: False" in done.stdout and "dpmpp_2m" in done.stdout


def earlier_words(folder):
    """Rewrite a config.toml as the first format had it, and give a checkpoint its names."""
    config = read_toml(folder / "config.toml")
    assert config.pop("version") == CONFIG_FORMAT
    stage = config[folder.name]
    stage["training"]["average_length"] = stage["training"].pop("ema_length")
    stage["model"].pop("kind", None)
    (folder / "config.toml").write_text(tomli_w.dumps(config))
    path = folder / "checkpoint" / "last.safetensors"
    tensors, metadata = load_tensors(path)
    renamed = {
        f"average.{key.removeprefix('ema.')}" if key.startswith("ema.") else key: value
        for key, value in tensors.items()
    }
    assert renamed.keys() != tensors.keys()
    save_tensors(path, renamed, {"step and averages": metadata["step and ema lengths"]})


def test_a_run_of_the_first_format_is_sampled_and_resumed_to_the_same(
    ldm, tiny_run, shapes, tmp_path
):
    new, old = tmp_path / "new", tmp_path / "old"
    for run in (new, old):
        shutil.copytree(tiny_run, run)
    for part in ("autoencoder", "classifier", "diffusion"):
        earlier_words(old / part)
    images = [
        pipe.generate([1, 2], [0, 1], pipe.sampling)
        for pipe in (Pipeline.from_run(run, device="cpu") for run in (new, old))
    ]
    assert np.array_equal(*images)
    for run in (new, old):
        command = ["train-diffusion", "--data", shapes, "--run", run, "--device", "cpu"]
        more = ["--resume", "--set", "diffusion.training.steps=510"]
        status, _, errors = ldm(*command, *more)
        assert status == 0, errors
    weights = [load_tensors(Run(run).diffusion.model_path)[0] for run in (new, old)]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    recorded = read_toml(old / "diffusion" / "config.toml")
    assert recorded["version"] == CONFIG_FORMAT
    assert "average_length" not in recorded["diffusion"]["training"]


def test_a_newer_format_is_refused_in_one_line(tiny_run, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "run")
    path = tmp_path / "run" / "diffusion" / "config.toml"
    path.write_text(path.read_text().replace(f"version = {CONFIG_FORMAT}", "version = 99", 1))
    with pytest.raises(ValueError, match=r"format 99.*reads up to 2: update it") as refusal:
        Pipeline.from_run(tmp_path / "run", device="cpu")
    assert "\n" not in str(refusal.value)


def test_the_earlier_name_of_a_setting_is_read_from_files_and_commands(tiny_config, tmp_path):
    from latent_diffusion.training.stages import load_config

    mine = tmp_path / "mine.toml"
    mine.write_text("[diffusion.training]\naverage_length = 0.2\n")
    assert load_config(mine).diffusion.training.ema_length == 0.2
    changed = load_config(tiny_config, ["diffusion.training.average_length=0.1"])
    assert changed.diffusion.training.ema_length == 0.1


def test_an_image_has_the_same_latents_and_pixels_in_any_company(tiny_run, fresh_shapes):
    codec = Codec.of(Run(tiny_run), CPU)
    latents = codec.encode(fresh_shapes)
    assert latents.dtype == torch.float32 and len(latents) == len(fresh_shapes)
    assert torch.equal(latents[7:8], codec.encode(fresh_shapes[7:8]))
    decoded = codec.decode(latents)
    assert decoded.dtype == np.uint8 and decoded.shape == fresh_shapes.shape
    assert np.array_equal(decoded[7:8], codec.decode(latents[7:8]))
    assert np.abs(codec.reconstruct(fresh_shapes).astype(int) - decoded).max() <= 1


def test_a_format_that_is_no_number_is_refused(tiny_run, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "run")
    path = tmp_path / "run" / "diffusion" / "config.toml"
    path.write_text(path.read_text().replace(f"version = {CONFIG_FORMAT}", 'version = "2"', 1))
    with pytest.raises(ValueError, match="version = '2' is no format number"):
        Pipeline.from_run(tmp_path / "run", device="cpu")
