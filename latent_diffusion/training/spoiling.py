"""Pictures spoilt in six ways, for a network that learns to see what is wrong with a picture.

Faults are put into whole batches, on their device; data/faults.py has the ones that scores are
measured by.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from latent_diffusion.training.randomness import StepRandom

# (images (N, C, H, W) in [-1, 1], as many others, chance) -> images with the fault
Spoil = Callable[[Tensor, Tensor, StepRandom], Tensor]
COARSE = 9  # points a side of the field that warps
SOFT = 16  # the edge of a patch fades over 1 / SOFT of the side


def spoilt(images: Tensor, random: StepRandom) -> tuple[Tensor, Tensor]:
    """Return images (N, C, H, W) in [-1, 1], six of seven with a fault, and which one (N,).

    0 is none, then come the SPOILERS in their order. Grey levels are whole, as in files.
    """
    others = images.roll(1, 0)
    found, kinds = images.clone(), torch.zeros(len(images), dtype=torch.long, device=images.device)
    for number, spoil in enumerate(SPOILERS, start=1):
        rows = slice(number, None, KINDS)
        if len(images[rows]):
            found[rows] = spoil(images[rows], others[rows], random)
            kinds[rows] = number
    return ((found.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1, kinds


def between(least: float, most: float, count: int, random: StepRandom) -> Tensor:
    """Return strengths (count,), spread evenly over the orders of magnitude."""
    return least * (most / least) ** random.uniform(count)


def warped(images: Tensor, others: Tensor, random: StepRandom) -> Tensor:
    """Stretch images here and there, points by 0.7 to 5 percent of the side."""
    n, size = len(images), images.shape[-1]
    coarse = random.normal_like(images.new_empty(n, 2, COARSE, COARSE))
    field = F.interpolate(coarse, size, mode="bicubic", align_corners=True)
    strength = between(0.014, 0.1, n, random)[:, None, None, None]
    return moved(images, field / field.std(dim=(1, 2, 3), keepdim=True) * strength)


def moved(images: Tensor, by: Tensor) -> Tensor:
    """Return images whose places take what lies by (N, 2, H or 1, W or 1) further on.

    In halves of the side, across and down. Cubic: a softer image would give itself away.
    """
    still = torch.eye(2, 3, device=images.device).expand(len(images), 2, 3)
    places = F.affine_grid(still, list(images.shape), align_corners=False)
    where = places + by.permute(0, 2, 3, 1)
    return F.grid_sample(images, where, "bicubic", "border", align_corners=False)


def patch(images: Tensor, random: StepRandom) -> Tensor:
    """Return masks (N, 1, H, W) of squares with soft edges, of 0.1 to 0.7 of the side."""
    n, size = len(images), images.shape[-1]
    half = between(0.1, 0.7, n, random)[:, None, None] / 2
    middle = half + (1 - 2 * half) * random.uniform(n, 1, 2)  # (N, 1, 2)
    place = (torch.arange(size, device=images.device) + 0.5) / size
    inside = (half - (place[:, None] - middle).abs()) * SOFT  # (N, S, 2)
    down, across = inside.clamp(0, 1).unbind(dim=2)
    return (down[:, :, None] * across[:, None, :])[:, None]


def swapped(images: Tensor, others: Tensor, random: StepRandom) -> Tensor:
    """Put a patch of another image into each."""
    mask = patch(images, random)
    return images * (1 - mask) + others * mask


def displaced(images: Tensor, others: Tensor, random: StepRandom) -> Tensor:
    """Move a patch of each image by 1.5 to 9 percent of the side."""
    n = len(images)
    angle = random.uniform(n) * 2 * torch.pi
    way = torch.stack([angle.cos(), angle.sin()], dim=1) * between(0.03, 0.19, n, random)[:, None]
    mask = patch(images, random)
    return images * (1 - mask) + moved(images, way[:, :, None, None]) * mask


def blended(images: Tensor, others: Tensor, random: StepRandom) -> Tensor:
    """Let another image shine through each."""
    share = between(0.05, 0.5, len(images), random)[:, None, None, None]
    return images * (1 - share) + others * share


def blurred(images: Tensor, others: Tensor, random: StepRandom) -> Tensor:
    """Soften images by Gaussians of 0.6 to 3 percent of the side."""
    n, channels, height, _ = images.shape
    deviation = between(0.006, 0.03, n, random) * height
    reach = max(1, round(0.1 * height))
    steps = torch.arange(-reach, reach + 1, device=images.device)
    kernel = torch.exp(-(steps**2) / (2 * deviation[:, None] ** 2))
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
    padded = F.pad(images, (reach,) * 4, mode="replicate")
    planes = padded.reshape(1, n * channels, *padded.shape[2:])
    rows = F.conv2d(planes, kernel[:, None, :, None], groups=n * channels)
    columns = F.conv2d(rows, kernel[:, None, None, :], groups=n * channels)
    return columns.reshape(images.shape)


def grainy(images: Tensor, others: Tensor, random: StepRandom) -> Tensor:
    """Add noise of 4 to 32 grey levels."""
    strength = between(4 / 127.5, 32 / 127.5, len(images), random)[:, None, None, None]
    return images + random.normal_like(images) * strength


SPOILERS: tuple[Spoil, ...] = (warped, swapped, displaced, blended, blurred, grainy)
KINDS = len(SPOILERS) + 1
