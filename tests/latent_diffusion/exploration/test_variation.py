"""Variations lie between reconstruction and fresh sample, in the order of their strength."""

import numpy as np
import pytest
from PIL import Image

from latent_diffusion import Pipeline
from latent_diffusion.exploration.pictures import find_pictures
from latent_diffusion.exploration.variation import noise_level, vary
from latent_diffusion.run import Run
from metrics import psnr


def test_from_the_image_to_a_sample(tiny_run):
    pipe = Pipeline.from_run(tiny_run, device="cpu")
    images = find_pictures(
        ["class:disk/0", "class:disk/1", "class:square/0"], Run.open(tiny_run)
    ).images
    labels, seeds, config = [0, 2, 1], [5, 6, 7], pipe.configured(guidance=1.5, steps=12)
    varied = vary(pipe, images, labels, seeds, [0.02, 0.3, 0.6, 1], config)
    assert varied.shape == (3, 4, 16, 16, 3)
    plain, fresh = (pipe.codec.reconstruct(images), pipe.generate(seeds, labels, config))
    assert psnr(varied[:, 0], plain).min() > 30 and psnr(varied[:, 3], fresh).min() > 25
    kept = [psnr(varied[:, column], plain).mean() for column in range(4)]
    assert kept == sorted(kept, reverse=True) and kept[0] > kept[3] + 15, kept


def test_seeds_differ_and_rows_do_not_depend_on_company(tiny_run):
    pipe = Pipeline.from_run(tiny_run, device="cpu")
    images = find_pictures(["class:disk/0"] * 3, Run.open(tiny_run)).images
    config = pipe.configured(steps=6)
    together = vary(pipe, images, [1, 1, 2], [5, 6, 5], [0.8], config)
    assert np.array_equal(together[2], vary(pipe, images[:1], [2], [5], [0.8], config)[0])
    assert psnr(together[0], together[1]).max() < 40


def test_noise_levels_rise_with_the_strength(tiny_run):
    config = Pipeline.from_run(tiny_run, device="cpu").sampling
    levels = [noise_level(strength, config) for strength in np.linspace(0.01, 1, 100)]
    assert levels == sorted(levels) and levels[-1] == config.first_level
    assert noise_level(0.5, config) == pytest.approx(1)
    for strength in (0, -1, 0.005, 1.01, float("nan")):
        with pytest.raises(ValueError, match="--strength"):
            noise_level(strength, config)


def test_command(tiny_run, tmp_path, ldm):
    options = "--classes cross,square --seeds 1-2 --strength 0.5,0.8 --steps 4 --device cpu"
    status, _, errors = ldm(
        "vary", tiny_run, tmp_path / "out.png", "class:disk/0", *options.split()
    )
    assert status == 0, errors
    assert Image.open(tmp_path / "out.png").height == 4 * 132 + 2
