"""The data set as latents: posterior moments of every train image, encoded once and cached beside the data set.

The cache is keyed by what encodes them, so that a retrained autoencoder never meets old latents.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from autoencoder import Autoencoder
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import autocast
from latent_diffusion.progress import Progress
from latent_diffusion.run import Part, load_tensors
from latent_diffusion.training.distributed import World
from latent_diffusion.training.stage import Images

ENCODE_BATCH = 128
ENCODING = (
    "encoder.",
    "to_latents.",
    "shift",
    "scale",
)  # what the names of an autoencoder's tensors that make latents begin with


def encoding(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if name.startswith(ENCODING)}


def latents_checksum(part: Part) -> str:
    """sha256 of what makes an autoencoder's latents: those that share it differ in their decoders alone."""
    digest = hashlib.sha256()
    for name, tensor in sorted(encoding(load_tensors(part.model_path)[0]).items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


def fits(autoencoder: Part, recorded: str) -> bool:
    """Whether its latents are those of that checksum. (Earlier runs recorded that of the whole autoencoder.)"""
    return recorded in (latents_checksum(autoencoder), autoencoder.checksum())


def cached_moments(
    data: Dataset, autoencoder: Autoencoder, checksum: str, precision: str, world: World
) -> np.ndarray:
    """float16 (views, N, 2C, h, w), memory-mapped; a data set that may be flipped has a second, mirrored view."""
    views = 2 if data.info.flip else 1
    path = (
        data.folder
        / "latents"
        / f"{data.info.checksum[:16]}-{checksum[:16]}-{views}-{precision}.npy"
    )
    if not path.is_file() and world.first:
        encode_all(path, views, data, autoencoder, precision, world)
    world.barrier()
    return np.load(path, mmap_mode="r", allow_pickle=False)


def forget_moments(data: Dataset, checksum: str) -> None:
    """Delete what was cached for an autoencoder that is no more."""
    for path in (data.folder / "latents").glob(f"*-{checksum[:16]}-*.npy"):
        path.unlink(missing_ok=True)


@torch.inference_mode()
def encode_all(
    path: Path, views: int, data: Dataset, autoencoder: Autoencoder, precision: str, world: World
) -> None:
    images = Images(data, data.train, world.device)
    size, channels = autoencoder.latent_size, 2 * autoencoder.config.latent_channels
    path.parent.mkdir(exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        moments = np.lib.format.open_memmap(
            beside, "w+", np.float16, (views, len(images), channels, size, size)
        )
        with Progress("encoding", views * len(images)) as progress:
            for start in range(0, len(images), ENCODE_BATCH):
                places = np.arange(start, min(start + ENCODE_BATCH, len(images)))
                batch, _ = images(places)
                for view in range(views):
                    with autocast(world.device, precision):
                        posterior = autoencoder.encode(batch.flip(-1) if view else batch)
                    moments[view, places] = posterior.moments.cpu().numpy()
                    progress.advance(len(places))
        moments.flush()
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
