"""What the detector sees of lines: are edges straight, do they go on, do they run side by side?

A judge that learnt to tell classes forgets it, and anybody sees it. Nothing here is learnt: filters
that are longer than wide, at three sizes of the picture. The detector takes the result for one
more layer.
"""

from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

SIDE, PLACES = 64, 16  # pixels and places a side, at most
OCTAVES = 3  # sizes of the picture, each half of the one before
SHORT, LONG = 1.0, 5.0  # deviations of filters along an edge, in pixels; across it is one pixel
SHORT_ANGLES, LONG_ANGLES = 8, 16
NEAR, AROUND = 3, 9  # pixels a side over which directions, and contrast are averaged
FAINT = 2.0  # grey levels of an edge that is as good as none
RANKS = (0, 1, 3, 7, 15)  # of the directions of long lines, the strongest first
STRAIGHT, ALIKE = (0.6, 0.9, 1.2), (0.4, 0.6, 0.75)  # where lines, directions begin to count double


def line_layer(images: np.ndarray) -> np.ndarray:
    """Return a layer, float32 (N, C, h, w), of lines in images uint8 (N, S, S, 3).

    For every size of the picture: how strong edges are in each direction, logarithms; how strong
    long lines are beside the edges around them, in order of strength whatever their direction; how
    much the edges around share one direction, 0 to 1 (the coherence of a structure tensor: Bigün &
    Granlund 1987).
    """
    grey = torch.from_numpy(images.mean(axis=3, dtype=np.float32))[:, None]
    if grey.shape[-1] > SIDE:
        grey = F.adaptive_avg_pool2d(grey, SIDE)
    places = min(PLACES, (grey.shape[-1] + 1) // 2)
    found = []
    for octave in range(OCTAVES):
        if octave:
            grey = F.avg_pool2d(grey, 2, ceil_mode=True)
        seen = torch.cat(lines_of(grey), dim=1)
        found.append(F.adaptive_avg_pool2d(seen, places))
    return torch.cat(found, dim=1).numpy()


def lines_of(grey: Tensor) -> list[Tensor]:
    """Return edges, long lines and coherence of pictures (N, 1, h, w), each (N, C, h, w)."""
    edge, line = answers(grey, SHORT, SHORT_ANGLES)
    strength = torch.hypot(edge, line)
    contrast = around(strength.mean(dim=1, keepdim=True), AROUND)
    long = torch.hypot(*answers(grey, LONG, LONG_ANGLES)) / (contrast + FAINT)
    ranked = long.sort(dim=1, descending=True).values[:, list(RANKS)]
    across, down = edge[:, :1], edge[:, SHORT_ANGLES // 2, None]
    total = around(across.square() + down.square(), NEAR)
    turned = around(across.square() - down.square(), NEAR), around(2 * across * down, NEAR)
    coherence = torch.hypot(*turned) / (total + FAINT)
    beyond = [(ranked[:, :1] - least).clamp(min=0) for least in STRAIGHT]
    shared = [(coherence - least).clamp(min=0) for least in ALIKE]
    return [strength.log1p(), ranked, *beyond, coherence, *shared]


def answers(grey: Tensor, length: float, angles: int) -> tuple[Tensor, Tensor]:
    """Return what filters for edges and for lines see in pictures, both (N, angles, h, w)."""
    filters = oriented(length, angles)
    margin = filters.shape[-1] // 2
    stride = 2 if grey.shape[-1] > PLACES else 1
    found = F.conv2d(F.pad(grey, (margin,) * 4, mode="replicate"), filters, stride=stride)
    edge, line = found.chunk(2, dim=1)
    return edge, line


@cache
def oriented(length: float, angles: int) -> Tensor:
    """Return filters (2 angles, 1, k, k): of edges in each direction, then of lines.

    First and second derivatives across of a Gaussian that is `length` pixels long; each answers a
    picture of 0 and 1 with 0.5 at most.
    """
    reach = max(3, int(np.ceil(1.8 * length)))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    found = []
    for order in (1, 2):
        for angle in np.arange(angles) * np.pi / angles:
            across = x * np.cos(angle) + y * np.sin(angle)
            along = (y * np.cos(angle) - x * np.sin(angle)) / length
            bell = np.exp(-(across**2 + along**2) / 2)
            shape = -across * bell if order == 1 else (across**2 - 1) * bell
            shape -= shape.mean()
            found.append(shape / np.abs(shape).sum())
    return torch.tensor(np.stack(found), dtype=torch.float32)[:, None]


def around(values: Tensor, side: int) -> Tensor:
    """Return the means (N, C, h, w) of the square around each pixel."""
    return F.avg_pool2d(values, side, stride=1, padding=side // 2, count_include_pad=False)
