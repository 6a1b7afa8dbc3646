"""The section of the benchmark that trains and runs denoisers: UNets, a transformer, diffusers'."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from latent_diffusion.denoiser import DiTConfig, NetworkConfig, UNetConfig
from latent_diffusion.device import place
from latent_diffusion.experiments.benchmark_arithmetic import count_flops, training_step
from latent_diffusion.experiments.benchmark_bench import CLASSES, Bench, Call, installed

WIDTHS = (64, 128, 256)
OURS = "ours 64-128-256 x2"
LATENT_CHANNELS, LATENT_SIDE = 4, 16


@dataclass(frozen=True)
class Noisy:
    """Noisy latents (N, 4, 16, 16), noise conditions (N,) in [0, 1) and labels (N,)."""

    latents: Tensor
    conditions: Tensor
    labels: Tensor

    @classmethod
    def random(cls, count: int, device: torch.device) -> "Noisy":
        """Return so many of them."""
        latents = torch.randn(count, LATENT_CHANNELS, LATENT_SIDE, LATENT_SIDE, device=device)
        return cls(
            latents.to(memory_format=torch.channels_last),
            torch.rand(count, device=device),
            torch.randint(CLASSES, (count,), device=device),
        )

    def first(self) -> "Noisy":
        """Return the first alone."""
        return Noisy(self.latents[:1], self.conditions[:1], self.labels[:1])


@dataclass(frozen=True)
class Contender:
    """A denoiser's network, and how it predicts from noisy latents."""

    network: nn.Module
    predict: Callable[[Noisy], Tensor]

    def loss(self, noisy: Noisy) -> Tensor:
        """Return a loss to step by: any does, for its time."""
        return self.predict(noisy).float().square().mean()


def our_denoiser(config: NetworkConfig, device: torch.device) -> Contender:
    """Return one of our networks."""
    network = place(config.build(LATENT_CHANNELS, CLASSES), device)
    return Contender(network, lambda noisy: network(noisy.latents, noisy.conditions, noisy.labels))


def diffusers_unet(device: torch.device) -> Contender:
    """Return diffusers' UNet of the same widths."""
    from diffusers import UNet2DModel

    network = UNet2DModel(
        sample_size=LATENT_SIDE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=WIDTHS,
        layers_per_block=2,
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        num_class_embeds=CLASSES + 1,
    ).to(device)
    return Contender(
        network,
        lambda noisy: network(noisy.latents, 1000 * noisy.conditions, noisy.labels).sample,
    )


def denoisers(device: torch.device) -> dict[str, Contender]:
    """Return the networks to compare.

    Of the same widths as diffusers', ours has fewer FLOPs; so there is one of as many FLOPs, too.
    """
    ours = UNetConfig(widths=WIDTHS, blocks=2, attention_levels=(1, 2))
    wider = UNetConfig(widths=(64, 128, 384), blocks=2, attention_levels=(1, 2))
    transformer = DiTConfig(patch=2, width=256, depth=7)
    found = {
        OURS: our_denoiser(ours, device),
        "ours 64-128-384 x2, as many FLOPs as diffusers": our_denoiser(wider, device),
        "ours DiT 256 x7, about as many FLOPs as 64-128-256 x2": our_denoiser(transformer, device),
    }
    if installed("diffusers", "its UNet"):
        found["diffusers UNet2DModel 64-128-256 x2"] = diffusers_unet(device)
    return found


def steps_on_a_gpu(ours: Contender, noisy: Noisy, bench: Bench) -> dict[str, Call]:
    """Return what could be switched on there, to be measured: compiled code, other attention."""
    compiled = torch.compile(ours.network)

    def loss() -> Tensor:
        predicted = compiled(noisy.latents, noisy.conditions, noisy.labels)
        return predicted.float().square().mean()

    found = {"ours, compiled": training_step(ours.network, loss, bench)}
    if installed("xformers.ops", "its attention"):
        config = UNetConfig(widths=WIDTHS, blocks=2, attention_levels=(1, 2), attention="xformers")
        other = our_denoiser(config, bench.device)
        step = training_step(other.network, lambda: other.loss(noisy), bench)
        found["ours, attention by xformers"] = step
    return found


def unet(bench: Bench) -> None:
    """Time denoisers on 16x16x4 latents: UNets, and a transformer of about as many FLOPs."""
    batch = bench.size(quick=8, cpu=64, gpu=512)
    noisy = Noisy.random(batch, bench.device)
    networks = denoisers(bench.device)
    ours = networks[OURS]

    def loss_of(contender: Contender) -> Callable[[], Tensor]:
        return lambda: contender.loss(noisy)

    def prediction_of(contender: Contender, seen: Noisy) -> Call:
        return lambda: contender.predict(seen)

    steps = {
        name: training_step(one.network, loss_of(one), bench) for name, one in networks.items()
    }
    if bench.device.type == "cuda":
        steps |= steps_on_a_gpu(ours, noisy, bench)
    steps["ours, with Muon"] = training_step(ours.network, loss_of(ours), bench, "muon")
    flops = {name: count_flops(prediction_of(one, noisy.first())) for name, one in networks.items()}
    for name, seconds in bench.times(steps).items():
        work = 3 * flops.get(name, flops[OURS])
        bench.add_rate("UNet, training", name, seconds, batch, work)
    calls = {name: prediction_of(one, noisy) for name, one in networks.items()}
    for name, seconds in bench.inference_times(calls).items():
        bench.add_rate("UNet, forward", name, seconds, batch, flops[name])
