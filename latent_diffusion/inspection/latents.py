"""What latents look like: every channel as a picture, and how their power is spread over frequencies and channels.

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

PICTURED, MEASURED = 8, 2_000  # images, at most
RANGE = 3.0  # standard deviations; what lies beyond is shown as this much
FAINTEST = 1e-7  # power that counts as none: -70 dB


def write_latents(
    run: Run, images: np.ndarray, device: str, pictures: Path, spectrum: Path
) -> "LatentView":
    """Of some of the images, uint8 (N, H, W, 3): a picture of the channels, a plot of the spectra."""
    images = images[spread(len(images), MEASURED)]
    latents = Codec.of(run, choose_device(device)).encode(images).cpu().numpy()
    view, shown = LatentView.of(images, latents), spread(len(images), PICTURED)
    latent_grid(images[shown], latents[shown]).save(pictures)
    plot(view.panels(), spectrum)
    return view


def colours(values: np.ndarray) -> np.ndarray:
    """Numbers (…) as uint8 (…, 3): blue below 0, white at 0, red above, darkest at RANGE."""
    from matplotlib import colormaps

    return colormaps["RdBu_r"](values.clip(-RANGE, RANGE) / (2 * RANGE) + 0.5, bytes=True)[..., :3]


def latent_grid(originals: np.ndarray, latents: np.ndarray) -> Image.Image:
    """A line an image (N, H, W, 3): the original, then each channel of its latents (N, C, h, w), enlarged to its size.
    The last line is the scale of the colours."""
    side, channels = originals.shape[1], latents.shape[1]
    place = (
        np.arange(side) * latents.shape[2] // side
    )  # of each pixel; the nearest where sides do not divide
    tiles = colours(latents)[:, :, place][:, :, :, place]  # (N, C, H, W, 3)
    rows = [np.concatenate([original[None], row]) for original, row in zip(originals, tiles)]
    scale = colours(np.broadcast_to(np.linspace(-RANGE, RANGE, side), (1, side, side)))
    captions = [[] for _ in rows[1:]] + [
        ["image", *(f"ch {number}" for number in range(1, channels + 1))],
        [f"-{RANGE:g} .. {RANGE:g}"],
    ]
    return grid([*rows, scale], None, enlargement(originals), captions)


@dataclass(frozen=True)
class LatentView:
    """Spectra of images and of latents, with the number of samples along a side of each; deviations (C,), correlations
    (C, C) and the eigenvalues (C,), falling, of the latents' channel covariance."""

    images: Spectrum
    latents: Spectrum
    sides: tuple[int, int]
    deviations: np.ndarray
    correlations: np.ndarray
    eigenvalues: np.ndarray

    @classmethod
    def of(cls, images: np.ndarray, latents: np.ndarray) -> "LatentView":
        """Of uint8 images (N, H, W, 3), normalised here to mean 0 and deviation 1 for each colour, and their latents
        (N, C, h, w), which the autoencoder has normalised."""
        pixels = images.transpose(0, 3, 1, 2).astype(np.float32)
        pixels -= pixels.mean(axis=(0, 2, 3), keepdims=True)
        pixels /= np.maximum(
            pixels.std(axis=(0, 2, 3), keepdims=True), 1e-3
        )  # a single colour stays 0
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
        """Effective rank; 0 of latents that never change."""
        return effective_rank(self.eigenvalues) if self.eigenvalues.max() > 0 else 0.0

    @property
    def nearest_correlations(self) -> np.ndarray:
        """(C,): the largest absolute correlation of each channel with another."""
        return np.abs(self.correlations - np.diag(np.diag(self.correlations))).max(axis=1)

    def summary(self) -> str:
        return (
            f"latents: effective rank {self.rank:.1f} of {len(self.deviations)} channels, standard deviations "
            f"{self.deviations.min():.2f} to {self.deviations.max():.2f}, largest correlation {self.nearest_correlations.max():.2f}"
        )

    def panels(self) -> list[Panel]:
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
        """Against cycles per image, so that one place on the axis is one size of detail in pictures and latents alike."""
        power = self.latents.power
        lines = (
            ("images", self.images, self.images.power.mean(axis=0), self.sides[0]),
            ("latents, mean of channels", self.latents, power.mean(axis=0), self.sides[1]),
            ("strongest channel", self.latents, power.max(axis=0), self.sides[1]),
            ("weakest channel", self.latents, power.min(axis=0), self.sides[1]),
        )
        curves = []
        for name, spectrum, values, side in lines:
            shown = (spectrum.frequency > 0) & (
                spectrum.frequency <= 0.5
            )  # beyond, rings are corners
            curves.append(
                Curve(
                    name,
                    spectrum.frequency[shown] * side,
                    10 * np.log10(np.maximum(values[shown], FAINTEST)),
                )
            )
        return curves
