"""Real images to noise by the ODE run backwards, and back again.

What is lost on the way, and how Gaussian is the noise? Called by `ldm invert`, and by walks
between real images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.table import Table
from torch import Tensor

from latent_diffusion.exploration.pictures import Pictures, find_pictures, held_out
from latent_diffusion.exploration.sheets import captioned
from latent_diffusion.exploration.steering import conditioned, configured_for_inversion, last
from latent_diffusion.inspection.grids import ERROR_GAIN, error_maps, grid, writable
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.run import Run
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
    returned: np.ndarray  # encoded, to noise, back to latents, decoded
    captions: list[str]


def to_noise(
    pipe: Pipeline, pictures: Pictures, config: SamplingConfig, latents: Tensor | None = None
) -> Tensor:
    """Return noise (N, C, h, w) that deterministic samplers make these images from.

    They are taken under their labels; `latents` are those of the images, if they are known.
    """
    if latents is None:
        latents = pipe.codec.batched(config.compute_batch).encode(pictures.images)
    states = invert(conditioned(pipe, pictures.labels, config), latents, config.levels)
    return last(states, "to noise", config.steps, len(latents)) / config.levels[0]


def round_trip(pipe: Pipeline, pictures: Pictures, config: SamplingConfig) -> RoundTrip:
    """Return images taken up by Heun's steps and down by the config's sampler.

    Both go over the same noise levels.
    """
    codec = pipe.codec.batched(config.compute_batch)
    latents = codec.encode(pictures.images)
    noise = to_noise(pipe, pictures, config, latents)
    denoise, sigmas = conditioned(pipe, pictures.labels, config), config.levels
    states = SAMPLERS[config.sampler](denoise, sigmas[0] * noise, sigmas, torch.zeros_like)
    returned = last(states, "and back", config.steps, len(noise))
    return RoundTrip(
        originals=pictures.images,
        plain=codec.decode(latents),
        noise=noise,
        decoded_noise=codec.decode(noise),
        returned=codec.decode(returned),
        captions=pictures.captions,
    )


def sheet(trip: RoundTrip) -> Image.Image:
    """Return a row for each image: original, reconstruction, noise, round trip and its error."""
    plain, returned = psnr(trip.originals, trip.plain), psnr(trip.originals, trip.returned)
    errors = error_maps(trip.originals, trip.returned)
    deviations = trip.noise.std(dim=(1, 2, 3)).tolist()
    rows = []
    for i in range(len(plain)):
        tiles = {
            "original": trip.originals[i],
            f"decoded {plain[i]:.1f} dB": trip.plain[i],
            f"noise, std {deviations[i]:.2f}": trip.decoded_noise[i],
            f"and back {returned[i]:.1f} dB": trip.returned[i],
            f"error x{ERROR_GAIN}": errors[i],
        }
        rows.append(captioned(tiles.values(), tiles))
    return grid(rows, trip.captions)


def loss_table(trip: RoundTrip, config: SamplingConfig) -> Table:
    """Return what the trip lost, and how Gaussian its noise is, each beside its best value."""
    plain, returned = psnr(trip.originals, trip.plain), psnr(trip.originals, trip.returned)
    noise = trip.noise.cpu().double()
    mean, deviation = noise.mean(), noise.std()
    kurtosis = ((noise - mean) ** 4).mean() / deviation**4
    shown = Table(
        title=f"{len(plain)} images to noise and back, {config.steps} steps each way, "
        f"guidance {config.guidance:g}"
    )
    shown.add_column("")
    shown.add_column("value", justify="right")
    shown.add_column("best", justify="right")
    shown.add_row("PSNR of plain reconstruction, dB", f"{plain.mean():.2f}", "high")
    shown.add_row("PSNR of the round trip, dB", f"{returned.mean():.2f}", f"{plain.mean():.2f}")
    shown.add_row("largest loss of an image, dB", f"{(plain - returned).max():.2f}", "0")
    shown.add_row("mean of the noise", f"{mean:.3f}", "0")
    shown.add_row("standard deviation", f"{deviation:.3f}", "1")
    shown.add_row("kurtosis", f"{kurtosis:.2f}", "3")
    return shown


def write_round_trip(
    run_folder: Path,
    out: Path,
    sources: Sequence[str] | None,
    classes: list[str] | None,
    rows: int,
    guidance: float,
    steps: int,
    device: str,
) -> Table:
    """Write the sheet of images taken to noise and back, and return the table of what was lost.

    The images are what `find_pictures` reads from sources, under their own classes or those given;
    without sources they are `rows` held-out ones. Raise ValueError for what cannot be read, and for
    an `out` that is no picture's name.
    """
    pipe, run = Pipeline.from_run(run_folder, device), Run.open(run_folder)
    writable(out)
    pictures = find_pictures(sources, run) if sources else held_out(run, rows)
    config = configured_for_inversion(pipe, guidance, steps)
    trip = round_trip(pipe, pictures.relabelled(classes, pipe.facts), config)
    sheet(trip).save(out)
    return loss_table(trip, config)
