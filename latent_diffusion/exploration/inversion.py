"""Real images to noise by the ODE run backwards, and back again: what is lost on the way, and how Gaussian is the noise?"""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from rich.table import Table
from torch import Tensor

from latent_diffusion.exploration.pictures import Pictures
from latent_diffusion.exploration.sheets import captioned
from latent_diffusion.exploration.steering import conditioned, last
from latent_diffusion.inspection.grids import ERROR_GAIN, error_maps, grid
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.sampling.config import SamplingConfig
from latent_diffusion.sampling.inversion import invert
from latent_diffusion.sampling.samplers import SAMPLERS
from metrics import psnr


@dataclass(frozen=True)
class RoundTrip:
    """Images uint8 (N, H, W, 3) each, and the noise (N, C, h, w)."""

    originals: np.ndarray
    plain: np.ndarray  # encoded and decoded
    noise: Tensor
    decoded_noise: np.ndarray
    double: np.ndarray  # encoded, to noise, back to latents, decoded
    captions: list[str]


def to_noise(
    pipe: Pipeline, pictures: Pictures, config: SamplingConfig, latents: Tensor | None = None
) -> Tensor:
    """Noise (N, C, h, w) that the deterministic samplers make these images from, under their labels."""
    if latents is None:
        latents = pipe.codec.batched(config.compute_batch).encode(pictures.images)
    states = invert(conditioned(pipe, pictures.labels, config), latents, config.levels)
    return last(states, "to noise", config.steps, len(latents)) / config.levels[0]


def round_trip(pipe: Pipeline, pictures: Pictures, config: SamplingConfig) -> RoundTrip:
    """Up by Heun's steps and down by the config's sampler, over the same noise levels."""
    codec = pipe.codec.batched(config.compute_batch)
    latents = codec.encode(pictures.images)
    noise, sigmas = to_noise(pipe, pictures, config, latents), config.levels
    denoise = conditioned(pipe, pictures.labels, config)
    back = last(
        SAMPLERS[config.sampler](denoise, sigmas[0] * noise, sigmas, torch.zeros_like),
        "and back",
        config.steps,
        len(noise),
    )
    plain, decoded_noise, double = (codec.decode(x) for x in (latents, noise, back))
    return RoundTrip(pictures.images, plain, noise, decoded_noise, double, pictures.captions)


def sheet(trip: RoundTrip) -> Image.Image:
    """A row an image: original, plain reconstruction, noise, double pass, its error."""
    plain, double = psnr(trip.originals, trip.plain), psnr(trip.originals, trip.double)
    errors, deviations = (
        error_maps(trip.originals, trip.double),
        trip.noise.std(dim=(1, 2, 3)).tolist(),
    )
    rows = [
        captioned(
            [trip.originals[i], trip.plain[i], trip.decoded_noise[i], trip.double[i], errors[i]],
            [
                "original",
                f"decoded {plain[i]:.1f} dB",
                f"noise, std {deviations[i]:.2f}",
                f"and back {double[i]:.1f} dB",
                f"error x{ERROR_GAIN}",
            ],
        )
        for i in range(len(plain))
    ]
    return grid(rows, trip.captions)


def table(trip: RoundTrip, config: SamplingConfig) -> Table:
    plain, double = psnr(trip.originals, trip.plain), psnr(trip.originals, trip.double)
    noise = trip.noise.cpu().double()
    mean, deviation = noise.mean(), noise.std()
    kurtosis = ((noise - mean) ** 4).mean() / deviation**4
    shown = Table(
        title=f"{len(plain)} images to noise and back, {config.steps} steps each way, guidance {config.guidance:g}"
    )
    for column in ("", "value", "best"):
        shown.add_column(column, justify="right" if column else "left")
    shown.add_row("PSNR of plain reconstruction, dB", f"{plain.mean():.2f}", "high")
    shown.add_row("PSNR of the double pass, dB", f"{double.mean():.2f}", f"{plain.mean():.2f}")
    shown.add_row("largest loss of an image, dB", f"{(plain - double).max():.2f}", "0")
    shown.add_row("mean of the noise", f"{mean:.3f}", "0")
    shown.add_row("standard deviation", f"{deviation:.3f}", "1")
    shown.add_row("kurtosis", f"{kurtosis:.2f}", "3")
    return shown
