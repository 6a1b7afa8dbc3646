"""A term of stage two's loss: the middle layer is to say what an image network sees.

After Yu et al. 2024, "Representation alignment for generation"; features that are normalised over
positions and a convolution as the projection are of Singh et al. 2025, "What matters for
representation alignment". The image network is the perceptual classifier of stage one, which never
judges. Only the trainer knows of it: a trained denoiser is like any other.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from latent_diffusion.classifier import Classifier
from latent_diffusion.data.rows import ImageRows
from latent_diffusion.denoiser import ALIGNMENT, Denoiser
from latent_diffusion.loading import load_classifier
from latent_diffusion.training.classifier import PERCEPTUAL, ClassifierStage, ClassifierTraining
from latent_diffusion.training.latents import MomentRows
from latent_diffusion.training.stage import Job, Start

LEAST_DEVIATION = 1e-5  # of a feature over positions


class AlignmentConfig(BaseModel):
    """How strongly the denoiser is held to the features of the perceptual classifier."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weight: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="of one minus the cosine, beside the denoising loss; 0 is none",
    )
    classifier: ClassifierStage = Field(
        PERCEPTUAL,
        description="trained first, where the run has none yet; one that is there stays",
    )


@dataclass(frozen=True)
class Sight:
    """What the denoiser is held to: a classifier, and the images that it sees."""

    classifier: Classifier
    images: ImageRows


class Alignment(nn.Module):
    """One minus the cosine of what the middle layer says and what the classifier sees, by position.

    The projection (C -> features, 3x3) becomes a part of the denoiser while it is trained, so that
    optimizers, EMAs and checkpoints hold it; `remove` takes it away.
    """

    def __init__(
        self, denoiser: Denoiser, classifier: Classifier, latent_shape: tuple[int, int, int]
    ):
        super().__init__()
        self.classifier = classifier.eval().requires_grad_(False)
        self.denoiser = denoiser
        layers = list(denoiser.network.layers().values())  # type: ignore[operator]
        self.hook = layers[len(layers) // 2].register_forward_hook(self.keep)
        with torch.no_grad():
            one = torch.zeros(1)
            denoiser.network(torch.zeros(1, *latent_shape), one, one.long())
        features = sum(classifier.config.widths[1:])
        projection = nn.Conv2d(self.output.shape[1], features, 3, padding=1)
        denoiser.add_module(ALIGNMENT, projection)

    def keep(self, layer: nn.Module, inputs: Any, output: Tensor) -> None:
        """Keep what the layer says, (N, C, h, w); a forward hook."""
        self.output = output

    def forward(self, images: Tensor) -> Tensor:
        """Return the loss, (), for the images (N, 3, H, W) of the denoiser's last batch."""
        projected = self.denoiser.get_submodule(ALIGNMENT)(self.output).float()
        height, width = projected.shape[2:]
        seen = self.seen(images, (height, width))
        return 1 - F.cosine_similarity(projected, seen, dim=1).mean()

    @torch.no_grad()
    def seen(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        """Return the classifier's features at size (h, w), of mean 0 and deviation 1 over it."""
        maps = self.classifier.feature_maps(images)[1:]
        together = torch.cat([F.adaptive_avg_pool2d(one.float(), size) for one in maps], 1)
        deviation, mean = torch.std_mean(together, dim=(2, 3), keepdim=True, unbiased=False)
        return (together - mean) / (deviation + LEAST_DEVIATION)

    def remove(self) -> None:
        """Leave the denoiser as it would be without."""
        self.hook.remove()
        delattr(self.denoiser, ALIGNMENT)


class PicturedRows:
    """Rows of moments (views * N) with their images, the second view's mirrored.

    `rows(indices)` gives moments, labels and images (n, 3, H, W) on the device.
    """

    def __init__(self, moments: MomentRows, images: ImageRows):
        self.moments, self.images = moments, images

    def __len__(self) -> int:
        return len(self.moments)

    def __call__(self, indices: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        moments, labels = self.moments(indices)
        images, _ = self.images(indices % len(self.images))
        mirrored = torch.from_numpy(indices >= len(self.images)).to(images.device)
        return moments, labels, torch.where(mirrored[:, None, None, None], images.flip(-1), images)


def sight_of(job: Job, config: AlignmentConfig) -> Sight | None:
    """Return what the denoiser of a run is held to, if anything.

    Its classifier is trained now if the run has none. Raise ValueError where another one would take
    the place of what a training began with.
    """
    if not config.weight:
        return None
    run, part, device = job.run, job.run.perceptual, job.world.device
    if not part.trained:
        if job.start.resume and run.diffusion.resumable:
            raise ValueError(
                f"{run.folder} has no perceptual classifier, which its denoiser was aligned with: "
                "copy perceptual/ back, or train it anew with --overwrite"
            )
        start = Start(overwrite=True)  # what a stop left of it is not worth a resume: minutes
        ClassifierTraining(replace(job, start=start), part, config.classifier).train()
    return Sight(load_classifier(part, device), ImageRows(job.data, job.data.train, device))
