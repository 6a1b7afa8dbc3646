"""The command line from a folder of pictures to scores, as a newcomer types it."""

import json
import subprocess
import sys
from io import BytesIO, TextIOWrapper

import numpy as np
import pytest
from PIL import Image

import latent_diffusion
from latent_diffusion.cli.common import app, main
from latent_diffusion.cli.options import names_in
from latent_diffusion.progress import say


def test_from_cartoons_to_scores(tmp_path, ldm):
    data, run = tmp_path / "data", tmp_path / "run"
    status, output, errors = ldm("prepare", "cartoons:330", data, "--size", "32")
    assert status == 0 and "330 images of 32x32" in output, errors
    settings = [
        "autoencoder.model.encoder_widths=[16]",
        "autoencoder.model.decoder_widths=[16]",
        "autoencoder.training.steps=10",
        "autoencoder.perceptual_classifier.training.steps=10",
        "autoencoder.adversary.training.steps=10",
        "classifier.model.widths=[16,32]",
        "classifier.training.steps=10",
        "diffusion.model.widths=[16,32]",
        "diffusion.model.attention_levels=[1]",
        "diffusion.training.steps=10",
        "diffusion.alignment.classifier.training.steps=10",
        "sampling.steps=3",
        "sampling.compute_batch=16",
    ]
    changed = [part for setting in settings for part in ("--set", setting)]
    for command in ("train-autoencoder", "train-classifier", "train-diffusion"):
        status, _, errors = ldm(
            command, "cartoons_cpu", "--data", data, "--run", run, *changed, "--device", "cpu"
        )
        assert status == 0, errors
    assert ldm("sample", run, run / "samples", "--seeds", "1-22")[0] == 0
    assert ldm("evaluate", run / "samples", "--run", run)[0] == 0
    assert ldm("reconstruct", run)[0] == 0
    scores = json.loads((run / "scores.json").read_text())
    assert scores[str(run / "samples")]["scores"]["fid"]["real"] > 0  # cartoons always have a floor
    assert 0 < scores["reconstruction"]["rfid_floor"]
    for picture in (
        "autoencoder/pictures/000010.png",
        "diffusion/pictures/000010.png",
        "samples/grid.png",
        "reconstructions.png",
    ):
        assert np.asarray(Image.open(run / picture)).std() > 10, picture
    assert {path.name for path in (data / "latents").iterdir() if not path.name.startswith(".")}


def test_a_class_name_with_a_comma_stands_in_quotes():
    assert names_in('"cat, black",dog') == ["cat, black", "dog"]
    assert names_in("cat, dog") == ["cat", "dog"]


def test_cartoons_as_synth_cute_files(tmp_path, ldm):
    clone = tmp_path / "clone"
    options = ["--files", clone, "--size", "32"]
    status, output, errors = ldm("prepare", "cartoons:132", tmp_path / "data", *options)
    assert status == 0 and "132 images of 32x32 in 11 classes" in output, errors
    assert len(list(clone.glob("??/*.png"))) == len(list(clone.glob("??/*.json"))) == 132
    status, _, errors = ldm("prepare", tmp_path, tmp_path / "other", "--files", tmp_path / "clone2")
    assert status == 2 and "cartoons" in errors


def test_a_perceptual_term_from_scratch(shapes, tiny_config, tmp_path, ldm):
    run = tmp_path / "run"
    changed = (
        "--set autoencoder.perceptual=classifier --set autoencoder.training.steps=10 "
        "--set autoencoder.perceptual_classifier.training.steps=10"
    )
    status, _, errors = ldm(
        "train-autoencoder", tiny_config, "--data", shapes, "--run", run, *changed.split()
    )
    assert status == 0, errors
    lines = (run / "autoencoder" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["perceptual"] > 0
    assert (run / "perceptual" / "model.safetensors").is_file()
    assert not (run / "classifier").exists()  # never the judge


def test_lpips_offline_is_one_line(shapes, tiny_config, tmp_path, ldm, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))
    arguments = [tiny_config, "--data", shapes, "--run", tmp_path / "run"]
    status, _, errors = ldm(
        "train-autoencoder", *arguments, "--set", "autoencoder.perceptual=lpips"
    )
    assert status == 2 and "lpips_backbone" in errors and errors.count("\n") == 1


@pytest.mark.parametrize("size", [28, 30, 128])
def test_sizes_from_end_to_end(size, tmp_path, ldm, tiny_config):
    data, run = tmp_path / "data", tmp_path / "run"
    assert ldm("prepare", "cartoons:110", data, "--size", size)[0] == 0
    short = (
        "--set autoencoder.training.steps=2 --set autoencoder.training.batch_size=4 "
        "--set diffusion.training.steps=2 --set diffusion.training.batch_size=4 "
        "--set sampling.steps=2"
    ).split()
    for command in ("train-autoencoder", "train-diffusion"):
        status, _, errors = ldm(command, tiny_config, "--data", data, "--run", run, *short)
        assert status == 0, errors
    assert ldm("sample", run, tmp_path / "s", "--seeds", "1-2")[0] == 0
    assert Image.open(tmp_path / "s" / "00001.png").size == (size, size)


def test_the_version_is_the_packages(ldm):
    status, output, _ = ldm("--version")
    assert (status, output.strip()) == (0, f"latent-diffusion {latent_diffusion.__version__}")
    status, output, _ = ldm("--help")
    assert status == 0 and "Latent diffusion that anyone can train" in output


def test_help_has_an_example_and_needs_no_torch():
    code = (
        "import sys; from latent_diffusion import cli; sys.argv = ['ldm', '{}', '--help']\n"
        "try: cli.main()\n"
        "finally: assert 'torch' not in sys.modules"
    )
    trainings = ["train-autoencoder", "train-classifier", "train-diffusion"]
    for command in ("prepare", *trainings, "sample", "evaluate", "reconstruct", "demo"):
        words = [sys.executable, "-c", code.format(command)]
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "Example: ldm " + command in done.stdout


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_terminals_that_know_few_letters_get_the_others_as_numbers(encoding, monkeypatch):
    """What is said and what is refused, with letters of three alphabets and a table's lines."""
    streams = {name: TextIOWrapper(BytesIO(), encoding=encoding) for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    monkeypatch.setattr(sys, "argv", ["ldm", "evaluate", "犬 …", "--run", "no run é"])

    def run(**_):
        say("犬: 3 файла …")
        raise ValueError("no class 犬")

    monkeypatch.setattr(f"{app.__class__.__module__}.Typer.__call__", lambda self, **_: run())
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    said = []
    for stream in streams.values():
        stream.flush()
        said.append(stream.buffer.getvalue().decode(encoding))
    dog = "犬" if encoding == "utf-8" else "\\u72ac"
    assert said[0].startswith(f"{dog}: 3 ") and f"no class {dog}" in said[1]
