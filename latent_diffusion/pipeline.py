"""The Python face of a trained run.

from latent_diffusion import Pipeline
pipe = Pipeline.from_run("runs/x")
pipe(classes=["dog"], seeds=[1, 2], guidance=1.5)  # PIL images
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from autoencoder import Autoencoder
from latent_diffusion.config import validated
from latent_diffusion.data.decode import Unreadable, to_rgb
from latent_diffusion.data.reference import DataFacts, Reference
from latent_diffusion.denoiser import AnyDenoiser
from latent_diffusion.device import choose_device
from latent_diffusion.distributed import ALONE, World
from latent_diffusion.loading import (
    Codec,
    chosen_ema,
    load_autoencoder,
    load_denoiser,
    load_student,
)
from latent_diffusion.pretrained import find_pretrained
from latent_diffusion.run import Run
from latent_diffusion.sampling.config import SamplingConfig
from latent_diffusion.sampling.fast import FastSampling, check_baked
from latent_diffusion.sampling.generate import generate
from latent_diffusion.sampling.plan import checked_seeds, cycle

MOST_REAL = 50  # held-out images of a class, beside samples
ABOUT = 100  # images at a time


@dataclass(frozen=True)
class Pipeline:
    """A run's networks, and how it samples."""

    codec: Codec
    denoiser: AnyDenoiser  # or its student, which samples fast
    facts: DataFacts
    sampling: SamplingConfig
    device: torch.device
    ema_length: float  # of the denoiser's weights
    checksum: str  # of autoencoder and denoiser
    reference: Reference | None = None  # held-out images, where the run keeps some
    knows_null: bool = True  # whether labels were hidden in training, without which is no guidance

    @classmethod
    def from_run(
        cls,
        folder: Path | str,
        device: str = "auto",
        precision: str = "auto",
        ema_length: float | None = None,
        fast: bool = False,
    ) -> "Pipeline":
        """Load a run.

        Precision "auto" is the one that the run was trained in; `ema_length` is that of another EMA
        of its weights, where it kept snapshots. fast: the student that `ldm distill` trained, in
        the denoiser's place. Raise ValueError where something is missing.
        """
        run, chosen_device = Run.open(folder), choose_device(device)
        autoencoder = load_autoencoder(run, chosen_device)
        channels = autoencoder.config.latent_channels
        if fast and ema_length is not None:
            raise ValueError("the student has one EMA of its weights: leave out --ema, or --fast")
        if precision not in ("auto", "bfloat16", "float32"):
            raise ValueError(f"precision {precision!r} is none of auto, bfloat16 and float32")
        denoiser: AnyDenoiser
        if fast:
            denoiser = load_student(run, channels, chosen_device)
        else:
            denoiser = load_denoiser(run, channels, chosen_device, ema_length)
        part = run.student if fast else run.diffusion
        config = part.read_config()
        stage = config[part.name]
        if precision == "auto":
            precision = stage["training"]["precision"]
        kind, recorded = FastSampling if fast else SamplingConfig, f"{part.config_path}: sampling"
        sampling = validated(kind, config["sampling"], recorded)
        if not fast:
            sampling = sampling.for_decoder(latent_noise_of(run))
        knows_null = bool(stage.get("label_dropout", 0.1))
        if ema_length is None:
            ema_length = stage["training"]["ema_length"] if fast else chosen_ema(config)
        return cls(
            codec=Codec(autoencoder, precision, sampling.compute_batch),
            denoiser=denoiser,
            facts=DataFacts.model_validate(config["data"]),
            sampling=sampling if knows_null else sampling.unguided(),
            device=chosen_device,
            ema_length=ema_length,
            checksum=run.checksum(fast),
            knows_null=knows_null,
            reference=find_reference(run),
        )

    @classmethod
    def from_pretrained(
        cls,
        path_or_repository: Path | str,
        device: str = "auto",
        precision: str = "auto",
        revision: str | None = None,
        fast: bool = False,
    ) -> "Pipeline":
        """Load what `ldm export --format hub` wrote: a folder, or a repository of the hub.

        Only a repository's name ("somebody/model") asks the network, through huggingface_hub; its
        `revision` is a branch, tag or commit. Raise ValueError where something is missing.
        """
        folder = find_pretrained(path_or_repository, revision)
        return cls.from_run(folder, device, precision, fast=fast)

    @property
    def autoencoder(self) -> Autoencoder:
        """Return the network behind the codec."""
        return self.codec.autoencoder

    @property
    def is_fast(self) -> bool:
        """Return whether it draws by the student, in one to four network evaluations."""
        return isinstance(self.sampling, FastSampling)

    @property
    def precision(self) -> str:
        """Return the precision that both networks run in."""
        return self.codec.precision

    def __call__(
        self,
        classes: str | Sequence[str] | None = None,
        seeds: int | Sequence[int] = (1,),
        **settings: Any,
    ) -> list[Image.Image]:
        """Return one image a seed: seed s draws classes[(s - 1) mod len], all classes by default.

        One class or seed may stand for itself: classes="dog", seeds=7. `settings` are those of
        SamplingConfig: guidance, steps, sampler, … Raise ValueError for what cannot be.
        """
        numbers = checked_seeds(seeds)
        labels = cycle(numbers, self.labels(classes))
        images = self.generate(numbers, labels, self.configured(**settings))
        return [Image.fromarray(image) for image in images]

    def labels(self, classes: str | Sequence[str] | None) -> list[int]:
        """Return the labels of class names, or of all classes; ValueError for an unknown name."""
        if isinstance(classes, str):
            classes = [classes]
        if not classes:
            return list(range(self.facts.num_classes))
        return self.facts.labels_of(list(classes))

    def real(self, name: str) -> np.ndarray:
        """Return held-out images of a class that the run keeps, uint8 (N, H, W, 3); maybe none."""
        if not self.reference:
            size = self.facts.image_size
            return np.zeros((0, size, size, 3), np.uint8)
        label = self.facts.class_names.index(name)
        rows = np.flatnonzero(self.reference.labels == label)[:MOST_REAL]
        return np.asarray(self.reference.images[rows])

    def configured(self, **settings: Any) -> SamplingConfig:
        """Return the run's sampling defaults with some replaced (those that are not None).

        A guidance holds for all classes but those of a class_guidance that is given as well; a
        class_guidance alone is added to the run's. Raise ValueError, in one line, for a class that
        is not there, for a setting that cannot be, and for a guidance of a denoiser that cannot be
        guided.
        """
        given = {name: value for name, value in settings.items() if value is not None}
        named = given.get("class_guidance", {})
        self.facts.labels_of(list(named))
        own = {} if "guidance" in given else self.sampling.class_guidance
        given["class_guidance"] = own | named
        if isinstance(self.sampling, FastSampling):
            check_baked(self.sampling, given)
        settings = {**self.sampling.model_dump(), **given}
        config = validated(type(self.sampling), settings, "sampling")
        if config.is_guided and not self.knows_null:
            raise ValueError(
                "this run was trained with label_dropout = 0, so it never learnt what guidance "
                "compares with: sample with guidance 1, or train with label_dropout = 0.1"
            )
        if config.guides_nothing:
            raise ValueError(
                f"guidance_interval = {list(config.guidance_interval)} holds none of the noise "
                f"levels of {config.steps} steps ({config.levels[0]:g} to {config.levels[-2]:g}): "
                "guidance would do nothing"
            )
        return config

    def generate(
        self,
        seeds: Sequence[int],
        labels: Sequence[int],
        config: SamplingConfig,
        on_progress: Callable[[int], None] = lambda images: None,
        batch_size: int | None = None,
    ) -> np.ndarray:
        """Return images uint8 (N, H, W, 3), one for each pair of seed and label.

        `on_progress(images)` is called after each batch, whose size never changes the images. By
        default it is about 100, and as many as fill compute batches.
        """
        batch_size = batch_size or whole_batch(config)
        side = self.facts.image_size
        parts = [np.empty((0, side, side, 3), np.uint8)]
        for start in range(0, len(seeds), batch_size):
            here = slice(start, start + batch_size)
            parts.append(generate(self.denoiser, self.codec, seeds[here], labels[here], config))
            on_progress(len(parts[-1]))
        return np.concatenate(parts)

    def encode(self, images: Sequence[Image.Image | np.ndarray]) -> Tensor:
        """Return the latents (N, C, h, w) of images of the run's size: the posterior's mean.

        They are PIL images, or uint8 (H, W, 3). Raise ValueError for another size.
        """
        size = self.facts.image_size
        pictures = [
            Image.fromarray(image) if isinstance(image, np.ndarray) else image for image in images
        ]
        for image in pictures:
            if image.size != (size, size):
                width, height = image.size
                raise ValueError(
                    f"an image of {width}x{height}: this autoencoder takes {size}x{size}"
                )
        try:
            return self.codec.encode(np.stack([np.asarray(to_rgb(image)) for image in pictures]))
        except Unreadable as reason:
            raise ValueError(f"an image cannot be used: {reason}") from None

    def decode(self, latents: Tensor) -> list[Image.Image]:
        """Return the PIL images of latents (N, C, h, w)."""
        images = self.codec.decode(latents.to(self.device))
        return [Image.fromarray(image) for image in images]


def latent_noise_of(run: Run) -> float:
    """Return the noise of latents with which a run's decoder learnt, 0 where none is recorded."""
    loss = run.autoencoder.read_config()["autoencoder"].get("loss", {})
    return float(loss.get("latent_noise", 0.0))


def find_reference(run: Run) -> Reference | None:
    """Return what a run keeps of its data, or None where it is missing or damaged."""
    try:
        return Reference.open(run)
    except ValueError:
        return None


def whole_batch(config: SamplingConfig, images: int = ABOUT, world: World = ALONE) -> int:
    """Return about how many images to draw at a time: as many as fill compute batches.

    Fewer where otherwise some processes would have none of so many images.
    """
    about = min(ABOUT, -(-images // world.size))
    return max(1, -(-about // config.compute_batch)) * config.compute_batch
