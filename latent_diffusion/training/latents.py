"""The data set as latents: posterior moments of every train image, encoded once and cached.

The cache lies beside the data set and is keyed by what encodes, so that a retrained autoencoder
never meets old latents. Stage two reads it.
"""

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from autoencoder import Autoencoder
from latent_diffusion.data.rows import ImageRows
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import DeviceRows, autocast
from latent_diffusion.progress import Progress
from latent_diffusion.training.distributed import World

ENCODE_BATCH = 128


class MomentRows:
    """Cached moments (views, N, 2C, h, w) and labels (N,) as one set of views * N rows.

    `rows(indices)` gives some of both on the device.
    """

    def __init__(self, moments: np.ndarray, labels: np.ndarray, device: torch.device):
        self.moments = DeviceRows(moments.reshape(-1, *moments.shape[2:]), device)
        self.labels = DeviceRows(np.tile(labels, len(moments)), device)

    def __len__(self) -> int:
        return len(self.labels.array)

    def __call__(self, indices: np.ndarray) -> tuple[Tensor, Tensor]:
        return self.moments[indices].float(), self.labels[indices]


def cached_moments(
    data: Dataset, autoencoder: Autoencoder, checksum: str, precision: str, world: World
) -> np.ndarray:
    """Return float16 (views, N, 2C, h, w), memory-mapped; `checksum` names what encodes.

    A data set that may be flipped has a second, mirrored view.
    """
    views = 2 if data.info.flip else 1
    name = f"{data.info.checksum[:16]}-{checksum[:16]}-{views}-{precision}.npy"
    path = data.folder / "latents" / name
    if not path.is_file() and world.first:
        encode_all(path, views, data, autoencoder, precision, world.device)
    world.barrier()
    return np.load(path, mmap_mode="r", allow_pickle=False)


def forget_moments(data: Dataset, checksum: str) -> None:
    """Delete what was cached for an autoencoder that is no more."""
    for path in (data.folder / "latents").glob(f"*-{checksum[:16]}-*.npy"):
        path.unlink(missing_ok=True)


@torch.inference_mode()
def encode_all(
    path: Path,
    views: int,
    data: Dataset,
    autoencoder: Autoencoder,
    precision: str,
    device: torch.device,
) -> None:
    """Encode the train split, and write it when it is whole."""
    images = ImageRows(data, data.train, device)
    size, channels = autoencoder.latent_size, 2 * autoencoder.config.latent_channels
    shape = (views, len(images), channels, size, size)
    path.parent.mkdir(exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        moments = np.lib.format.open_memmap(beside, "w+", np.float16, shape)
        with Progress("encoding", views * len(images)) as progress:
            for start in range(0, len(images), ENCODE_BATCH):
                indices = np.arange(start, min(start + ENCODE_BATCH, len(images)))
                batch, _ = images(indices)
                for view in range(views):
                    with autocast(device, precision):
                        posterior = autoencoder.encode(batch.flip(-1) if view else batch)
                    moments[view, indices] = posterior.moments.cpu().numpy()
                    progress.advance(len(indices))
        moments.flush()
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
