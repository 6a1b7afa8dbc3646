"""Inversion finds the noise that samples were drawn from, and brings real images back."""

import numpy as np
import pytest
import torch
from PIL import Image

from latent_diffusion import Pipeline
from latent_diffusion.exploration.inversion import round_trip
from latent_diffusion.exploration.pictures import held_out
from latent_diffusion.exploration.steering import conditioned
from latent_diffusion.run import Run
from latent_diffusion.sampling.generate import generate_latents
from latent_diffusion.sampling.inversion import invert
from latent_diffusion.sampling.noise import PerSeedNoise
from metrics import psnr


def test_the_noise_of_samples_is_found_again(tiny_run):
    pipe = Pipeline.from_run(tiny_run, device="cpu")
    config, shape = pipe.configured(sampler="heun", steps=40, guidance=1), (8, 4, 4)
    with torch.inference_mode():
        *_, latents = generate_latents(
            pipe.denoiser, shape, [4, 5, 6], [0, 1, 2], config, pipe.precision
        )
        *_, state = invert(conditioned(pipe, [0, 1, 2], config), latents, config.levels)
    noise = PerSeedNoise([4, 5, 6], pipe.device).draw(shape)
    assert (state / config.levels[0] - noise).square().mean().sqrt() < 0.1  # of 1


def test_the_round_trip_loses_less_than_a_decibel(tiny_run):
    pipe = Pipeline.from_run(tiny_run, device="cpu")
    config = pipe.configured(sampler="heun", steps=40, guidance=1)
    trip = round_trip(pipe, held_out(Run.open(tiny_run), 6), config)
    plain, returned = psnr(trip.originals, trip.plain), psnr(trip.originals, trip.returned)
    assert abs(plain - returned).max() < 1, (plain, returned)
    assert trip.noise.std() == pytest.approx(1, abs=0.4)
    assert psnr(trip.originals, trip.decoded_noise).max() < 20  # it is no picture any more


def test_command(tiny_run, tmp_path, ldm, fresh_shapes):
    Image.fromarray(fresh_shapes[0]).resize((40, 30)).save(tmp_path / "disk.png")
    for name, more in (
        ("held-out.png", ["--rows", 2]),
        ("named.png", [tmp_path / "disk.png", "class:cross/0", "--classes", "disk,cross"]),
        ("null.png", [tmp_path / "disk.png"]),
    ):
        options = [*more, "--steps", 5, "--device", "cpu"]
        status, output, errors = ldm("invert", tiny_run, tmp_path / name, *options)
        assert status == 0, errors
        assert "PSNR of the round trip" in output and "standard deviation" in output
    assert np.asarray(Image.open(tmp_path / "held-out.png")).shape[0] == 2 * (112 + 18 + 2) + 2
