"""The sections of the benchmark that time whole jobs: sampling, preparing a data set, scoring."""

import os
import statistics
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

from autoencoder import Autoencoder
from latent_diffusion.classifier import Classifier, ClassifierConfig
from latent_diffusion.denoiser import Denoiser, UNet, UNetConfig
from latent_diffusion.device import place
from latent_diffusion.experiments.benchmark_autoencoders import AUTOENCODER
from latent_diffusion.experiments.benchmark_bench import CLASSES, Bench, installed
from latent_diffusion.images import from_uint8
from latent_diffusion.loading import Codec
from latent_diffusion.sampling.config import SamplingConfig
from latent_diffusion.sampling.generate import generate
from metrics import Statistics, frechet_distance
from metrics import statistics as feature_statistics

PIXEL_STEPS = 1000  # of the pixel baseline
PICTURES = 200  # files that `ldm prepare` reads again and again, under other names


def sampling(bench: Bench) -> None:
    """Draw and decode 100 images with guidance, beside a DDPM of pixels with 1000 steps."""
    count = 4 if bench.quick else 100
    network = UNet(UNetConfig(widths=(64, 128, 128)), AUTOENCODER.latent_channels, CLASSES)
    denoiser = place(Denoiser(network), bench.device).eval()
    codec = Codec(place(Autoencoder(AUTOENCODER, 64), bench.device).eval(), bench.precision)
    settings = SamplingConfig(steps=14, guidance=1.5, compute_batch=min(64, 2 * count))
    seeds = range(1, count + 1)
    labels = [seed % CLASSES for seed in range(count)]
    found = bench.times({"ours": lambda: generate(denoiser, codec, seeds, labels, settings)})
    name = f"ours, UNet 64-128-128, {count} images, 14 steps of DPM-Solver++(2M), guidance 1.5"
    ours = bench.add_rate("sampling", name, found["ours"], count)
    if installed("diffusers", "the pixel baseline"):
        theirs = pixel_rate(bench)
        bench.add_value("sampling", "ours over the pixel baseline", ours / theirs, "x")


def pixel_unet(widths: tuple[int, ...]) -> nn.Module:
    """Return diffusers' UNet of 64x64 pixels."""
    from diffusers import UNet2DModel

    return UNet2DModel(
        sample_size=64,
        in_channels=3,
        out_channels=3,
        block_out_channels=widths,
        layers_per_block=2,
        down_block_types=("DownBlock2D", "DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D", "UpBlock2D"),
    )


def pixel_rate(bench: Bench) -> float:
    """Record and return the images a second of a DDPM of pixels, from a few of its steps."""
    batch = bench.size(quick=2, cpu=4, gpu=64)
    steps, widths = 10, (128, 256, 512, 512)
    name = "pixel-space UNet2DModel 128-256-512-512, 1000 steps, extrapolated from ten"
    if bench.quick:
        steps, widths = 2, (32, 32, 64, 64)
        name = "a small pixel-space UNet2DModel, 1000 steps, extrapolated from two"
    network = pixel_unet(widths).to(bench.device).eval()
    noise = torch.randn(batch, 3, 64, 64, device=bench.device)
    times = torch.zeros(batch, device=bench.device)

    def some_steps() -> None:
        for _ in range(steps):
            network(noise, times)

    found = bench.inference_times({"pixels": some_steps})
    seconds = statistics.median(found["pixels"]) / steps
    rate = batch / (PIXEL_STEPS * seconds)
    bench.add_value("sampling", name, rate, "images/s")
    return rate


def preparation(bench: Bench) -> None:
    """Time `ldm prepare` of 512x512 PNGs, beside decoding alone on one core, times the cores."""
    from PIL import Image

    from latent_diffusion.data.prepare import cores, prepare

    count = 64 if bench.quick else 2_000
    with tempfile.TemporaryDirectory() as folder:
        source, data = Path(folder) / "source", Path(folder) / "data"
        paths = write_pictures(source, count)[:PICTURES]

        def decode_alone() -> None:
            for path in paths:
                with Image.open(path) as image:
                    image.load()

        found = bench.times({"decode": decode_alone, "prepare": lambda: prepare(str(source), data)})
    name = "decoding alone, one core (Pillow)"
    alone = bench.add_rate("preparation", name, found["decode"], len(paths))
    ours = bench.add_rate("preparation", f"ldm prepare, {cores()} cores", found["prepare"], count)
    share = ours / (alone * cores())
    bench.add_value("preparation", "ldm prepare over cores x decoding alone", share, "x")


def write_pictures(folder: Path, count: int) -> list[Path]:
    """Write 512x512 PNGs in four class folders and return their paths.

    The first 200 are drawn, the others are links to them. Grain makes a file of a flat picture as
    large as one of a diffusion model.
    """
    from PIL import Image

    from latent_diffusion.data.cartoons import draw, species_and_seed

    random = np.random.default_rng(0)
    paths: list[Path] = []
    for index in range(count):
        path = folder / f"class{index % 4}" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if index < PICTURES:
            grain = random.integers(-1, 2, (512, 512, 1))
            pixels = draw(*species_and_seed(index), size=512).astype(np.int16) + grain
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
        else:
            os.link(paths[index % PICTURES], path)
        paths.append(path)
    return paths


def scoring(bench: Bench) -> None:
    """Time the judge's features, and a Fréchet distance beside SciPy's matrix square root."""
    import scipy.linalg

    judge = place(Classifier(ClassifierConfig(), CLASSES), bench.device).eval()
    images = np.random.default_rng(0).integers(0, 256, (256, 64, 64, 3), dtype=np.uint8)
    found = bench.inference_times(
        {"judge": lambda: judge.features(from_uint8(images, bench.device))}
    )
    bench.add_rate("scoring", "the judge's features, 64x64", found["judge"], len(images))
    dim, random = 128 if bench.quick else 2048, np.random.default_rng(0)
    a, b = random_statistics(dim, random), random_statistics(dim, random)
    found = bench.times(
        {
            "ours": lambda: frechet_distance(a, b),
            "scipy sqrtm": lambda: scipy.linalg.sqrtm(a.covariance @ b.covariance),
        }
    )
    rates = {}
    for name, seconds in found.items():
        what = f"Fréchet distance of {dim} features, {name}"
        rates[name] = bench.add_rate("scoring", what, seconds, 1, unit="distances/s")
    bench.add_value("scoring", "ours over scipy sqrtm", rates["ours"] / rates["scipy sqrtm"], "x")


def random_statistics(dim: int, random: np.random.Generator) -> Statistics:
    """Return the statistics of random features that depend on each other."""
    features = random.normal(size=(2 * dim, dim)) @ random.normal(size=(dim, dim)) / dim**0.5
    return feature_statistics(features)
