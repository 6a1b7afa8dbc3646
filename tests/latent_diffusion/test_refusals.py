"""A user's mistake gets exit status 2 and one line: what is wrong, what to do. Nothing is lost."""

import shutil

import numpy as np
import pytest
from PIL import Image

from latent_diffusion.data.prepare import prepare
from latent_diffusion.run import Run


@pytest.fixture
def refused(ldm):
    def call(*arguments) -> str:
        status, _, errors = ldm(*arguments)
        assert status == 2, errors
        assert errors.count("\n") == 1 and errors.startswith("ldm: ")
        return errors

    return call


@pytest.mark.parametrize(
    "setting, hints",
    [
        ("autoencoder.training.stepz=5", ["autoencoder.training.stepz", "did you mean steps"]),
        ("autoencoder.training.steps=many", ["autoencoder.training.steps", "'many'", "integer"]),
        ("autoencoder.training.steps=0", ["autoencoder.training.steps", "greater"]),
        ("diffusion.model.attention_levels=[7]", ["level 7"]),
        ("diffusoin.training.steps=5", ["did you mean diffusion"]),
        ("autoencoder.perceptual=vgg", ["'none'", "'lpips'"]),
        (
            "autoencoder.adversary.model.widths=[0,16,16]",
            ["autoencoder.adversary.model.widths", "greater"],
        ),
        ("autoencoder.adversary.weight=inf", ["autoencoder.adversary.weight", "finite"]),
        ("autoencoder.adversary.training.snapshots=2", ["autoencoder.adversary", "leave them out"]),
        (
            "autoencoder.adversary.training.compile=default",
            ["autoencoder.adversary", "leave them out"],
        ),
        ("steps", ["a.b=value"]),
    ],
)
def test_settings(refused, shapes, tiny_config, tmp_path, setting, hints):
    arguments = [tiny_config, "--data", shapes, "--run", tmp_path / "run"]
    message = refused("train-autoencoder", *arguments, "--set", setting)
    assert all(hint in message for hint in hints), message
    assert not (tmp_path / "run").exists()


def test_unknown_key_in_a_file(refused, shapes, tmp_path):
    config = tmp_path / "mine.toml"
    config.write_text("[diffusion.training]\nbatchsize = 4\n")
    message = refused("train-diffusion", config, "--data", shapes, "--run", tmp_path / "run")
    assert "mine.toml" in message and "did you mean batch_size" in message


def test_config_that_is_no_toml_or_not_there(refused, shapes, tmp_path):
    (tmp_path / "broken.toml").write_text("steps = = 3")
    assert "not valid TOML" in refused(
        "train-autoencoder", tmp_path / "broken.toml", "--data", shapes, "--run", tmp_path / "run"
    )
    assert "cartoons_cpu" in refused(
        "train-autoencoder", "nothing.toml", "--data", shapes, "--run", tmp_path / "run"
    )


def test_missing_data_and_runs(refused, shapes, tiny_run, tmp_path):
    assert "ldm prepare" in refused(
        "train-autoencoder", "--data", tmp_path / "none", "--run", tmp_path / "run"
    )
    assert "no run at" in refused("sample", tmp_path / "none", tmp_path / "out")
    assert "there are no images at" in refused("evaluate", tmp_path / "none", "--run", tiny_run)
    assert "is not a run" in refused("sample", shapes, tmp_path / "out")


def test_stages_in_the_wrong_order(refused, shapes, tiny_config, tiny_run, tmp_path):
    assert "train-autoencoder" in refused(
        "train-diffusion", tiny_config, "--data", shapes, "--run", tmp_path / "run"
    )
    run = shutil.copytree(tiny_run, tmp_path / "copy")
    (run / "diffusion" / "model.safetensors").unlink()
    assert "train-diffusion" in refused("sample", run, tmp_path / "out")


def test_other_data_than_the_run_was_made_from(refused, tiny_config, tiny_run, shapes, tmp_path):
    for name in ("disk", "ring"):
        (tmp_path / "source" / name).mkdir(parents=True)
        for number in range(12):
            Image.new("RGB", (16, 16), (number * 20, 0, 0)).save(
                tmp_path / "source" / name / f"{number}.png"
            )
    prepare(str(tmp_path / "source"), tmp_path / "classes", size=16)
    prepare(str(tmp_path / "source"), tmp_path / "size", size=24)
    over = [tiny_config, "--run", tiny_run, "--overwrite"]
    message = refused("train-classifier", *over, "--data", tmp_path / "classes")
    assert "other data" in message and "ring" in message
    message = refused("train-diffusion", *over, "--data", tmp_path / "size")
    assert "16x16" in message and "24x24" in message
    assert Run(tiny_run).diffusion.trained and Run(tiny_run).classifier.trained


def test_a_denoiser_of_another_autoencoder(refused, ldm, shapes, tiny_config, tiny_run, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "copy")
    again = [tiny_config, "--data", shapes, "--run", run]
    fewer = "--overwrite --set autoencoder.training.steps=5 --device cpu".split()
    assert ldm("train-autoencoder", *again, *fewer)[0] == 0
    assert "retrained" in refused("sample", run, tmp_path / "out")
    status, output, errors = ldm("train-diffusion", *again, "--set", "diffusion.training.steps=5")
    assert status == 0 and "retrained" in output, errors
    assert ldm("sample", run, tmp_path / "out", "--seeds", "1")[0] == 0


def test_a_trained_part_is_not_overwritten_unasked(refused, shapes, tiny_config, tiny_run):
    before = Run(tiny_run).autoencoder.checksum()
    message = refused("train-autoencoder", tiny_config, "--data", shapes, "--run", tiny_run)
    assert "--resume" in message and "--overwrite" in message
    assert Run(tiny_run).autoencoder.checksum() == before


def test_sampling_arguments(refused, tiny_run, tmp_path):
    assert "its classes are cross, disk, square" in refused(
        "sample", tiny_run, tmp_path / "o", "--classes", "disk,cow"
    )
    for seeds in ("0-", "5-1", "a", "", "-3", "1,,2"):
        assert "1-100" in refused("sample", tiny_run, tmp_path / "o", "--seeds", seeds)
    assert "dpmpp_2m" in refused("sample", tiny_run, tmp_path / "o", "--sampler", "no-such-sampler")
    assert "steps" in refused("sample", tiny_run, tmp_path / "o", "--steps", "0")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("important")
    assert "thesis.txt" in refused("sample", tiny_run, tmp_path / "mine")
    assert "must end in" in refused("process", tiny_run, tmp_path / "process")
    assert "must end in" in refused("process", tiny_run, tmp_path / "process.gif", "--plain")
    assert "must end in" in refused(
        "audit", tmp_path, "--run", tiny_run, "--data", tmp_path, "--out", tmp_path / "pairs.txt"
    )
    assert "no snapshots" in refused("sample", tiny_run, tmp_path / "o", "--average", "0")


def test_a_device_that_is_not_there(refused, tiny_run, tmp_path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a cuda device")
    assert "not available" in refused("sample", tiny_run, tmp_path / "o", "--device", "cuda")


def test_damaged_files(refused, tiny_run, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "copy")
    (run / "diffusion" / "model.safetensors").write_bytes(b"\x00" * 40)
    assert "damaged" in refused("sample", run, tmp_path / "o")
    (run / "reference" / "images.npy").write_bytes(b"")
    assert "missing or damaged" in refused("reconstruct", run)


def test_samples_of_another_size(refused, tiny_run, tmp_path):
    (tmp_path / "s").mkdir()
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "s" / "1.png")
    message = refused("evaluate", tmp_path / "s", "--run", tiny_run)
    assert "32x32" in message and "16x16" in message


def test_debug_shows_where(monkeypatch, tmp_path):
    import sys

    from latent_diffusion import cli

    words = ["ldm", "sample", str(tmp_path / "none"), str(tmp_path / "o"), "--debug"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(ValueError, match="no run at"):
        cli.main()


def test_a_refused_start_loses_nothing(refused, shapes, tiny_config, tiny_run, tmp_path):
    """--overwrite deletes only once nothing can refuse the new training any more."""
    run = shutil.copytree(tiny_run, tmp_path / "copy")
    before = (Run(run).diffusion.checksum(), Run(run).autoencoder.checksum())
    again = [tiny_config, "--data", shapes, "--run", run, "--overwrite"]
    refused("train-diffusion", *again, "--init", tmp_path / "typo")
    lpips = "--set autoencoder.perceptual=lpips --set autoencoder.lpips_backbone=none.pth"
    refused("train-autoencoder", *again, *lpips.split())
    assert (Run(run).diffusion.checksum(), Run(run).autoencoder.checksum()) == before
    assert Run(run).diffusion.checkpoint_path.is_file()


def test_resume_on_changed_data(refused, shapes, tiny_run, tmp_path):
    run, data = shutil.copytree(tiny_run, tmp_path / "run"), tmp_path / "data"
    source = tmp_path / "source"
    for name in ("cross", "disk", "square"):
        (source / name).mkdir(parents=True)
        for number in range(12):
            Image.new("RGB", (16, 16), (number * 20, 0, len(name) * 30)).save(
                source / name / f"{number}.png"
            )
    prepare(str(source), data, size=16)
    assert "has changed" in refused("train-diffusion", "--data", data, "--run", run, "--resume")
    message = refused("sample", run, tmp_path / "o", "--seeds", "x")
    assert "other data" not in message  # the run is as it was


def test_resume_to_fewer_steps_than_were_done(refused, shapes, tiny_run, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    fewer = ["--resume", "--set", "diffusion.training.steps=10"]
    message = refused("train-diffusion", "--data", shapes, "--run", run, *fewer)
    assert "has done 500 steps" in message


def test_scores_are_shown_though_they_cannot_be_recorded(tiny_run, shapes, tmp_path, ldm):
    """Folders in the place of files stand for a run that belongs to somebody else."""
    run = shutil.copytree(tiny_run, tmp_path / "run")
    for name in ("scores.json", "detectability.png"):
        (run / name).unlink(missing_ok=True)
        (run / name).mkdir()
    status, output, errors = ldm("evaluate", shapes, "--run", run, "--device", "cpu")
    assert status == 0 and "FID" in output, errors
    words = " ".join(output.split())
    assert "not recorded in" in words and " recorded in" not in words.replace("not recorded in", "")


def test_a_place_that_cannot_be_written_to_is_found_at_once(refused, tiny_run, tmp_path):
    (tmp_path / "file").touch()
    nowhere = tmp_path / "file" / "x.png"
    assert "give another place to write to" in refused("report", tiny_run, "--out", nowhere)
    assert "give another place to write to" in refused("reconstruct", tiny_run, "--out", nowhere)
    assert "give another place to write to" in refused(
        "compare", tiny_run, tiny_run, "--out", nowhere
    )
    sweep = ("sweep", tiny_run, nowhere, "--guidance", "1,2")
    assert "give another place to write to" in refused(*sweep)


def test_check_data_refuses_changed_pixels(refused, shapes, tiny_config, tmp_path):
    data = shutil.copytree(shapes, tmp_path / "data")
    pixels = bytearray((data / "images.npy").read_bytes())
    pixels[-1] ^= 1
    (data / "images.npy").write_bytes(pixels)
    arguments = (tiny_config, "--data", data, "--run", tmp_path / "run", "--check-data")
    assert "checksum does not hold" in refused("train-classifier", *arguments)
    assert not (tmp_path / "run").exists()
