"""Pictures during training, passed to the training loop by the command line and the demo."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange

from autoencoder import Autoencoder
from latent_diffusion.data.store import Dataset
from latent_diffusion.denoiser import AnyDenoiser, Student
from latent_diffusion.inspection.grids import REALS_SHOWN, beside_real, reconstruction_grid
from latent_diffusion.loading import Codec, load_autoencoder
from latent_diffusion.run import Part, Run
from latent_diffusion.sampling.config import SamplingConfig
from latent_diffusion.sampling.fast import FastSampling
from latent_diffusion.sampling.generate import generate
from latent_diffusion.subsets import spread

Preview = Callable[[Any, int], Path]  # the network at this step; the picture that was written
SHOWN = 20
SEEDS = 4  # a class


def picture_path(part: Part, step: int) -> Path:
    """Return where the picture of a step goes; its folder is made."""
    folder = part.folder / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{step:06d}.png"


def reconstruction_preview(run: Run, data: Dataset) -> Preview:
    """Return what writes held-out images and reconstructions to RUN/autoencoder/pictures/."""
    pool = data.test if len(data.test) else data.train
    originals = data.images[pool[spread(len(pool), SHOWN)]]

    def preview(model: Autoencoder, step: int) -> Path:
        path = picture_path(run.autoencoder, step)
        reconstructions = Codec(model, "float32").reconstruct(originals)
        reconstruction_grid(originals, reconstructions).save(path)
        return path

    return preview


def sample_preview(
    run: Run, data: Dataset, device: torch.device, most_classes: int = 12
) -> Preview:
    """Return what samples the same seeds in every class, and writes them to the part's pictures/.

    It samples as the run's training, of a denoiser or a student, recorded when it began; real
    pictures stand beside the samples.
    """
    names = data.info.class_names[:most_classes]
    labels = np.repeat(np.arange(len(names)), SEEDS).tolist()
    seeds = list(range(1, SEEDS + 1)) * len(names)
    pool = data.test if len(data.test) else data.train
    real = [
        data.images[pool[data.labels[pool] == label][:REALS_SHOWN]] for label in range(len(names))
    ]
    codec: Codec | None = None

    def preview(model: AnyDenoiser, step: int) -> Path:
        nonlocal codec
        if codec is None:
            codec = Codec(load_autoencoder(run, device), "float32")
        part, kind = run.diffusion, SamplingConfig
        if isinstance(model, Student):
            part, kind = run.student, FastSampling
        sampling = kind.model_validate(part.read_config()["sampling"])
        images = generate(model, codec, seeds, labels, sampling)
        path = picture_path(part, step)
        rows = rearrange(images, "(c s) h w rgb -> c s h w rgb", s=SEEDS)
        beside_real(list(rows), real, names).save(path)
        return path

    return preview
