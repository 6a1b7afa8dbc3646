"""`ldm export --format onnx`: networks and sampler that do without PyTorch what we do with it."""

import importlib.util
import json
import sys

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from latent_diffusion import Pipeline
from latent_diffusion.denoiser import Denoiser
from latent_diffusion.denoiser.dit import DiTConfig
from latent_diffusion.export import networks
from latent_diffusion.export.folder import facts_of, student_of
from latent_diffusion.export.networks import exported
from latent_diffusion.export.onnx import FAST_SCRIPT, SAMPLE_SCRIPT, export_onnx

FILES = {
    "config.json",
    "encoder.onnx",
    "decoder.onnx",
    "denoiser.onnx",
    "sample.py",
    "samplers.py",
    "student.onnx",
    "fast.py",
}
HARD = {  # every setting that a sampler may meet
    "sampler": "ddpm",
    "steps": 5,
    "guidance": 1.0,
    "class_guidance": {"yak, wet": 2.5},
    "guidance_interval": (0.1, 10),
    "temperature": 0.9,
    "epsilon_scale": 1.02,
}


@pytest.fixture(scope="module")
def folder(fast_run, tmp_path_factory):
    out = tmp_path_factory.mktemp("exports") / "onnx"
    export_onnx(fast_run, out)
    return out


@pytest.fixture
def script(folder, monkeypatch):
    """Its sample.py as a module."""
    monkeypatch.syspath_prepend(folder)
    for name in ("samplers", "sample", "fast"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    spec = importlib.util.spec_from_file_location("sample_script", folder / "sample.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    for name in ("samplers", "sample", "fast"):
        sys.modules.pop(name, None)


def test_it_holds_networks_and_nothing_of_the_user(folder, secrets):
    assert {path.name for path in folder.iterdir()} == FILES
    for path in folder.iterdir():
        assert not [secret for secret in secrets if secret in path.read_bytes()], path


def test_the_batch_is_free(folder, fast_run):
    pipe = Pipeline.from_run(fast_run, "cpu", "float32")
    x, sigma = torch.randn(5, 4, 4, 4), torch.tensor([80.0, 3.0, 1.0, 0.1, 0.01])
    labels = torch.tensor([0, 1, 2, 3, 0])
    with torch.inference_mode():
        expected = pipe.denoiser(x, sigma, labels)
    session = onnxruntime.InferenceSession(folder / "denoiser.onnx")
    (found,) = session.run(None, {"x": x.numpy(), "sigma": sigma.numpy(), "labels": labels.numpy()})
    assert expected.abs().max() > 0.1  # so that agreement says something
    np.testing.assert_allclose(found, expected, atol=1e-4)
    images = np.random.default_rng(0).uniform(-1, 1, (3, 3, 16, 16)).astype(np.float32)
    (moments,) = onnxruntime.InferenceSession(folder / "encoder.onnx").run(None, {"images": images})
    with torch.inference_mode():
        posterior = pipe.autoencoder.encode(torch.from_numpy(images))
    np.testing.assert_allclose(moments, posterior.moments, atol=1e-4)


@pytest.mark.parametrize("count", [16, 17, 31, 196, 1024])
def test_the_scripts_noise_is_torchs(script, count):
    for seed in (0, 7, 2**32 - 1, 2**32 + 5, 2**63 - 1):
        generator, draw = torch.Generator().manual_seed(seed), script.noise_of(seed)
        for _ in range(2):
            expected = torch.randn(count, generator=generator)
            np.testing.assert_allclose(draw(count), expected, atol=1e-5)


def test_the_script_draws_the_pictures_of_ldm_sample(script, fast_run):
    pipe = Pipeline.from_run(fast_run, "cpu", "float32")
    config = pipe.configured(**HARD)
    script.SETTINGS.update(config.model_dump(mode="json", exclude={"sigma_max"}))
    script.RUN["guided_levels"] = HARD["guidance_interval"]
    expected = pipe.generate([5, 6], [1, 2], config)
    for seed, label, guidance, image in ((5, 1, 1.0, expected[0]), (6, 2, 2.5, expected[1])):
        found = script.picture(seed, label, guidance, HARD["steps"])
        assert image.std() > 10 and np.abs(found.astype(int) - image).max() <= 1
    other = script.picture(6, 2, 1.0, HARD["steps"])
    assert np.abs(other.astype(int) - expected[1]).max() > 1  # guidance was at work


def test_its_config_names_the_classes_and_their_guidance(folder):
    config = json.loads((folder / "config.json").read_text())
    assert config["guidance"] == dict.fromkeys(config["class_names"], 1.5)
    assert config["sampling"]["sigma_max"] > config["sampling"]["sigma_min"]
    assert config["null_label"] == 3 and config["latent_shape"] == [4, 4, 4]


@pytest.mark.parametrize("script", [SAMPLE_SCRIPT, FAST_SCRIPT])
def test_the_scripts_are_short(script):
    assert len(script.read_text().splitlines()) < 60


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_the_students_script_draws_the_pictures_of_ldm_sample(script, fast_run, steps):
    fast = importlib.import_module("fast")  # it imports sample.py
    pipe = Pipeline.from_run(fast_run, "cpu", "float32", fast=True)
    (expected,) = pipe.generate([5], [1], pipe.configured(steps=steps, guidance=2.5))
    found = fast.picture(5, 1, 2.5, steps)
    assert expected.std() > 10 and np.abs(found.astype(int) - expected).max() <= 1
    other = fast.picture(5, 1, 1.0, steps)
    assert np.abs(other.astype(int) - expected).max() > 1  # guidance was at work


def test_a_run_without_a_student_says_nothing_of_one(random_run):
    pipe = Pipeline.from_run(random_run, "cpu", "float32")
    assert student_of(random_run, pipe) is None and "fast" not in facts_of(pipe)


def test_a_transformer_is_exported_as_well():
    torch.manual_seed(0)
    network = DiTConfig(width=64, depth=1, embedding_width=16).build(4, 3)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)

    def inputs(rows):
        x = torch.randn(rows, 4, 5, 5)
        return {"x": x, "sigma": torch.rand(rows) + 0.1, "labels": torch.arange(rows) % 4}

    assert exported("denoiser", Denoiser(network).eval(), inputs, "clean").difference < 1e-4


def test_networks_that_differ_are_refused(monkeypatch):
    monkeypatch.setattr(networks, "BOUND", -1.0)
    with pytest.raises(ValueError, match=r"the decoder in ONNX Runtime differs from PyTorch"):
        exported("decoder", nn.Tanh(), lambda rows: {"x": torch.randn(rows, 2)}, "y")


def test_what_is_missing_is_named_in_one_line(fast_run, tmp_path, ldm, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "latent_diffusion.cli.exporting.find_spec", lambda n: None if n == "onnx" else find(n)
    )
    status, _, errors = ldm("export", fast_run, tmp_path / "out", "--format", "onnx")
    assert status == 2 and "needs onnx:" in errors and "[export]" in errors
    assert errors.count("\n") == 1


def test_nothing_is_overwritten(folder, fast_run, ldm):
    before = (folder / "config.json").read_bytes()
    status, _, errors = ldm("export", fast_run, folder, "--format", "onnx")
    assert status == 2 and "give a new folder" in errors
    assert (folder / "config.json").read_bytes() == before
