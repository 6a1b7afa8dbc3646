"""The denoising process begins with pure noise and ends with what `ldm sample` writes."""

import numpy as np
import pytest
from PIL import Image

from latent_diffusion import Pipeline
from latent_diffusion.inspection.process import process_frames
from latent_diffusion.sampling.samplers import SAMPLERS

CPU = ("--device", "cpu")


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_first_frame_is_noise_and_the_last_is_the_sample(tiny_run, sampler):
    pipe = Pipeline.from_run(tiny_run, device="cpu")
    config = pipe.configured(sampler=sampler, steps=8)
    frames = process_frames(pipe.denoiser, pipe.codec, [1, 2, 3], [0, 1, 2], config, 4)
    assert frames.shape == (3, 5, 16, 16, 3)
    assert np.array_equal(frames[:, -1], pipe.generate([1, 2, 3], [0, 1, 2], config))
    errors = [np.abs(frames[:, part].astype(int) - frames[:, -1]).mean() for part in range(5)]
    assert errors[0] > 3 * errors[3] and errors[-1] == 0


@pytest.mark.parametrize("name", ["sheet.png", "tiles.png", "moving.gif", "moving.webp"])
def test_sheet_tiles_and_animation(tiny_run, tmp_path, ldm, name):
    plain = ["--plain"] if name == "tiles.png" else []
    path = tmp_path / name
    status, _, errors = ldm("process", tiny_run, path, "--rows", 8, "--parts", 7, *plain, *CPU)
    assert status == 0, errors
    picture = Image.open(path)
    if name == "tiles.png":
        assert picture.size == (8 * 16, 8 * 16)
    if name == "moving.gif":
        assert picture.n_frames == 8
    if name == "moving.webp":
        assert picture.n_frames > 3  # WebP merges equal ones


def test_more_parts_than_steps_are_refused(tiny_run, tmp_path, ldm):
    status, _, errors = ldm("process", tiny_run, tmp_path / "x.png", "--parts", 9, *CPU)
    assert status == 2 and "8 steps cannot be divided into 9 parts" in errors
