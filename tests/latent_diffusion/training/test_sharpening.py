"""A decoder that goes on against an adversary.

The latents stay, the run stays, and a killed training resumes.
"""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from autoencoder import Autoencoder, AutoencoderConfig
from latent_diffusion.data.prepare import prepare
from latent_diffusion.data.store import Dataset
from latent_diffusion.distributed import World
from latent_diffusion.ema import PowerEMA
from latent_diffusion.images import from_uint8
from latent_diffusion.loading import ENCODING, load_autoencoder, load_denoiser
from latent_diffusion.run import Run
from latent_diffusion.tensors import load_tensors
from latent_diffusion.training.autoencoder import train_autoencoder
from latent_diffusion.training.sharpening import fingerprint
from latent_diffusion.training.stage import FRESH, Start
from latent_diffusion.training.stages import load_config

WORLD = World(0, 1, torch.device("cpu"))
SHORT = [
    "autoencoder.training.steps=30",
    "autoencoder.adversary.model.widths=[16,16,16]",
    "autoencoder.adversary.training.steps=20",
    "autoencoder.adversary.training.warmup_steps=2",
    "autoencoder.adversary.training.checkpoint_every=8",
]


class Killed(Exception):
    pass


@pytest.fixture
def training(shapes, tiny_config):
    """training(run, start, more settings…) of stage one, with an adversary."""

    def start(run, start=FRESH, *more):
        train_autoencoder(
            run,
            Dataset.open(shapes),
            load_config(
                tiny_config, [*SHORT, "autoencoder.adversarial=true", *more], "float32"
            ).autoencoder,
            WORLD,
            start,
        )

    return start


def test_only_what_decodes_changes(training, tmp_path):
    training(Run(tmp_path / "without"), Start(), "autoencoder.adversarial=false")
    training(Run(tmp_path / "with"))
    (before, _), (after, _) = (
        load_tensors(tmp_path / name / "autoencoder" / "model.safetensors")
        for name in ("without", "with")
    )
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and not [name for name in changed if name.startswith(ENCODING)]
    assert {name.partition(".")[0] for name in changed} == {"decoder", "to_patches"}
    assert not (tmp_path / "without" / "adversary").exists()


@pytest.mark.parametrize("step", [4, 12])
def test_a_killed_one_resumes_to_the_same_weights_bit_for_bit(
    training, tmp_path, monkeypatch, step
):
    update = PowerEMA.update

    def killed(average, now):
        update(average, now)
        if now == step and any("discriminator" in name for name in average.tensors):
            raise Killed

    training(Run(tmp_path / "whole"))
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(PowerEMA, "update", killed)
        training(Run(tmp_path / "broken"))
    assert not Run(tmp_path / "broken").autoencoder.trained
    assert Run(tmp_path / "broken").adversary.checkpoint_path.is_file() == (step > 8)
    training(Run(tmp_path / "broken"), Start(resume=True))
    assert (
        Run(tmp_path / "broken").autoencoder.checksum()
        == Run(tmp_path / "whole").autoencoder.checksum()
    )


def test_it_begins_anew_where_what_it_began_with_has_changed(training, tmp_path, capsys):
    """And ends as if it had been given those settings at once."""
    run, more = (
        Run(tmp_path / "run"),
        (
            "autoencoder.training.steps=40",
            "autoencoder.adversary.weight=0.5",
            "autoencoder.adversary.model.widths=[16,16,32]",
        ),
    )
    training(run)
    capsys.readouterr()
    training(run, Start(resume=True))
    assert "sharpening: resuming after step 20 of 20" in capsys.readouterr().out
    checksums = [run.autoencoder.checksum()]
    for count in range(1, 1 + len(more)):
        training(run, Start(resume=True), *more[:count])
        assert "sharpening: resuming" not in capsys.readouterr().out
        checksums.append(run.autoencoder.checksum())
    assert len(set(checksums)) == 4
    later, at_once = Run(tmp_path / "later"), Run(tmp_path / "at_once")
    training(later)
    training(later, Start(resume=True), *more[1:])
    training(at_once, Start(), *more[1:])
    assert later.autoencoder.checksum() == at_once.autoencoder.checksum()
    training(run, Start(overwrite=True), "autoencoder.adversarial=false")
    assert not run.adversary.folder.exists()


def test_a_trained_run_can_be_sharpened_and_keeps_its_denoiser(tiny_run, shapes, tmp_path, ldm):
    run, data = shutil.copytree(tiny_run, tmp_path / "run"), Dataset.open(shapes)
    before, cached = Run(run).autoencoder.checksum(), sorted((data.folder / "latents").iterdir())
    old, images = (
        load_autoencoder(Run(run), WORLD.device),
        from_uint8(data.images[:8], WORLD.device),
    )
    again = ["--data", shapes, "--run", run, "--resume"]
    short = [part for one in SHORT[1:] for part in ("--set", one)]
    for precision in (
        "bfloat16",
        "float32",
    ):  # the normalisation is not measured again, in which the last bits would differ
        status, _, errors = ldm(
            "train-autoencoder",
            *again,
            "--set",
            "autoencoder.adversarial=true",
            *short,
            "--precision",
            precision,
        )
        assert status == 0 and not errors
        new = load_autoencoder(Run(run), WORLD.device)
        assert torch.equal(old.encode(images).mean, new.encode(images).mean)
        assert not torch.equal(
            old.decode(old.encode(images).mean), new.decode(new.encode(images).mean)
        )
        assert load_denoiser(Run(run), 8, WORLD.device)
    assert ldm("sample", run, tmp_path / "samples", "--seeds", "1-2")[0] == 0
    assert ldm("report", run)[0] == 0
    assert ldm("train-diffusion", *again, "--set", "diffusion.training.steps=502")[0] == 0
    assert sorted((data.folder / "latents").iterdir()) == cached, (
        "the latents are those that were cached"
    )
    assert (
        ldm(
            "train-autoencoder",
            *again,
            "--set",
            "autoencoder.adversarial=false",
            "--precision",
            "float32",
        )[0]
        == 0
    )
    assert Run(run).autoencoder.checksum() == before
    assert ldm("train-autoencoder", *again, "--set", "autoencoder.training.steps=130")[0] == 0
    with pytest.raises(ValueError, match="another autoencoder"):
        load_denoiser(Run(run), 8, WORLD.device)


@pytest.mark.slow
def test_grain_comes_back(tmp_path, tiny_config):
    """Noise that no latent can hold: L1 leaves it out, an adversary puts some back."""
    random = np.random.default_rng(0)
    source = tmp_path / "source"
    for name, base in (("dark", 80), ("light", 170)):
        (source / name).mkdir(parents=True)
        for number in range(100):
            Image.fromarray(
                (base + 25 * random.standard_normal((16, 16, 3))).clip(0, 255).astype(np.uint8)
            ).save(source / name / f"{number}.png")
    prepare(str(source), tmp_path / "data", size=16, holdout=0.2)
    data, found = Dataset.open(tmp_path / "data"), {}
    for adversarial in ("false", "true"):
        run = Run(tmp_path / adversarial)
        settings = [
            f"autoencoder.adversarial={adversarial}",
            "autoencoder.model.latent_channels=2",
            "autoencoder.adversary.model.widths=[16,32,32]",
            "autoencoder.adversary.training.steps=400",
            "autoencoder.adversary.weight=0.1",
        ]
        train_autoencoder(
            run, data, load_config(tiny_config, settings, "float32").autoencoder, WORLD
        )
        model, images = (
            load_autoencoder(run, WORLD.device),
            from_uint8(data.images[data.test], WORLD.device),
        )
        decoded = model.decode(model.encode(images).mean)
        energy = [(x[..., 1:] - x[..., :-1]).square().mean().item() for x in (decoded, images)]
        found[adversarial] = energy[0] / energy[1]
    assert found["true"] > 1.3 * found["false"]


def test_a_sharpening_of_the_first_format_is_known_again():
    """Its settings called the EMA an average, and what it began with is a hash of them."""
    autoencoder = Autoencoder(AutoencoderConfig(latent_channels=2), 16)
    now, then = '{"adversary":{"ema_length":0.05}}', '{"adversary":{"average_length":0.05}}'
    assert fingerprint(autoencoder, now) == fingerprint(autoencoder, then)
    assert fingerprint(autoencoder, now) != fingerprint(autoencoder, now.replace("0.05", "0.1"))
