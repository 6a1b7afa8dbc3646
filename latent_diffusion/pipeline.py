"""The Python face of a trained run.

from latent_diffusion import Pipeline
pipe = Pipeline.from_run("runs/x")
pipe(classes=["dog"], seeds=[1, 2], guidance=1.5)  # PIL images
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from autoencoder import Autoencoder
from latent_diffusion.data.decode import to_rgb
from latent_diffusion.data.reference import DataFacts
from latent_diffusion.denoiser import Denoiser
from latent_diffusion.device import choose_device
from latent_diffusion.inspection.grids import grid, wrapped
from latent_diffusion.run import Run
from latent_diffusion.sampling.folder import GRID, SamplesWriter
from latent_diffusion.sampling.generate import (
    SamplingConfig,
    decode_images,
    encode_images,
    generate,
)
from latent_diffusion.sampling.plan import cycle, follow
from latent_diffusion.training.autoencoder import load_autoencoder
from latent_diffusion.training.diffusion import load_denoiser

GRID_SEEDS = 10  # columns of grid.png
ABOUT = 100  # images at a time


@dataclass(frozen=True)
class Pipeline:
    """A run's autoencoder and denoiser, and how it samples."""

    autoencoder: Autoencoder
    denoiser: Denoiser
    facts: DataFacts
    sampling: SamplingConfig
    device: torch.device
    precision: str
    average_length: float  # of the denoiser's weights
    checksum: str  # of autoencoder and denoiser

    @classmethod
    def from_run(
        cls,
        folder: Path | str,
        device: str = "auto",
        precision: str = "auto",
        average_length: float | None = None,
    ) -> "Pipeline":
        """Load a run. Precision "auto" is the one that the run was trained in; `average_length` another moving average of
        its weights, where it kept snapshots. ValueError where something is missing."""
        run, place = Run.open(folder), choose_device(device)
        autoencoder = load_autoencoder(run, place)
        denoiser = load_denoiser(run, autoencoder.config.latent_channels, place, average_length)
        config = run.diffusion.read_config()
        if precision not in ("auto", "bfloat16", "float32"):
            raise ValueError(f"precision {precision!r} is none of auto, bfloat16 and float32")
        if precision == "auto":
            precision = config["diffusion"]["training"]["precision"]
        return cls(
            autoencoder,
            denoiser,
            DataFacts.model_validate(config["data"]),
            SamplingConfig.model_validate(config["sampling"]),
            place,
            precision,
            config.get("average_length", config["diffusion"]["training"]["average_length"])
            if average_length is None
            else average_length,
            run.checksum(),
        )

    def __call__(
        self, classes: Sequence[str] | None = None, seeds: Sequence[int] = (1,), **settings
    ) -> list[Image.Image]:
        """One image a seed: seed s draws classes[(s - 1) mod len], all classes by default.

        `settings` are those of SamplingConfig: guidance, steps, sampler, …
        """
        labels = cycle(seeds, self.labels(classes))
        return [
            Image.fromarray(image)
            for image in self.generate(seeds, labels, self.configured(**settings))
        ]

    def labels(self, classes: Sequence[str] | None) -> list[int]:
        return (
            self.facts.labels_of(list(classes)) if classes else list(range(self.facts.num_classes))
        )

    def configured(self, **settings) -> SamplingConfig:
        """The run's sampling defaults with some of them replaced (those that are not None). A guidance holds for
        all classes but those of a class_guidance that is given as well; a class_guidance alone is added to the run's."""
        given = {name: value for name, value in settings.items() if value is not None}
        named = given.get("class_guidance", {})
        self.facts.labels_of(list(named))
        given["class_guidance"] = (
            named if "guidance" in given else self.sampling.class_guidance | named
        )
        return SamplingConfig.model_validate({**self.sampling.model_dump(), **given})

    def generate(
        self,
        seeds: Sequence[int],
        labels: Sequence[int],
        config: SamplingConfig,
        on_progress: Callable[[int], None] = lambda images: None,
        batch_size: int | None = None,
    ) -> np.ndarray:
        """uint8 (N, H, W, 3); `on_progress(images)` is called after each batch, whose size never changes the images. By
        default about 100, and as many as fill compute batches."""
        batch_size = batch_size or whole_batch(config)
        parts = [np.empty((0, self.facts.image_size, self.facts.image_size, 3), np.uint8)]
        for start in range(0, len(seeds), batch_size):
            here = slice(start, start + batch_size)
            parts.append(
                generate(
                    self.denoiser,
                    self.autoencoder,
                    seeds[here],
                    labels[here],
                    config,
                    self.precision,
                )
            )
            on_progress(len(parts[-1]))
        return np.concatenate(parts)

    def encode(self, images: Sequence[Image.Image]) -> Tensor:
        """PIL images of the run's size -> latents (N, C, h, w), the posterior's mean. ValueError for another size."""
        size = self.facts.image_size
        for image in images:
            if image.size != (size, size):
                raise ValueError(
                    f"an image of {image.size[0]}x{image.size[1]}: this autoencoder takes {size}x{size}"
                )
        pixels = np.stack([np.asarray(to_rgb(image)) for image in images])
        return encode_images(self.autoencoder, pixels, self.sampling.compute_batch, self.precision)

    def decode(self, latents: Tensor) -> list[Image.Image]:
        """Latents (N, C, h, w) -> PIL images."""
        images = decode_images(
            self.autoencoder, latents.to(self.device), self.sampling.compute_batch, self.precision
        )
        return [Image.fromarray(image) for image in images]


Distribution = Literal["cycle", "every", "data"]


def sample_to_folder(
    pipe: Pipeline,
    folder: Path,
    seeds: Sequence[int],
    classes: Sequence[str] | None,
    distribution: Distribution,
    config: SamplingConfig,
    batch_size: int | None,
    on_progress: Callable[[int], None],
) -> Path:
    """Write one PNG a pair of seed and class, samples.json and a grid; returns the grid's path.

    "cycle": seed s draws classes[(s - 1) mod len]; "every": each seed in each class; "data": in the proportions of the
    data set. `on_progress(images)` is called after each batch, which is by default one of `Pipeline.generate`.
    """
    allowed, names = list(dict.fromkeys(pipe.labels(classes))), pipe.facts.class_names
    if distribution == "every":
        pairs = [(seed, label) for label in allowed for seed in seeds]
        files = [f"{file_name(names, label)}-{seed:05d}.png" for seed, label in pairs]
    else:
        chosen = (
            cycle(seeds, allowed)
            if distribution == "cycle"
            else follow(seeds, allowed, pipe.facts.histogram)
        )
        pairs, files = list(zip(seeds, chosen)), [f"{seed:05d}.png" for seed in seeds]
    writer, shown = SamplesWriter(folder, files), {label: [] for label in allowed}
    batch_size = batch_size or whole_batch(config)
    settings = {
        **config.model_dump(),
        "precision": pipe.precision,
        "ema": pipe.average_length,
        "run": pipe.checksum,
    }
    for start in range(0, len(pairs), batch_size):
        batch = pairs[start : start + batch_size]
        images = pipe.generate(
            [seed for seed, _ in batch],
            [label for _, label in batch],
            config,
            batch_size=len(batch),
        )
        for file, (seed, label), image in zip(files[start:], batch, images):
            writer.add(file, image, {"seed": seed, "class": names[label], **settings})
            if len(shown[label]) < GRID_SEEDS:
                shown[label].append(image)
        on_progress(len(batch))
    writer.close()
    rows = {names[label]: np.stack(images) for label, images in shown.items() if images}
    lines = (
        (wrapped(next(iter(rows.values())), GRID_SEEDS), None)
        if len(rows) == 1
        else (list(rows.values()), list(rows))
    )
    grid(*lines).save(Path(folder) / GRID)
    return Path(folder) / GRID


def whole_batch(config: SamplingConfig) -> int:
    return -(-ABOUT // config.compute_batch) * config.compute_batch


def file_name(names: Sequence[str], label: int) -> str:
    """A class may be called anything, a file may not; two classes never share one."""
    safe = [
        "".join(c if c.isalnum() or c in "-_. " else "_" for c in name).strip(". ")
        for name in names
    ]
    alike = [name.casefold() for name in safe].count(safe[label].casefold()) > 1
    return f"{safe[label]}-{label}" if alike or not safe[label] else safe[label]
