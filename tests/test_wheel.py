"""The built wheel, used where no checkout is: everything that the packages need is inside."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ELSEWHERE = """
import sys
from pathlib import Path
import latent_diffusion
assert Path(latent_diffusion.__file__).is_relative_to(sys.argv[1]), latent_diffusion.__file__
from latent_diffusion.config import find, own_names, read_extended
from latent_diffusion.evaluation.rubric import Rubric
from latent_diffusion.extras import install
assert len(own_names()) > 5 and read_extended(find(Path("cartoons_cpu")))["diffusion"]
assert Rubric.load("synth-cute").images
assert "[app]" not in install("app") and '"gradio>=' in install("app")
assert "onnxruntime" in install("export") and "huggingface-hub" in install("hub")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


def test_it_has_every_file_of_the_packages(wheel):
    inside = {name.replace("latent_diffusion/configs/", "configs/") for name in names(wheel)}
    kept = subprocess.run(
        ["git", "ls-files", "autoencoder", "metrics", "latent_diffusion", "configs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if kept.returncode:
        pytest.skip("not a checkout")
    assert not set(kept.stdout.splitlines()) - inside


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_it_works_from_any_folder(wheel, tmp_path):
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    words = [sys.executable, "-P", "-c", ELSEWHERE, str(site)]
    settings = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(words, cwd=elsewhere, env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
