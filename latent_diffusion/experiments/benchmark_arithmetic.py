"""Arithmetic that the benchmark times and counts: the peak, networks' FLOPs, steps of training."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from latent_diffusion.device import place
from latent_diffusion.experiments.benchmark_bench import Bench, Call
from latent_diffusion.training.optimizers import make_optimizers


def peak(bench: Bench) -> None:
    """Measure the highest rate of arithmetic that this machine shows in this precision."""
    kind = torch.bfloat16 if bench.precision == "bfloat16" else torch.float32
    side = bench.size(quick=512, cpu=2048, gpu=8192)
    a = torch.randn(side, side, device=bench.device, dtype=kind)
    b = torch.randn(side, side, device=bench.device, dtype=kind)
    images = torch.randn(64, 128, 32, 32, device=bench.device, dtype=kind)
    images = images.to(memory_format=torch.channels_last)
    convolution = place(nn.Conv2d(128, 128, 3, padding=1, bias=False), bench.device).to(kind)
    calls: dict[str, Call] = {
        "matrix product": lambda: a @ b,
        "3x3 convolution": lambda: convolution(images),
    }
    flops = {"matrix product": 2 * side**3, "3x3 convolution": 2 * images.numel() * 9 * 128}
    with torch.inference_mode():
        found = bench.times(calls)
    for name, seconds in found.items():
        rate = flops[name] / min(seconds)
        bench.peak = max(bench.peak, rate)
        bench.add_value("peak", name, rate / 1e9, "GFLOP/s")


def count_flops(call: Call) -> float:
    """Return the FLOPs of a call, 2 x MAC."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call()
    return counter.get_total_flops()


def training_step(
    network: nn.Module, loss: Callable[[], Tensor], bench: Bench, optimizer: str = "adamw"
) -> Call:
    """Return a call that does one whole step of training."""
    optimizers = make_optimizers(network, optimizer, 1e-5, 0.01, bench.device)

    def step() -> None:
        with bench.cast():
            value = loss()
        value.backward()
        for one in optimizers:
            one.step()
        network.zero_grad(set_to_none=True)

    return step
