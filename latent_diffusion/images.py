"""The two forms of images: uint8 (N, H, W, 3) on disk, float32 (N, 3, H, W) inside models."""

import numpy as np
import torch
from torch import Tensor


def from_uint8(images: np.ndarray | Tensor, device: torch.device) -> Tensor:
    """Return uint8 (N, H, W, 3) as float32 (N, 3, H, W) in [-1, 1], channels last in memory."""
    if isinstance(images, np.ndarray):
        images = torch.from_numpy(np.require(images, requirements=["C", "W"])).to(device)
    return images.permute(0, 3, 1, 2).float().div(127.5).sub(1)


def to_uint8(images: Tensor) -> np.ndarray:
    """Return float (N, 3, H, W) in [-1, 1] as uint8 (N, H, W, 3), rounded to nearest."""
    levels = ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return levels.permute(0, 2, 3, 1).cpu().numpy()
