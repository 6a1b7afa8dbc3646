"""Which walks `ldm interpolate` is asked for, and the picture of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from latent_diffusion.exploration.pictures import find_pictures
from latent_diffusion.exploration.sheets import write_frames
from latent_diffusion.exploration.steering import configured_for_inversion
from latent_diffusion.exploration.walks import image_walk, seed_walk
from latent_diffusion.inspection.grids import writable
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.run import Run
from latent_diffusion.sampling.plan import parse_seeds


@dataclass(frozen=True)
class WalkRequest:
    """What walks lead from and to, and in how many frames.

    Two real images, as `find_pictures` reads them, have noise of their own and so no seeds. Between
    two classes one seed is enough; without classes there is a walk in every class. `sampling` holds
    settings of SamplingConfig; those that are None are left to the run.
    """

    seeds: str | None
    classes: list[str] | None
    images: tuple[str, str] | None
    frames: int
    sampling: Mapping[str, Any]


def write_walks(run_folder: Path, out: Path, request: WalkRequest, device: str) -> int:
    """Write the walks of a request, and return how many there are.

    Raise ValueError for ends that are not two, and for an `out` that is no picture's name.
    """
    pipe = Pipeline.from_run(run_folder, device)
    writable(out, moving=True)
    captions = None
    if request.images:
        rows = between_images(pipe, Run.open(run_folder), request, request.images)
    else:
        rows, captions = between_seeds(pipe, request)
    write_frames(rows, captions, out)
    return len(rows)


def between_images(
    pipe: Pipeline, run: Run, request: WalkRequest, images: tuple[str, str]
) -> np.ndarray:
    """Return the walk between two real images, uint8 (1, F, H, W, 3)."""
    if request.seeds:
        raise ValueError("--images have noise of their own: leave out --seeds")
    pictures = find_pictures(images, run).relabelled(request.classes, pipe.facts)
    if len(pictures.images) != 2:
        raise ValueError(
            f"--images stands for {len(pictures.images)} images here: a walk has two ends, such as "
            "class:NAME/3"
        )
    config = configured_for_inversion(pipe, **request.sampling)
    return image_walk(pipe, pictures, request.frames, config)


def between_seeds(pipe: Pipeline, request: WalkRequest) -> tuple[np.ndarray, list[str]]:
    """Return the walks between two seeds or classes, uint8 (R, F, H, W, 3), and their captions."""
    config = pipe.configured(**request.sampling)
    classes = request.classes or []
    labels = pipe.labels(classes)
    seeds = parse_seeds(request.seeds or ("1" if len(classes) > 1 else "1,2"))
    if len(seeds) > 2 or len(classes) > 2:
        raise ValueError("a walk has two ends: name at most two --seeds and two --classes")
    pairs = [(label, label) for label in labels]
    if len(classes) == 2:
        pairs = [(labels[0], labels[1])]
    if len(seeds) == 1 and pairs[0][0] == pairs[0][1]:
        raise ValueError("a walk has two ends: name two --seeds, two --classes, or both")
    names = pipe.facts.class_names
    captions = [
        names[first] if first == second else f"{names[first]} to {names[second]}"
        for first, second in pairs
    ]
    return seed_walk(pipe, (seeds[0], seeds[-1]), pairs, request.frames, config), captions
