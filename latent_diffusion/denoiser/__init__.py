"""Stage two's model: noisy latents, a noise level and a label -> clean latents; and how guidance
combines two predictions."""

from latent_diffusion.denoiser.dit import DiT, DiTConfig
from latent_diffusion.denoiser.guidance import Denoise, Interval, acts, guided
from latent_diffusion.denoiser.networks import NetworkConfig, RecordedNetwork
from latent_diffusion.denoiser.preconditioning import (
    ALIGNMENT,
    Denoiser,
    NoiseLevelConfig,
    velocity_error,
)
from latent_diffusion.denoiser.spectrum import MOST_ROWS, deviations_of, fitted_first_level
from latent_diffusion.denoiser.student import FURTHER, Student
from latent_diffusion.denoiser.unet import UNet, UNetConfig

AnyDenoiser = Denoiser | Student

__all__ = [
    "ALIGNMENT",
    "FURTHER",
    "MOST_ROWS",
    "AnyDenoiser",
    "Denoise",
    "Denoiser",
    "DiT",
    "DiTConfig",
    "Interval",
    "NetworkConfig",
    "NoiseLevelConfig",
    "RecordedNetwork",
    "Student",
    "UNet",
    "UNetConfig",
    "acts",
    "deviations_of",
    "fitted_first_level",
    "guided",
    "velocity_error",
]
