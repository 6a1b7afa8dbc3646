"""The denoising process begins with pure noise and ends with the very image that `ldm sample` writes."""

import numpy as np
import pytest
from PIL import Image

from latent_diffusion import Pipeline
from latent_diffusion.inspection.process import process_frames
from latent_diffusion.sampling.samplers import SAMPLERS


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_first_frame_is_noise_and_the_last_is_the_sample(tiny_run, sampler):
    pipe = Pipeline.from_run(tiny_run, device="cpu")
    config = pipe.configured(sampler=sampler, steps=8)
    frames = process_frames(pipe.denoiser, pipe.codec, [1, 2, 3], [0, 1, 2], config, 4)
    assert frames.shape == (3, 5, 16, 16, 3)
    assert np.array_equal(frames[:, -1], pipe.generate([1, 2, 3], [0, 1, 2], config))
    errors = [np.abs(frames[:, part].astype(int) - frames[:, -1]).mean() for part in range(5)]
    assert errors[0] > 3 * errors[3] and errors[-1] == 0


def test_sheet_tiles_and_animation(tiny_run, tmp_path, ldm):
    for name, more in (
        ("sheet.png", []),
        ("tiles.png", ["--plain"]),
        ("moving.gif", []),
        ("moving.webp", []),
    ):
        status, _, errors = ldm(
            "process",
            tiny_run,
            tmp_path / name,
            "--rows",
            8,
            "--parts",
            7,
            "--device",
            "cpu",
            *more,
        )
        assert status == 0, errors
    assert Image.open(tmp_path / "tiles.png").size == (8 * 16, 8 * 16)
    assert (
        Image.open(tmp_path / "moving.gif").n_frames == 8
        and Image.open(tmp_path / "moving.webp").n_frames > 3
    )  # WebP merges equal ones
    status, _, errors = ldm(
        "process", tiny_run, tmp_path / "x.png", "--parts", 9, "--device", "cpu"
    )
    assert status == 2 and "8 steps cannot be divided into 9 parts" in errors
