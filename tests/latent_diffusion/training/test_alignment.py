"""Stage two held to what the perceptual classifier sees."""

import json
import shutil

import numpy as np
import pytest
import torch

from latent_diffusion.classifier import Classifier, ClassifierConfig
from latent_diffusion.data.rows import ImageRows
from latent_diffusion.data.store import Dataset
from latent_diffusion.denoiser import Denoiser, DiTConfig, UNetConfig
from latent_diffusion.distributed import World
from latent_diffusion.loading import load_denoiser
from latent_diffusion.run import Run
from latent_diffusion.tensors import load_tensors
from latent_diffusion.training.alignment import Alignment, PicturedRows
from latent_diffusion.training.diffusion import train_diffusion
from latent_diffusion.training.latents import MomentRows
from latent_diffusion.training.stage import FRESH, Start
from latent_diffusion.training.stages import load_config
from latent_diffusion.verification.files import weights_of_checkpoint

DEVICE = torch.device("cpu")
WORLD = World(0, 1, DEVICE)
SHORT = [
    f"diffusion.training.{setting}"
    for setting in ("steps=30", "checkpoint_every=10", "preview_every=5", "snapshots=2")
]


class Killed(Exception):
    pass


@pytest.fixture
def train(shapes, tiny_config, tiny_run):
    """Train stage two briefly: train(run, start, preview, weight); the judge plays the classifier
    that other runs have behind their perceptual term."""
    data = Dataset.open(shapes)

    def call(run, start=FRESH, preview=None, weight=1.0):
        shutil.copytree(tiny_run / "autoencoder", run.folder / "autoencoder", dirs_exist_ok=True)
        if not run.perceptual.folder.is_dir():
            shutil.copytree(tiny_run / "classifier", run.perceptual.folder)
            config = run.perceptual.config_path
            config.write_text(config.read_text().replace("[classifier", "[perceptual"))
        settings = [*SHORT, f"diffusion.alignment.weight={weight}"]
        settings.append("diffusion.alignment.classifier.training.steps=12")
        config = load_config(tiny_config, settings, "float32")
        train_diffusion(run, data, config.diffusion, config.sampling, WORLD, start, preview)

    return call


def logged(run: Run, name: str) -> list[float]:
    lines = map(json.loads, run.diffusion.metrics_path.read_text().splitlines())
    return [line[name] for line in lines if name in line]


def test_it_is_learnt_and_leaves_nothing_behind_killed_or_not(train, tmp_path):
    def kill(model, step):
        if step == 15:
            raise Killed

    whole, broken = Run(tmp_path / "whole"), Run(tmp_path / "broken")
    train(whole)
    with pytest.raises(Killed):
        train(broken, preview=kill)
    train(broken, Start(resume=True))
    files = ["model.safetensors", "ema/00000015-0.05.safetensors", "ema/00000030-0.1.safetensors"]
    for file in files:
        paths = [run.diffusion.folder / file for run in (whole, broken)]
        assert paths[0].read_bytes() == paths[1].read_bytes()
    unlike = logged(whole, "alignment")
    assert 0 < unlike[-1] < unlike[0] <= 1.2
    plain = Run(tmp_path / "plain")
    train(plain, weight=0.0)
    assert not logged(plain, "alignment")
    names = {run: set(load_tensors(run.diffusion.model_path)[0]) for run in (whole, plain)}
    assert names[whole] == names[plain]
    assert whole.diffusion.checksum() != plain.diffusion.checksum()
    assert "are those of its checkpoint" in weights_of_checkpoint(whole, whole.diffusion)
    for length in (None, 0.07):  # the second is put together from snapshots
        assert not hasattr(load_denoiser(whole, 8, DEVICE, length), "alignment")


@pytest.mark.parametrize(("begun", "now"), [(0.0, 1.0), (1.0, 0.0)])
def test_what_was_begun_without_it_goes_on_without_and_the_reverse(
    train, tmp_path, capsys, begun, now
):
    def kill(model, step):
        if step == 15:
            raise Killed

    run = Run(tmp_path / "run")
    with pytest.raises(Killed):
        train(run, weight=begun, preview=kill)
    train(run, Start(resume=True), weight=now)
    assert f"goes on with alignment.weight = {begun:g}" in " ".join(capsys.readouterr().out.split())
    assert run.diffusion.read_config()["diffusion"]["alignment"]["weight"] == begun


def test_without_a_classifier_one_is_trained_first(train, tmp_path, capsys):
    run = Run(tmp_path / "run")
    run.perceptual.folder.mkdir(parents=True)  # nothing in it
    train(run)
    assert "perceptual classifier: 12 of 12 steps" in " ".join(capsys.readouterr().out.split())
    assert run.perceptual.trained and logged(run, "alignment")


def test_what_was_aligned_does_not_go_on_without_its_classifier(train, tmp_path):
    def kill(model, step):
        if step == 15:
            raise Killed

    run = Run(tmp_path / "run")
    with pytest.raises(Killed):
        train(run, preview=kill)
    run.perceptual.model_path.unlink()
    with pytest.raises(ValueError, match="copy perceptual/ back"):
        train(run, Start(resume=True))


@pytest.mark.parametrize(
    "config", [UNetConfig(widths=(16, 32), attention_levels=(1,)), DiTConfig(width=64, depth=2)]
)
def test_it_is_zero_where_the_projection_says_what_the_classifier_sees(config, monkeypatch):
    torch.manual_seed(0)
    denoiser = Denoiser(config.build(4, 3))
    classifier = Classifier(ClassifierConfig(widths=(16, 16, 32)), 3)
    alignment = Alignment(denoiser, classifier, (4, 16, 16))
    before = set(Denoiser(config.build(4, 3)).state_dict())
    assert set(denoiser.state_dict()) - before == {"alignment.weight", "alignment.bias"}
    images = torch.rand(5, 3, 64, 64) * 2 - 1
    denoiser(torch.randn(5, 4, 16, 16), torch.ones(5), torch.zeros(5, dtype=torch.long))
    assert 0.5 < alignment(images).item() < 1.5
    seen = alignment.seen(images, alignment.output.shape[2:])
    assert seen.shape == (5, 48, *alignment.output.shape[2:])
    assert seen.mean((2, 3)).abs().max() < 1e-4
    monkeypatch.setattr(denoiser.alignment, "forward", lambda output: 3 * seen)
    assert alignment(images).item() == pytest.approx(0, abs=1e-4)
    alignment.remove()
    assert set(denoiser.state_dict()) == before


def test_the_second_view_has_mirrored_images(shapes):
    data = Dataset.open(shapes)
    count = len(data.train)
    moments = np.random.default_rng(0).normal(size=(2, count, 8, 4, 4)).astype(np.float16)
    labels = data.labels[data.train]
    rows = PicturedRows(MomentRows(moments, labels, DEVICE), ImageRows(data, data.train, DEVICE))
    assert len(rows) == 2 * count
    found, label, images = rows(np.array([3, count + 3]))
    assert torch.equal(images[1], images[0].flip(-1)) and not torch.equal(images[0], images[1])
    assert label.tolist() == [labels[3]] * 2
    assert torch.equal(found[1], torch.from_numpy(moments[1, 3]).float())


def test_a_network_without_layers_is_trained_without(train, tmp_path, capsys, monkeypatch):
    monkeypatch.delattr("latent_diffusion.denoiser.unet.UNet.layers")
    run = Run(tmp_path / "run")
    train(run)
    assert "not aligned, for its network" in " ".join(capsys.readouterr().out.split())
    assert not logged(run, "alignment")
