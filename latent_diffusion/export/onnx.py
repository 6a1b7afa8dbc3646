"""`--format onnx`: encoder, decoder, denoiser and student for any language; samplers in NumPy.

Proved on the spot: networks against PyTorch, pictures of sample.py against the pipeline's.
"""

import inspect
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from latent_diffusion.export.folder import (
    Files,
    as_json,
    check_free,
    facts_of,
    student_of,
    write_files,
)
from latent_diffusion.export.networks import exported_networks
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import say
from latent_diffusion.sampling import samplers
from latent_diffusion.sampling.plan import cycle

SAMPLE_SCRIPT = Path(__file__).with_name("sample.py.txt")
FAST_SCRIPT = Path(__file__).with_name("fast.py.txt")
CHECKED_SEEDS = [1, 2]
LEAST_PSNR = 40.0  # dB between pictures of sample.py and of `ldm sample --precision float32`


def export_onnx(run: Path, out: Path, ema_length: float | None = None) -> None:
    """Write a run's networks, sample.py and config.json to a new folder, and say how they agree.

    Raise ValueError where the folder holds something, and where what was made does not do what
    PyTorch does.
    """
    check_free(out)
    pipe = Pipeline.from_run(run, "cpu", "float32", ema_length)
    fast = student_of(run, pipe)
    files: Files = {"config.json": as_json(facts_of(pipe, fast))}
    for name, exported in exported_networks(pipe, fast):
        files[f"{name}.onnx"] = exported.content
        size = len(exported.content) / 1e6
        say(
            f"{name}.onnx: {size:.1f} MB, differs from PyTorch by {exported.difference:.1e} at most"
        )
    # The samplers are plain arithmetic, and take arrays as they take tensors.
    files["samplers.py"] = inspect.getsource(samplers).encode()
    files["sample.py"] = SAMPLE_SCRIPT.read_bytes()
    compare(pipe, files, "sample.py", "ldm sample --precision float32")
    if fast:
        files["fast.py"] = FAST_SCRIPT.read_bytes()
        compare(fast, files, "fast.py", "ldm sample --fast --precision float32")
    write_files(out, files)


def compare(pipe: Pipeline, files: Files, script: str, command: str) -> None:
    """Say how far pictures of a script are from a pipeline's; ValueError where that is too far."""
    levels, psnr = picture_difference(pipe, files, script)
    say(
        f"{script}: pictures of seeds {CHECKED_SEEDS} differ from {command} by {levels} of 255 "
        f"levels at most, PSNR {psnr:.0f} dB"
    )


def picture_difference(
    pipe: Pipeline, files: Files, script: str = "sample.py"
) -> tuple[int, float]:
    """Return by how many levels pictures of a script differ at most from a pipeline's, and PSNR.

    PSNR is in dB, infinite where they are the same. Raise ValueError below LEAST_PSNR.
    """
    found = pictures_of_script(files, script)
    labels = cycle(CHECKED_SEEDS, range(pipe.facts.num_classes))
    few = pipe.sampling.model_copy(update={"compute_batch": len(CHECKED_SEEDS)})
    difference = found.astype(int) - pipe.generate(CHECKED_SEEDS, labels, few)
    error = float(np.square(difference).mean())
    psnr = 10 * np.log10(255**2 / error) if error else np.inf
    if psnr < LEAST_PSNR:
        raise ValueError(
            f"{script} draws other pictures than PyTorch (PSNR {psnr:.1f} dB, and {LEAST_PSNR:g} "
            "is wanted): this is a defect of latent-diffusion, please report it"
        )
    return int(np.abs(difference).max()), psnr


def pictures_of_script(files: Files, script: str) -> np.ndarray:
    """Return what a script draws of CHECKED_SEEDS, in its own process: uint8 (N, H, W, 3)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder, files)
        words = [sys.executable, script, "--seeds", CHECKED_SEEDS[0], CHECKED_SEEDS[-1]]
        done = subprocess.run([*map(str, words)], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise ValueError(f"{script} fails here: {done.stderr.strip().splitlines()[-1]}")
        paths = [folder / "pictures" / f"{seed:05d}.png" for seed in CHECKED_SEEDS]
        return np.stack([np.asarray(Image.open(path)) for path in paths])
