"""`ldm app` refuses in one line what it cannot do."""

import shutil
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from latent_diffusion import extras
from latent_diffusion.cli import serving
from latent_diffusion.evaluation.scores import Scores
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.run import Run


def test_a_port_in_use_is_one_line(tiny_run, ldm):
    pytest.importorskip("gradio")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        status, _, errors = ldm("app", tiny_run, "--port", taken.getsockname()[1])
    assert status == 2 and "in use" in errors and "--port" in errors and errors.count("\n") == 1


def test_without_gradio_the_remedy_is_named(tiny_run, ldm, monkeypatch):
    monkeypatch.setattr(serving, "find_spec", lambda name: None)
    status, _, errors = ldm("app", tiny_run)
    root = Path(serving.__file__).parents[2]
    assert status == 2 and f'pip install -e "{root}[app]"' in errors and errors.count("\n") == 1


def test_a_wheel_names_the_packages_themselves(monkeypatch, tmp_path):
    """No index has this package, so its own name would not do."""
    monkeypatch.setattr(extras, "ROOT", tmp_path)
    assert "latent-diffusion[" not in extras.install("app")
    assert 'pip install "gradio>=' in extras.install("app")


def test_a_run_without_a_denoiser_is_one_line(tiny_run, tmp_path, ldm):
    pytest.importorskip("gradio")
    (tmp_path / "run" / "autoencoder").mkdir(parents=True)
    for name in ("config.toml", "model.safetensors"):
        (tmp_path / "run" / "autoencoder" / name).symlink_to(tiny_run / "autoencoder" / name)
    status, _, errors = ldm("app", tmp_path / "run", "--port", 7999)
    assert status == 2 and "train-diffusion" in errors and errors.count("\n") == 1


def test_the_page_opens_with_pictures_of_the_run(tiny_run, tmp_path, ldm):
    pytest.importorskip("gradio")
    from latent_diffusion.app.tabs.generate import first_pictures

    run = Run(shutil.copytree(tiny_run, tmp_path / "run"))
    pipe = Pipeline.from_run(run.folder, "cpu")
    assert "The preview after step 500" in first_pictures(run, pipe)
    assert ldm("sample", run.folder, run.folder / "samples", "--seeds", "1-3")[0] == 0
    shown = first_pictures(run, pipe)
    assert shown.count("<img") == 3 and "disk, seed 2" in shown
    retrained = replace(pipe, checksum="of other networks")
    assert "The preview after step 500" in first_pictures(run, retrained)
    (run.folder / "samples" / "samples.json").write_text("no list")
    shutil.rmtree(run.diffusion.folder / "pictures")
    assert "Images appear here" in first_pictures(run, pipe)


def test_the_scores_that_were_recorded_last_are_those_of_samples(tmp_path):
    pytest.importorskip("gradio")
    from latent_diffusion.app.tabs.scores import last_scores

    run = Run(tmp_path)
    assert last_scores(run) is None
    run.add_scores("old", Scores(n=5, network="none", identity="", reference="x").model_dump())
    run.add_scores("new", Scores(n=7, network="none", identity="", reference="x").model_dump())
    run.add_scores("judge", {"test_accuracy": 0.9})
    name, scores = last_scores(run)
    assert name == "new" and scores.n == 7
