"""Walks end at the very images that `ldm sample` draws, and are smooth between them."""

import numpy as np
import pytest
from PIL import Image

from latent_diffusion import Pipeline
from latent_diffusion.exploration.pictures import find_pictures
from latent_diffusion.exploration.walks import image_walk, seed_walk
from latent_diffusion.run import Run
from metrics import psnr

FRAMES = 25


def distances(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(images.astype(float) - others).mean(axis=(1, 2, 3)))


def assert_smooth(frames: np.ndarray) -> None:
    steps, ends = distances(frames[1:], frames[:-1]), distances(frames[:1], frames[-1:])[0]
    assert ends > 15 and steps.max() < ends / 3 and np.median(steps) < ends / 10, (ends, steps)


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "ddpm"])
@pytest.mark.parametrize(
    "seeds, labels", [((3, 8), [(0, 0), (2, 2)]), ((3, 3), [(0, 1)]), ((3, 8), [(2, 0)])]
)
def test_ends_are_samples_and_steps_are_small(tiny_run, sampler, seeds, labels):
    pipe = Pipeline.from_run(tiny_run, device="cpu")
    config = pipe.configured(sampler=sampler, guidance=1.5)
    walks = seed_walk(pipe, seeds, labels, FRAMES, config)
    assert walks.shape == (len(labels), FRAMES, 16, 16, 3)
    for frames, (first, second) in zip(walks, labels, strict=True):
        drawn = pipe.generate(seeds, [first, second], config)
        assert np.array_equal(frames[0], drawn[0]) and np.array_equal(frames[-1], drawn[1])
        assert_smooth(frames)


def test_between_real_images(tiny_run):
    pipe, run = Pipeline.from_run(tiny_run, device="cpu"), Run.open(tiny_run)
    pictures = find_pictures(["class:disk/1", "class:cross/2"], run)
    frames = image_walk(
        pipe, pictures, FRAMES, pipe.configured(sampler="heun", guidance=1, steps=12)
    )[0]
    plain = pipe.codec.reconstruct(pictures.images)
    assert psnr(plain, frames[[0, -1]]).min() > 35
    assert_smooth(frames)
    with pytest.raises(ValueError, match="ddpm draws fresh noise"):
        image_walk(pipe, pictures, 3, pipe.configured(sampler="ddpm"))


def test_commands(tiny_run, tmp_path, ldm):
    def call(name, *more):
        status, output, errors = ldm(
            "interpolate", tiny_run, tmp_path / name, "--frames", 6, "--device", "cpu", *more
        )
        assert status == 0, errors
        return output

    options = "--seeds 7 --classes square --device cpu".split()
    assert ldm("sample", tiny_run, tmp_path / "samples", *options)[0] == 0
    call("seeds.png", "--seeds", "3,7", "--classes", "square")
    sheet = np.asarray(Image.open(tmp_path / "seeds.png"))  # tiles of 112 with gaps of 2
    last = sheet[2:-2, -114:-2][::7, ::7]
    assert np.array_equal(last, np.asarray(Image.open(tmp_path / "samples" / "00007.png")))
    assert "3 walks of 6 frames" in call("every.png")
    call("classes.gif", "--classes", "disk,cross")
    assert Image.open(tmp_path / "classes.gif").n_frames == 10  # there and back, each end once
    ends = ["class:disk/0", tmp_path / "samples" / "00007.png"]
    call("images.webp", "--images", *ends, "--steps", "4")
    assert Image.open(tmp_path / "images.webp").n_frames > 4
