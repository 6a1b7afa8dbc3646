"""The section of the benchmark that trains autoencoders, and decodes with them."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from autoencoder import Autoencoder, AutoencoderConfig, AutoencoderLoss, AutoencoderLossConfig
from latent_diffusion.device import place
from latent_diffusion.experiments.benchmark_arithmetic import count_flops, training_step
from latent_diffusion.experiments.benchmark_bench import Bench, Call, installed

IMAGE_SIDE = 64
AUTOENCODER = AutoencoderConfig(
    latent_channels=8,
    encoder_widths=(32,),
    decoder_widths=(32, 64),
    encoder_blocks=1,
    decoder_blocks=1,
)


@dataclass(frozen=True)
class AutoencoderContender:
    """An autoencoder, its loss on the images, and the decoding of as many latents."""

    network: nn.Module
    loss: Callable[[], Tensor]
    decode: Call
    optimizer: str


def our_autoencoder(images: Tensor) -> AutoencoderContender:
    """Return ours, as it is trained."""
    network = place(Autoencoder(AUTOENCODER, IMAGE_SIDE), images.device)
    criterion = AutoencoderLoss(AutoencoderLossConfig(), None)
    latents = torch.zeros(len(images), *network.latent_shape, device=images.device)
    return AutoencoderContender(
        network,
        lambda: criterion(network, images, torch.randn_like, torch.rand_like)[0],
        lambda: network.decode(latents),
        "muon",
    )


def diffusers_autoencoder(images: Tensor) -> AutoencoderContender:
    """Return diffusers' of the same compression, with L1 and a little KL."""
    from diffusers import AutoencoderKL

    network = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(64, 128, 128),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=32,
        sample_size=IMAGE_SIDE,
    ).to(images.device)
    latents = torch.zeros(len(images), 4, 16, 16, device=images.device)

    def loss() -> Tensor:
        posterior = network.encode(images).latent_dist
        error = (network.decode(posterior.sample()).sample - images).abs().mean()
        return error + 1e-6 * posterior.kl().mean()

    return AutoencoderContender(network, loss, lambda: network.decode(latents).sample, "adamw")


def autoencoder(bench: Bench) -> None:
    """Time autoencoders of 64x64 images to 16x16 latents."""
    batch = bench.size(quick=4, cpu=16, gpu=128)
    images = torch.randn(batch, 3, IMAGE_SIDE, IMAGE_SIDE, device=bench.device).clamp(-1, 1)
    images = images.to(memory_format=torch.channels_last)
    networks = {"ours": our_autoencoder(images)}
    if installed("diffusers", "its autoencoder"):
        networks["diffusers AutoencoderKL 64-128-128"] = diffusers_autoencoder(images)
    flops = {name: count_flops(one.loss) / batch for name, one in networks.items()}
    steps = {
        name: training_step(one.network, one.loss, bench, one.optimizer)
        for name, one in networks.items()
    }
    for name, seconds in bench.times(steps).items():
        bench.add_rate("autoencoder, training", name, seconds, batch, 3 * flops[name])
    decoders = {name: one.decode for name, one in networks.items()}
    for name, seconds in bench.inference_times(decoders).items():
        bench.add_rate("autoencoder, decoding", name, seconds, batch)
