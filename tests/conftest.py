"""Shared by all tests: one small run trained on coloured shapes.

It is made through the command line, in about half a minute.
"""

import os
import sys
from pathlib import Path

# Networks of this size are faster so, and busy machines stay usable.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from PIL import Image, ImageDraw

COLOURS = {"disk": (220, 60, 50), "cross": (60, 160, 220), "square": (90, 190, 90)}
TINY = """
[autoencoder.model]
encoder_widths = [32]
decoder_widths = [32]
encoder_blocks = 1
decoder_blocks = 1
[autoencoder.training]
steps = 120
batch_size = 32
warmup_steps = 10
precision = "float32"
[classifier.model]
widths = [32, 48]
[classifier.training]
steps = 80
batch_size = 32
learning_rate = 3e-3
warmup_steps = 10
precision = "float32"
[diffusion.model]
widths = [32, 64]
attention_levels = [1]
embedding_width = 64
[diffusion.training]
steps = 500
batch_size = 32
learning_rate = 2e-3
warmup_steps = 20
precision = "float32"
[sampling]
steps = 8
compute_batch = 8
"""


def draw_shape(name: str, seed: int, size: int = 16) -> np.ndarray:
    """A shape of its class's colour on a light ground, moved and shaded a little."""
    random = np.random.default_rng([seed, *name.encode()])
    ground = tuple(int(v) for v in random.integers(215, 256, 3))
    colour = tuple(int(np.clip(v + random.integers(-20, 21), 0, 255)) for v in COLOURS[name])
    image = Image.new("RGB", (size, size), ground)
    pen, radius = ImageDraw.Draw(image), size * random.uniform(0.25, 0.35)
    x, y = size / 2 + random.uniform(-2, 2, 2)
    box = (x - radius, y - radius, x + radius, y + radius)
    if name == "disk":
        pen.ellipse(box, fill=colour)
    elif name == "square":
        pen.rectangle(box, fill=colour)
    else:
        pen.line((x - radius, y, x + radius, y), fill=colour, width=3)
        pen.line((x, y - radius, x, y + radius), fill=colour, width=3)
    return np.asarray(image)


def write_shapes(folder: Path, count: int = 60, names=tuple(COLOURS), size: int = 16) -> Path:
    for name in names:
        (folder / name).mkdir(parents=True)
        for seed in range(count):
            Image.fromarray(draw_shape(name, seed, size)).save(folder / name / f"{seed}.png")
    return folder


@pytest.fixture
def ldm(monkeypatch, capsys):
    """Run the command line in this process.

    `ldm("sample", run, out)` -> (exit status, standard output, standard error).
    """
    from latent_diffusion import cli

    def call(*arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ldm", *map(str, arguments)])
        try:
            cli.main()
            status = 0
        except SystemExit as stop:
            status = stop.code or 0
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.fixture(scope="session")
def shapes(tmp_path_factory) -> Path:
    """A prepared data set of 3 x 60 shapes, 16x16."""
    from latent_diffusion.data.prepare import prepare

    source = write_shapes(tmp_path_factory.mktemp("source"))
    folder = tmp_path_factory.mktemp("data") / "shapes"
    prepare(str(source), folder, size=16, holdout=0.2)
    return folder


@pytest.fixture(scope="session")
def fresh_shapes() -> np.ndarray:
    """60 shapes that are not in the data set, uint8 (N, 16, 16, 3)."""
    return np.stack([draw_shape(name, seed) for seed in range(1000, 1020) for name in COLOURS])


@pytest.fixture(scope="session")
def tiny_config(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("config") / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def tiny_run(shapes, tiny_config, tmp_path_factory) -> Path:
    """A run with all three networks trained on the shapes."""
    from latent_diffusion import cli

    run, arguments = tmp_path_factory.mktemp("runs") / "tiny", sys.argv
    try:
        for command in ("train-autoencoder", "train-classifier", "train-diffusion"):
            files = [str(tiny_config), "--data", str(shapes), "--run", str(run)]
            sys.argv = ["ldm", command, *files, "--device", "cpu"]
            cli.main()
    finally:
        sys.argv = arguments
    return run


@pytest.fixture(scope="session")
def taught_run(tiny_run, tmp_path_factory) -> Path:
    """The tiny run with a student of its denoiser, as `ldm distill` trains it."""
    import shutil

    from latent_diffusion import cli

    run = shutil.copytree(tiny_run, tmp_path_factory.mktemp("runs") / "taught")
    settings = ("steps=150", "learning_rate=2e-3", "precision=float32")
    told = [word for one in settings for word in ("--set", f"student.training.{one}")]
    arguments = sys.argv
    try:
        told += ["--set", "student.passes=4", "--device", "cpu"]
        sys.argv = ["ldm", "distill", str(run), *told]
        cli.main()
    finally:
        sys.argv = arguments
    return run
