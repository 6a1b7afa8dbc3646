"""An uploaded picture, encoded and decoded again; whatever is wrong with the file is one polite line. No Gradio here."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from latent_diffusion.data.decode import Unreadable, decode
from latent_diffusion.inspection.grids import error_maps
from latent_diffusion.loading import Codec
from metrics import psnr, ssim

MOST_MEGABYTES = 20


class Reconstruction(NamedTuple):
    """uint8 (H, W, 3) each, PSNR in dB and SSIM of the pair."""

    original: np.ndarray
    reconstruction: np.ndarray
    error: np.ndarray
    psnr: float
    ssim: float


def reconstruct_upload(codec: Codec, path: Path) -> Reconstruction:
    """The centre square of the picture at the run's size, through the autoencoder. ValueError if it cannot be used."""
    if path.stat().st_size > MOST_MEGABYTES * 2**20:
        raise ValueError(f"this file is larger than {MOST_MEGABYTES} MB: give a smaller picture")
    try:
        original = decode(path.read_bytes(), codec.autoencoder.image_size)[0][None]
    except Unreadable as reason:
        raise ValueError(
            f"this file cannot be used ({reason}): give a PNG, JPEG, WebP, GIF or BMP picture"
        ) from None
    decoded = codec.reconstruct(original)
    return Reconstruction(
        original[0],
        decoded[0],
        error_maps(original, decoded)[0],
        float(psnr(original, decoded)[0]),
        float(ssim(original, decoded)[0]),
    )
