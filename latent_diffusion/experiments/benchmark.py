"""Speed beside that of peers, in one process, in turns; scripts/benchmark and scripts/gpu run it.

    scripts/benchmark [--quick] [--json PATH] [--device cuda] [--only unet,sampling]

Peers come with the extra "bench" (diffusers); what is not installed is left out, and said. FLOPs
are 2 x MAC by torch's FlopCounterMode, a training step counts three forward passes. MFU is a share
of the highest rate of 3x3 convolutions and matrix products that this very run measures.
"""

import argparse
import resource
import sys
from pathlib import Path

import torch

from latent_diffusion.device import choose_device, choose_precision
from latent_diffusion.experiments import benchmark_system as system
from latent_diffusion.experiments.benchmark_arithmetic import peak
from latent_diffusion.experiments.benchmark_autoencoders import autoencoder
from latent_diffusion.experiments.benchmark_bench import Bench
from latent_diffusion.experiments.benchmark_denoisers import unet

SECTIONS = {
    "peak": peak,
    "unet": unet,
    "autoencoder": autoencoder,
    "sampling": system.sampling,
    "preparation": system.preparation,
    "scoring": system.scoring,
}


def memory(bench: Bench) -> None:
    """Record the most memory that the benchmark took."""
    units_per_gib = 2**20 if sys.platform == "linux" else 2**30  # KiB there, bytes elsewhere
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units_per_gib
    bench.add_value("memory", "peak of this process", most, "GiB")
    if bench.device.type == "cuda":
        most = torch.cuda.max_memory_allocated(bench.device) / 2**30
        bench.add_value("memory", "peak on the device", most, "GiB")


def options_parser() -> argparse.ArgumentParser:
    """Return the options of scripts/benchmark."""
    summary = "Speed beside that of peers: medians with their spread, as Markdown and JSON."
    sections = ", ".join(SECTIONS)
    parser = argparse.ArgumentParser(prog="benchmark", description=summary)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures there")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto", choices=["auto", "bfloat16", "float32"])
    parser.add_argument(
        "--only",
        default=",".join(SECTIONS),
        help=f"sections, separated by commas: {sections}; peak is always measured",
    )
    return parser


def main() -> None:
    """Run the sections that the command line asks for, and print the table."""
    parser = options_parser()
    options = parser.parse_args()
    wanted = {"peak", *options.only.split(",")}
    unknown = wanted - set(SECTIONS)
    if unknown:
        parser.error(f"no section {min(unknown)!r}: there are {', '.join(SECTIONS)}")
    device = choose_device(options.device)
    precision = choose_precision(options.precision, device)
    bench = Bench(device, precision, 2 if options.quick else 5, options.quick)
    for name, section in SECTIONS.items():
        if name in wanted:
            section(bench)
            bench.save(options.json)  # a benchmark that is ended leaves what it has
    memory(bench)
    print(bench.report())
    bench.save(options.json)


if __name__ == "__main__":
    main()
