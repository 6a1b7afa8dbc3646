"""From seeds and labels to images: per-seed noise, fixed compute batches, a sampler, the decoder.

Image (seed, label) comes out the same, byte for byte, in whatever company it is sampled: every seed has a random
generator of its own, and networks always run on one batch size, because their arithmetic changes with it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from autoencoder import Autoencoder
from latent_diffusion.denoiser import Denoise, Denoiser, Interval, acts, guided
from latent_diffusion.device import autocast
from latent_diffusion.images import from_uint8, to_uint8
from latent_diffusion.sampling.samplers import SAMPLERS, noise_levels

SamplerName = Literal["dpmpp_2m", "heun", "ddim", "ddpm"]
Scale = Annotated[float, Field(ge=0, le=1000)]  # of guidance


class SamplingConfig(BaseModel):
    """How a run samples unless told otherwise."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    sampler: SamplerName = Field("dpmpp_2m", description="dpmpp_2m, heun, ddim or ddpm")
    steps: int = Field(
        18,
        ge=1,
        le=10_000,
        description="steps from noise to latents; heun calls the network twice a step",
    )
    guidance: Scale = Field(1.5, description="classifier-free guidance; 1 is none")
    class_guidance: dict[str, Scale] = Field(
        {}, description="guidance of those classes, by name, that need another than the rest"
    )
    guidance_interval: Interval = Field(
        "all", description="noise levels where it acts, lower and upper; or all"
    )
    temperature: float = Field(
        1.0,
        gt=0,
        le=2,
        description="size of the noise that is drawn; below 1 is more typical, less varied",
    )
    epsilon_scale: float = Field(
        1.0,
        ge=0.9,
        le=1.1,
        description="the predicted noise is divided by this; above 1 samples are sharper",
    )
    sigma_max: float = Field(80.0, gt=0, description="first noise level")
    sigma_min: float = Field(0.01, gt=0, description="last noise level above 0")
    compute_batch: int = Field(
        64, ge=1, description="rows of every network call; changing it changes the last bits"
    )

    @model_validator(mode="after")
    def _levels(self):
        if self.sigma_min >= self.sigma_max:
            raise ValueError(
                f"sigma_min = {self.sigma_min} must be less than sigma_max = {self.sigma_max}"
            )
        if (
            self.guidance_interval != "all"
            and not 0 <= self.guidance_interval[0] <= self.guidance_interval[1]
        ):
            raise ValueError(
                f"guidance_interval = {list(self.guidance_interval)} must be two noise levels, the lower one first"
            )
        return self

    @property
    def levels(self) -> list[float]:
        """Falling noise levels, the last one 0."""
        return noise_levels(self.steps, self.sigma_max, self.sigma_min)

    @property
    def evaluations(self) -> int:
        """Passes of the network for one image of the class that takes most; guidance takes two at a time."""
        called = self.levels[:-1] + (self.levels[1:-1] if self.sampler == "heun" else [])
        return max(
            sum(
                2 if scale > 0 and acts(scale, self.guidance_interval, sigma) else 1
                for sigma in called
            )
            for scale in (self.guidance, *self.class_guidance.values())
        )

    def scales(self, class_names: Sequence[str], labels: Sequence[int]) -> float | list[float]:
        """Guidance of rows with these labels: one number where all classes have the same. Names of other classes change
        nothing; ValueError for a guidance by class of a denoiser whose classes have no names."""
        if self.class_guidance and not class_names:
            raise ValueError(
                "class_guidance goes by the names of classes, and this denoiser knows none"
            )
        known = [self.class_guidance.get(name, self.guidance) for name in class_names]
        return (
            self.guidance
            if all(scale == self.guidance for scale in known)
            else [known[label] for label in labels]
        )


def by_class_spoken(class_guidance: dict[str, float]) -> str:
    return ", ".join(f"{name} {scale:g}" for name, scale in class_guidance.items())


class PerSeedNoise:
    """Normal noise of standard deviation `temperature` in which row i depends on seeds[i] alone; each call draws on."""

    def __init__(self, seeds: Sequence[int], device: torch.device, temperature: float = 1.0):
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.device, self.temperature = device, temperature

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        return self.temperature * torch.stack(
            [torch.randn(shape, generator=g) for g in self.generators]
        ).to(self.device)

    def like(self, x: Tensor) -> Tensor:
        return self.draw(tuple(x.shape[1:]))


def in_compute_batches(network: Callable[..., Tensor], size: int) -> Callable[..., Tensor]:
    """The same function of any number of rows, run on exactly `size` rows at a time; the last rows are padded."""

    def run(*tensors: Tensor) -> Tensor:
        rows, outputs = len(tensors[0]), []
        for start in range(0, rows, size):
            chunk = [tensor[start : start + size] for tensor in tensors]
            missing = size - len(chunk[0])
            if missing:
                chunk = [
                    torch.cat([part, part[:1].expand(missing, *part.shape[1:])]) for part in chunk
                ]
            outputs.append(network(*chunk)[: size - missing])
        return torch.cat(outputs)

    return run


def conditioned(
    denoiser: Denoiser, labels: Sequence[int], config: SamplingConfig, precision: str
) -> Denoise:
    """`denoise(x (N, C, h, w), sigma) -> clean` under labels (N,), with guidance, in compute batches.

    With an epsilon_scale the noise (x - clean) / sigma is divided by it (Ning et al. 2024, "Elucidating the exposure bias in
    diffusion models"): a denoiser that has not learnt all there is takes too much away, and samples come out soft.
    """
    device = next(denoiser.parameters()).device

    def network(*rows: Tensor) -> Tensor:
        with autocast(device, precision):
            return denoiser(*rows)

    denoise = guided(
        in_compute_batches(network, config.compute_batch),
        torch.tensor(labels, device=device),
        denoiser.null_label,
        config.scales(denoiser.class_names, labels),
        config.guidance_interval,
    )
    scale = config.epsilon_scale
    return denoise if scale == 1 else lambda x, sigma: x - (x - denoise(x, sigma)) / scale


@torch.inference_mode()
def generate_latents(
    denoiser: Denoiser,
    latent_shape: tuple[int, int, int],
    seeds: Sequence[int],
    labels: Sequence[int],
    config: SamplingConfig,
    precision: str,
) -> Iterator[Tensor]:
    """The states (N, C, h, w) of the sampler after each step; the last one is the latents."""
    noise, sigmas = (
        PerSeedNoise(seeds, next(denoiser.parameters()).device, config.temperature),
        config.levels,
    )
    denoise = conditioned(denoiser, labels, config, precision)
    yield from SAMPLERS[config.sampler](
        denoise, sigmas[0] * noise.draw(latent_shape), sigmas, noise.like
    )


@torch.inference_mode()
def decode_images(
    autoencoder: Autoencoder, latents: Tensor, compute_batch: int, precision: str
) -> np.ndarray:
    """uint8 (N, H, W, 3)."""
    with autocast(latents.device, precision):
        return to_uint8(in_compute_batches(autoencoder.decode, compute_batch)(latents))


@torch.inference_mode()
def encode_images(
    autoencoder: Autoencoder, images: np.ndarray, compute_batch: int, precision: str
) -> Tensor:
    """Latents (N, C, h, w), float32, of uint8 images (N, H, W, 3): the posterior's mean."""
    device = autoencoder.shift.device
    with autocast(device, precision):
        encode = in_compute_batches(
            lambda rows: autoencoder.encode(from_uint8(rows.to(device), device)).mean, compute_batch
        )
        return encode(torch.from_numpy(np.array(images))).float()


def generate(
    denoiser: Denoiser,
    autoencoder: Autoencoder,
    seeds: Sequence[int],
    labels: Sequence[int],
    config: SamplingConfig,
    precision: str,
) -> np.ndarray:
    """Images uint8 (N, H, W, 3), one for each pair of seed and label."""
    assert len(seeds) == len(labels) > 0
    for latents in generate_latents(
        denoiser, autoencoder.latent_shape, seeds, labels, config, precision
    ):
        pass
    return decode_images(autoencoder, latents, config.compute_batch, precision)


def reconstruct(
    autoencoder: Autoencoder, images: np.ndarray, precision: str, batch: int = 64
) -> np.ndarray:
    """What encoding to the posterior's mean and decoding leave of uint8 images (N, H, W, 3)."""
    size, parts = min(batch, len(images)), []
    for start in range(0, len(images), size):
        latents = encode_images(autoencoder, images[start : start + size], size, precision)
        parts.append(decode_images(autoencoder, latents, size, precision))
    return np.concatenate(parts)
