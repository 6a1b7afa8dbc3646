"""What latents look like: every channel as a picture, and how their power is spread.

Called by `ldm reconstruct`; the arithmetic is in metrics/spectrum.py.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from latent_diffusion.device import choose_device
from latent_diffusion.inspection.grids import enlargement, grid
from latent_diffusion.inspection.plots import Curve, Panel, plot
from latent_diffusion.loading import Codec
from latent_diffusion.run import Run
from latent_diffusion.subsets import spread
from metrics import Spectrum, channel_covariance, correlation, effective_rank, radial_spectrum

PICTURED = 8  # images, at most
ANALYSED = 2_000  # images, at most
RANGE = 3.0  # standard deviations; what lies beyond is shown as this much
FAINTEST = 1e-7  # power that counts as none: -70 dB


def write_latents(
    run: Run, images: np.ndarray, device: str, pictures: Path, spectrum: Path
) -> "LatentView":
    """Write a picture of the channels and a plot of the spectra; return what they show.

    Looked at are some of the images, uint8 (N, H, W, 3).
    """
    images = images[spread(len(images), ANALYSED)]
    latents = Codec.of(run, choose_device(device)).encode(images).cpu().numpy()
    view = LatentView.of(images, latents)
    shown = spread(len(images), PICTURED)
    latent_grid(images[shown], latents[shown]).save(pictures)
    plot(view.panels(), spectrum)
    return view


def colours(values: np.ndarray) -> np.ndarray:
    """Return numbers (…) as uint8 (…, 3): blue below 0, white at 0, red above, darkest at RANGE."""
    from matplotlib import colormaps

    return colormaps["RdBu_r"](values.clip(-RANGE, RANGE) / (2 * RANGE) + 0.5, bytes=True)[..., :3]


def latent_grid(originals: np.ndarray, latents: np.ndarray) -> Image.Image:
    """Return a row an image (N, H, W, 3): the original, then each channel of its latents.

    Latents are (N, C, h, w); channels are enlarged to the image's size. The last row is the scale
    of the colours.
    """
    side, channels = originals.shape[1], latents.shape[1]
    nearest = np.arange(side) * latents.shape[2] // side  # of each pixel, also where sides differ
    tiles = colours(latents)[:, :, nearest][:, :, :, nearest]  # (N, C, H, W, 3)
    rows = [
        np.concatenate([original[None], maps])
        for original, maps in zip(originals, tiles, strict=True)
    ]
    scale = colours(np.broadcast_to(np.linspace(-RANGE, RANGE, side), (1, side, side)))
    captions: list[list[str]] = [[] for _ in rows[1:]]
    captions.append(["image", *(f"ch {number}" for number in range(1, channels + 1))])
    captions.append([f"-{RANGE:g} .. {RANGE:g}"])
    return grid([*rows, scale], None, enlargement(originals), captions)


@dataclass(frozen=True)
class LatentView:
    """Spectra of images and of latents, and what the latents' channels have to do with each other.

    sides: the number of samples along a side of images and of latents. deviations (C,),
    correlations (C, C) and the falling eigenvalues (C,) are of the channel covariance.
    """

    images: Spectrum
    latents: Spectrum
    sides: tuple[int, int]
    deviations: np.ndarray
    correlations: np.ndarray
    eigenvalues: np.ndarray

    @classmethod
    def of(cls, images: np.ndarray, latents: np.ndarray) -> "LatentView":
        """Look at uint8 images (N, H, W, 3) and their latents (N, C, h, w).

        Images are normalised here, to mean 0 and deviation 1 for each colour; latents the
        autoencoder has normalised.
        """
        pixels = images.transpose(0, 3, 1, 2).astype(np.float32)
        pixels -= pixels.mean(axis=(0, 2, 3), keepdims=True)
        deviations = pixels.std(axis=(0, 2, 3), keepdims=True)
        pixels /= np.maximum(deviations, 1e-3)  # a single colour stays 0
        covariance = channel_covariance(latents)
        return cls(
            radial_spectrum(pixels),
            radial_spectrum(latents),
            (images.shape[1], latents.shape[2]),
            np.sqrt(np.diag(covariance)),
            correlation(covariance),
            np.linalg.eigvalsh(covariance)[::-1],
        )

    @property
    def rank(self) -> float:
        """Return the effective rank; 0 for latents that never change."""
        return effective_rank(self.eigenvalues) if self.eigenvalues.max() > 0 else 0.0

    @property
    def nearest_correlations(self) -> np.ndarray:
        """Return the largest absolute correlation of each channel with another, (C,)."""
        return np.abs(self.correlations - np.diag(np.diag(self.correlations))).max(axis=1)

    def summary(self) -> str:
        """Return one line for the terminal."""
        return (
            f"latents: effective rank {self.rank:.1f} of {len(self.deviations)} channels, "
            f"standard deviations {self.deviations.min():.2f} to {self.deviations.max():.2f}, "
            f"largest correlation {self.nearest_correlations.max():.2f}"
        )

    def panels(self) -> list[Panel]:
        """Return the plots: spectra, eigenvalues, and each channel's deviation and correlation."""
        channels = np.arange(1, len(self.deviations) + 1)
        return [
            Panel(
                "power spectrum",
                "cycles per image",
                "power, dB over white noise",
                self.spectra(),
                {"white noise": 0.0},
                log_x=True,
            ),
            Panel(
                f"channels: effective rank {self.rank:.1f} of {len(channels)}",
                "direction",
                "eigenvalue of the covariance",
                [Curve("eigenvalues", channels, self.eigenvalues)],
                {"white noise": 1.0},
            ),
            Panel(
                "each channel",
                "channel",
                "",
                [
                    Curve("standard deviation", channels, self.deviations),
                    Curve("largest correlation with another", channels, self.nearest_correlations),
                ],
            ),
        ]

    def spectra(self) -> list[Curve]:
        """Return power over cycles per image, in which pictures and latents share one axis."""
        images, latents = self.images.power, self.latents.power
        return [
            spectrum_curve("images", self.images, images.mean(axis=0), self.sides[0]),
            spectrum_curve(
                "latents, mean of channels", self.latents, latents.mean(axis=0), self.sides[1]
            ),
            spectrum_curve("strongest channel", self.latents, latents.max(axis=0), self.sides[1]),
            spectrum_curve("weakest channel", self.latents, latents.min(axis=0), self.sides[1]),
        ]


def spectrum_curve(name: str, spectrum: Spectrum, power: np.ndarray, side: int) -> Curve:
    """Return power (B,) in dB over the cycles per image of the spectrum's rings."""
    # Beyond half a cycle per sample, rings are corners.
    shown = (spectrum.frequency > 0) & (spectrum.frequency <= 0.5)
    decibels = 10 * np.log10(np.maximum(power[shown], FAINTEST))
    return Curve(name, spectrum.frequency[shown] * side, decibels)
