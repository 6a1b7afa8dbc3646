"""The denoising process as pictures: from pure noise to the image, in equal parts of the steps.

Called by `ldm process`, by reports and by submissions.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from einops import rearrange
from PIL import Image

from latent_diffusion.denoiser import AnyDenoiser
from latent_diffusion.inspection.grids import MOVING, grid, play
from latent_diffusion.loading import Codec
from latent_diffusion.sampling.config import SamplingConfig
from latent_diffusion.sampling.generate import generate_latents
from latent_diffusion.sampling.noise import PerSeedNoise

FRAME_MS = 120
LAST_FRAME_MS = 1_500


def process_frames(
    denoiser: AnyDenoiser,
    codec: Codec,
    seeds: Sequence[int],
    labels: Sequence[int],
    config: SamplingConfig,
    parts: int,
) -> np.ndarray:
    """Return the states after 0, 1/parts, … and all of the steps, decoded: (N, parts + 1, H, W, 3).

    A state is divided by sqrt(1 + sigma^2), so that noisy latents are as large as clean ones.
    Raise ValueError for fewer steps than parts.
    """
    if not 1 <= parts <= config.steps:
        raise ValueError(
            f"{config.steps} steps cannot be divided into {parts} parts: "
            f"give --parts from 1 to {config.steps}, or more --steps"
        )
    wanted = [round(part * config.steps / parts) for part in range(parts + 1)]
    codec = codec.batched(config.compute_batch)
    shape = codec.autoencoder.latent_shape
    noise = PerSeedNoise(seeds, codec.device, config.temperature).draw(shape)
    frames = [codec.decode(noise)]
    states = generate_latents(denoiser, shape, seeds, labels, config, codec.precision)
    for step, state in enumerate(states, 1):
        if step in wanted:
            frames.append(codec.decode(state / (1 + config.levels[step] ** 2) ** 0.5))
    return np.stack(frames, axis=1)


def write_process(frames: np.ndarray, path: Path, names: Sequence[str] | None = None) -> None:
    """Write a sheet, one image a row, noise at the left.

    A .gif or .webp shows the columns one after the other.
    """
    if path.suffix.lower() not in MOVING:
        grid(list(frames), list(names) if names else None).save(path)
        return
    last = frames.shape[1] - 1
    play(frames, path, range(last + 1), [FRAME_MS] * last + [LAST_FRAME_MS])


def tiles(frames: np.ndarray) -> Image.Image:
    """Return frames (N, F, H, W, 3) as one picture of N x F tiles, without gaps or names."""
    return Image.fromarray(rearrange(frames, "n f h w c -> (n h) (f w) c"))
