"""Arithmetic of latents: means of image sets, and the direction from one to another, decoded.

Called by `ldm arithmetic`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from latent_diffusion.device import choose_device
from latent_diffusion.exploration.pictures import find_pictures
from latent_diffusion.exploration.sheets import captioned
from latent_diffusion.inspection.grids import grid, writable
from latent_diffusion.loading import Codec
from latent_diffusion.run import Run

Sources = Sequence[str | Path]  # what `find_pictures` reads


@dataclass(frozen=True)
class Arithmetic:
    """Decoded means of the sets by caption, and the way along alpha.

    The means are uint8 (H, W, 3) each, c + alpha * (a - b) uint8 (len(alphas), H, W, 3).
    """

    means: dict[str, np.ndarray]
    alphas: list[float]
    images: np.ndarray


def add(
    run: Run,
    a: Sources,
    b: Sources,
    c: Sources | None,
    alphas: Sequence[float],
    device: str = "auto",
) -> Arithmetic:
    """Return c + alpha * (a - b) of the sets' mean latents, for each alpha.

    Without c the way starts at b, and ends at a where alpha is 1. Latents keep positions: the mean
    of images that are not aligned is a blur, and their difference one of colours and masses.
    Raise ValueError for an alpha that is not finite.
    """
    if not np.isfinite(alphas).all():
        raise ValueError(f"--alpha must be finite numbers, not {list(alphas)}")
    codec = Codec.of(run, choose_device(device))
    sets = {"a": a, "b": b}
    if c:
        sets["c"] = c
    means, captions = {}, []
    for name, sources in sets.items():
        images = find_pictures(sources, run).images
        means[name] = codec.encode(images).mean(dim=0)
        captions.append(f"{name}: {len(images)} image{'s' if len(images) > 1 else ''}")
    start, direction = means.get("c", means["b"]), means["a"] - means["b"]
    way = [start + alpha * direction for alpha in alphas]
    decoded = codec.decode(torch.stack([*means.values(), *way]))
    decoded_means, images = decoded[: len(means)], decoded[len(means) :]
    return Arithmetic(dict(zip(captions, decoded_means, strict=True)), list(alphas), images)


def sheet(found: Arithmetic) -> Image.Image:
    """Return the means above the way along alpha."""
    start = "c" if len(found.means) == 3 else "b"
    way = [formula(start, alpha) for alpha in found.alphas]
    means = captioned(found.means.values(), found.means)
    return grid([means, captioned(found.images, way)])


def formula(start: str, alpha: float) -> str:
    """Return start + alpha (a - b) as a caption writes it."""
    if not alpha:
        return start
    weight = "" if abs(alpha) == 1 else f"{abs(alpha):g} "
    return f"{start} {'-' if alpha < 0 else '+'} {weight}(a - b)"


def write_arithmetic(
    run_folder: Path,
    out: Path,
    a: Sources,
    b: Sources,
    c: Sources | None,
    alphas: Sequence[float],
    device: str,
) -> None:
    """Write the sheet of `add`; ValueError for an `out` that is no picture's name."""
    run = Run.open(run_folder)
    writable(out)
    sheet(add(run, a, b, c, alphas, device)).save(out)
