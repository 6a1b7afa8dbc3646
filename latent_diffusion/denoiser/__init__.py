"""Stage two's network: noisy latents, a noise level and a label -> clean latents; and how guidance combines two of them."""

from latent_diffusion.denoiser.guidance import Denoise, Interval, acts, guided
from latent_diffusion.denoiser.preconditioning import Denoiser, NoiseLevelConfig
from latent_diffusion.denoiser.unet import UNet, UNetConfig

__all__ = [
    "Denoise",
    "Denoiser",
    "Interval",
    "NoiseLevelConfig",
    "UNet",
    "UNetConfig",
    "acts",
    "guided",
]
