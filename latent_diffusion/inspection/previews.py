"""Pictures during training, passed to the training loop by the command line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from autoencoder import Autoencoder
from latent_diffusion.data.store import Dataset
from latent_diffusion.denoiser import Denoiser
from latent_diffusion.inspection.grids import grid, reconstruction_grid
from latent_diffusion.loading import Codec, load_autoencoder
from latent_diffusion.run import Part, Run
from latent_diffusion.sampling.config import SamplingConfig
from latent_diffusion.sampling.generate import generate
from latent_diffusion.subsets import spread

Preview = Callable[[nn.Module, int], Path]
SHOWN = 20
SEEDS = 4  # a class


def picture(part: Part, step: int) -> Path:
    folder = part.folder / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{step:06d}.png"


def reconstruction_preview(run: Run, data: Dataset) -> Preview:
    """Held-out images, their reconstructions and errors, in RUN/autoencoder/pictures/."""
    pool = data.test if len(data.test) else data.train
    originals = data.images[pool[spread(len(pool), SHOWN)]]

    def preview(model: Autoencoder, step: int) -> Path:
        path = picture(run.autoencoder, step)
        reconstructions = Codec(model, "float32").reconstruct(originals)
        reconstruction_grid(originals, reconstructions).save(path)
        return path

    return preview


def sample_preview(
    run: Run, data: Dataset, sampling: SamplingConfig, device: torch.device, most_classes: int = 12
) -> Preview:
    """The same seeds in every class, in RUN/diffusion/pictures/."""
    names = data.info.class_names[:most_classes]
    labels = np.repeat(np.arange(len(names)), SEEDS).tolist()
    seeds = list(range(1, SEEDS + 1)) * len(names)
    codec = None

    def preview(model: Denoiser, step: int) -> Path:
        nonlocal codec
        codec = codec or Codec(load_autoencoder(run, device), "float32")
        images = generate(model, codec, seeds, labels, sampling)
        path = picture(run.diffusion, step)
        grid(list(images.reshape(len(names), SEEDS, *images.shape[1:])), names).save(path)
        return path

    return preview
