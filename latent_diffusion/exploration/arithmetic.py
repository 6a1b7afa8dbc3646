"""Arithmetic of latents: means of image sets, and the direction from one to another added to a third, decoded."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from latent_diffusion.device import choose_device
from latent_diffusion.exploration.pictures import find_pictures
from latent_diffusion.exploration.sheets import captioned
from latent_diffusion.inspection.grids import grid
from latent_diffusion.loading import Codec
from latent_diffusion.run import Run


@dataclass(frozen=True)
class Arithmetic:
    """Decoded means of the sets by name, uint8 (H, W, 3) each; and c + alpha * (a - b), uint8 (len(alphas), H, W, 3)."""

    means: dict[str, np.ndarray]
    alphas: list[float]
    images: np.ndarray


def add(
    run: Run,
    a: Sequence[str],
    b: Sequence[str],
    c: Sequence[str] | None,
    alphas: Sequence[float],
    device: str = "auto",
) -> Arithmetic:
    """Sets are what `find_pictures` reads; without c the way starts at b, and ends at a where alpha is 1.

    Latents keep places: the mean of images that are not aligned is a blur, and their difference one of colours and masses.
    """
    if not np.isfinite(alphas).all():
        raise ValueError(f"--alpha must be finite numbers, not {list(alphas)}")
    codec = Codec.of(run, choose_device(device))
    sets = {"a": a, "b": b} | ({"c": c} if c else {})
    means, names = {}, {}
    for name, places in sets.items():
        images = find_pictures(places, run).images
        means[name] = codec.encode(images).mean(dim=0)
        names[name] = f"{name}: {len(images)} image{'s' if len(images) > 1 else ''}"
    start, direction = means.get("c", means["b"]), means["a"] - means["b"]
    latents = torch.stack([*means.values(), *(start + alpha * direction for alpha in alphas)])
    decoded = codec.decode(latents)
    return Arithmetic(dict(zip(names.values(), decoded)), list(alphas), decoded[len(means) :])


def sheet(found: Arithmetic) -> Image.Image:
    """The means above the way along alpha."""
    start = "c" if len(found.means) == 3 else "b"
    weights = ["" if abs(alpha) == 1 else f"{abs(alpha):g} " for alpha in found.alphas]
    way = [
        f"{start} {'-' if alpha < 0 else '+'} {weight}(a - b)" if alpha else start
        for alpha, weight in zip(found.alphas, weights)
    ]
    return grid(
        [captioned(list(found.means.values()), list(found.means)), captioned(found.images, way)]
    )
