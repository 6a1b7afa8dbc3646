"""A run for exports, made in a moment: networks with random weights, and nothing learnt.

What they draw is no picture of anything, but every number of it counts: no layer is left at zero.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from autoencoder import Autoencoder, AutoencoderConfig
from latent_diffusion.denoiser import FURTHER, Denoiser, Student
from latent_diffusion.denoiser.networks import AnyNetwork
from latent_diffusion.denoiser.unet import UNetConfig
from latent_diffusion.loading import latents_checksum
from latent_diffusion.run import Run, write_json
from latent_diffusion.sampling.config import SamplingConfig
from latent_diffusion.sampling.fast import taught
from latent_diffusion.tensors import save_tensors

NAMES = ["cat", "dog", "yak, wet"]
SECRET = "/home/somebody/private photos"  # where the user's pictures lay
UNET = UNetConfig(widths=(16, 32), attention_levels=(1,), embedding_width=32)
SAMPLING = {"steps": 4, "guidance": 1.5, "compute_batch": 4}


def shaken(network: torch.nn.Module, seed: int) -> dict[str, torch.Tensor]:
    """The state of a network in which nothing is zero, and outputs stay of the order of 1."""
    random = torch.Generator().manual_seed(seed)
    return {
        name: value
        if name in ("shift", "scale")
        else value + 0.5 * value.numel() ** -0.25 * torch.randn(value.shape, generator=random)
        for name, value in network.state_dict().items()
    }


def write_run(
    folder: Path, network: AnyNetwork = UNET, size: int = 16, channels: int = 4, **sampling
) -> Path:
    """Write a run of random networks; `sampling` changes its settings."""
    run = Run(folder)
    data = {
        "source": SECRET,
        "checksum": "0" * 64,
        "image_size": size,
        "flip": False,
        "class_names": NAMES,
        "histogram": [20, 10, 10],
        "images": 52,
        "holdout": 0.2,
        "skipped": {"too small": 3},
    }
    config = AutoencoderConfig(
        latent_channels=channels,
        encoder_widths=(16,),
        decoder_widths=(16,),
        encoder_blocks=1,
        decoder_blocks=1,
    )
    training = {"precision": "float32", "steps": 10, "ema_length": 0.1, "seconds": 3.0}
    autoencoder = Autoencoder(config, size)
    save_tensors(run.autoencoder.model_path, shaken(autoencoder, 1))
    run.autoencoder.write_config(
        {
            "autoencoder": {
                "model": config.model_dump(),
                "training": training,
                "perceptual": "none",
                "lpips_backbone": f"{SECRET}/vgg.pth",
            },
            "data": data,
        }
    )
    save_tensors(run.diffusion.model_path, shaken(Denoiser(network.build(channels, len(NAMES))), 2))
    run.diffusion.write_config(
        {
            "diffusion": {"model": network.model_dump(), "training": training},
            "sampling": {**SAMPLING, **sampling},
            "autoencoder_checksum": latents_checksum(run.autoencoder),
            "data": data,
        }
    )
    run.reference.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (12, size, size, 3), dtype=np.uint8)
    np.save(run.reference / "images.npy", pixels)
    np.save(run.reference / "labels.npy", np.arange(12) % len(NAMES))
    write_json(run.reference / "data.json", data)
    return folder


def write_student(folder: Path, network: AnyNetwork = UNET) -> Path:
    """Give a run that `write_run` wrote a student of random weights."""
    run = Run(folder)
    config = run.diffusion.read_config()
    sampling = taught(SamplingConfig.model_validate(config["sampling"]), 4.0)
    student = Student(network.build(4, len(NAMES), FURTHER))
    save_tensors(run.student.model_path, shaken(student, 3))
    run.student.write_config(
        {
            "student": {**config["diffusion"], "most_guidance": 4.0},
            "sampling": sampling.model_dump(),
            "autoencoder_checksum": config["autoencoder_checksum"],
            "teacher_checksum": run.diffusion.checksum(),
            "data": config["data"],
        }
    )
    return folder


@pytest.fixture(scope="session")
def fast_run(tmp_path_factory) -> Path:
    """A random run with a student."""
    return write_student(write_run(tmp_path_factory.mktemp("runs") / "fast"))


@pytest.fixture(scope="session")
def random_run(tmp_path_factory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "random")


@pytest.fixture(scope="session")
def secrets(random_run) -> list[bytes]:
    """What no export may hold unasked: rows of the user's pixels, and where they lay."""
    pixels = np.load(random_run / "reference" / "images.npy")
    rows = [image[row].tobytes() for image in pixels for row in (0, 7)]
    return [*rows, SECRET.encode(), str(random_run).encode(), str(Path.home()).encode() + b"/"]
