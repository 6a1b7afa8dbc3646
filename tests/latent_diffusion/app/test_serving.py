"""`ldm app` refuses in one line what it cannot do."""

import socket

import pytest

from latent_diffusion.cli import serving


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
    assert (
        status == 2 and 'pip install "latent-diffusion[app]"' in errors and errors.count("\n") == 1
    )


def test_a_run_without_a_denoiser_is_one_line(tiny_run, tmp_path, ldm):
    pytest.importorskip("gradio")
    (tmp_path / "run" / "autoencoder").mkdir(parents=True)
    for name in ("config.toml", "model.safetensors"):
        (tmp_path / "run" / "autoencoder" / name).symlink_to(tiny_run / "autoencoder" / name)
    status, _, errors = ldm("app", tmp_path / "run", "--port", 7999)
    assert status == 2 and "train-diffusion" in errors and errors.count("\n") == 1
