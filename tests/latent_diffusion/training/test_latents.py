"""Where latents are cached, and that they are the same wherever they lie."""

import subprocess
import sys
import tempfile

import numpy as np
import pytest
import torch

from autoencoder import Autoencoder, AutoencoderConfig
from latent_diffusion.data.store import Dataset
from latent_diffusion.distributed import World
from latent_diffusion.images import from_uint8
from latent_diffusion.run import Run
from latent_diffusion.training import latents

WORLD = World(0, 1, torch.device("cpu"))


@pytest.fixture
def cache(shapes, tmp_path, monkeypatch):
    """cache(): the moments of a copy of the shapes by a small autoencoder; its data and run."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "data").mkdir()
    for path in shapes.glob("*.*"):
        (tmp_path / "data" / path.name).write_bytes(path.read_bytes())
    data, run = Dataset.open(tmp_path / "data"), Run(tmp_path / "run")
    torch.manual_seed(0)
    config = AutoencoderConfig(encoder_widths=(16,), decoder_widths=(16,))
    autoencoder = Autoencoder(config, 16).eval()

    def call():
        return latents.cached_moments(data, run, autoencoder, "a" * 64, "float32", WORLD)

    call.data, call.run, call.autoencoder = data, run, autoencoder
    return call


def files(folder) -> list[str]:
    return [path.name for path in folder.glob("*")] if folder.is_dir() else []


@torch.inference_mode()
def test_they_are_what_the_autoencoder_says_in_both_views(cache):
    found, data = cache(), cache.data
    images = from_uint8(data.images[data.train], WORLD.device)
    for view in range(len(found)):
        moments = cache.autoencoder.encode(images.flip(-1) if view else images).moments
        assert np.allclose(found[view], moments.numpy(), atol=2e-3)
    (name,) = files(data.folder / "latents")
    assert not files(cache.run.folder / "latents")
    path = data.folder / "latents" / name
    before = path.stat().st_mtime_ns
    cache()
    assert path.stat().st_mtime_ns == before, "encoded once"
    whole = np.array(found)  # what is mapped is cut with its file
    path.write_bytes(path.read_bytes()[:-100])
    assert np.array_equal(cache(), whole), "a cut one is encoded again"


def test_they_go_elsewhere_where_the_data_set_cannot_be_written_to(cache, monkeypatch, capsys):
    """To the run, a temporary folder, memory; a file in the way stands for a read-only folder."""
    expected = np.array(cache())
    where = cache.data.folder / "latents"
    for path in where.iterdir():
        path.unlink()
    where.rmdir()
    where.touch()
    assert np.array_equal(cache(), expected) and len(files(cache.run.folder / "latents")) == 1
    assert "latents go to" in capsys.readouterr().out
    latents.forget_moments(cache.data, cache.run, "a" * 64)
    assert not files(cache.run.folder / "latents")
    (cache.run.folder / "latents").rmdir()
    (cache.run.folder / "latents").touch()
    found = cache()
    assert np.array_equal(found, expected) and tempfile.gettempdir() in str(found.filename)
    monkeypatch.setattr(latents, "free_bytes", lambda folder: 10)
    found = cache()
    assert np.array_equal(found, expected) and not isinstance(found, np.memmap)
    monkeypatch.setattr(latents, "MOST_IN_MEMORY", 100)
    with pytest.raises(ValueError, match=r"no place for .* of latents"):
        cache()


def test_the_half_of_a_dead_process_is_swept_away(cache, monkeypatch):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    folder = cache.data.folder / "latents"
    folder.mkdir()
    (folder / f".half.npy.{dead.pid}").write_bytes(b"x")
    monkeypatch.setattr(latents, "LEFT_ALONE", 0)
    cache()
    assert len(files(folder)) == 1 and files(folder)[0].endswith("float32.npy")
