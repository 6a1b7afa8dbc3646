"""Rows of a prepared data set as tensors on a device, which is how trainings see it."""

import numpy as np
import torch
from torch import Tensor

from latent_diffusion.data.store import Dataset
from latent_diffusion.device import DeviceRows
from latent_diffusion.images import from_uint8
from latent_diffusion.subsets import spread

FIRST_IMAGES = 2_000  # of 64x64, fewer of larger ones, for what is fitted to the data first


class ImageRows:
    """Some rows of a data set: `rows(indices)` gives float images (N, 3, H, W) and labels (N,).

    The labels are those of the data set, or others given for all of it.
    """

    def __init__(
        self,
        data: Dataset,
        rows: np.ndarray,
        device: torch.device,
        labels: np.ndarray | None = None,
    ):
        self.rows, self.device = rows, device
        self.images = DeviceRows(data.images, device)
        self.labels = DeviceRows(data.labels if labels is None else labels, device)

    def __len__(self) -> int:
        return len(self.rows)

    def __call__(self, indices: np.ndarray) -> tuple[Tensor, Tensor]:
        rows = self.rows[indices]
        return from_uint8(self.images[rows], self.device), self.labels[rows]


def flipped(images: Tensor, chance: Tensor) -> Tensor:
    """Return images (N, C, H, W), each mirrored where its number of `chance` (N,) is under 1/2."""
    return torch.where((chance < 0.5)[:, None, None, None], images.flip(-1), images)


def first_images(data: Dataset) -> Tensor:
    """Return some train images (N, 3, H, W) on the CPU, to fit a first layer to."""
    most = max(16, FIRST_IMAGES * 64**2 // data.info.image_size**2)
    images = ImageRows(data, data.train, torch.device("cpu"))
    return images(spread(len(images), most))[0]
