"""An uploaded picture, encoded and decoded again; a bad file is one polite line.

Called by the app's tab of that name. No Gradio here.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from latent_diffusion.data.decode import Unreadable, decode
from latent_diffusion.inspection.grids import error_maps
from latent_diffusion.loading import Codec
from metrics import psnr, ssim

MOST_MEGABYTES = 20


class Reconstruction(NamedTuple):
    """Three images uint8 (H, W, 3), PSNR in dB and SSIM of the first two."""

    original: np.ndarray
    reconstruction: np.ndarray
    error: np.ndarray
    psnr: float
    ssim: float


def reconstruct_upload(codec: Codec, path: Path) -> Reconstruction:
    """Return the picture's centre square at the run's size, through the autoencoder.

    Raise ValueError if the file cannot be used.
    """
    if path.stat().st_size > MOST_MEGABYTES * 2**20:
        raise ValueError(f"this file is larger than {MOST_MEGABYTES} MB: give a smaller picture")
    try:
        original = decode(path.read_bytes(), codec.autoencoder.image_size)[0][None]
    except Unreadable as reason:
        raise ValueError(
            f"this file cannot be used ({reason}): give a picture such as a PNG or JPEG"
        ) from None
    decoded = codec.reconstruct(original)
    return Reconstruction(
        original=original[0],
        reconstruction=decoded[0],
        error=error_maps(original, decoded)[0],
        psnr=float(psnr(original, decoded)[0]),
        ssim=float(ssim(original, decoded)[0]),
    )
