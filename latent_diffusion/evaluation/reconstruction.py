"""How much of an image survives the autoencoder: PSNR, SSIM, and rFID beside its floor.

Of all images and by class. `ldm reconstruct`, the demo and the report call `reconstruct_images`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel

from latent_diffusion.data.reference import Reference
from latent_diffusion.device import choose_device
from latent_diffusion.evaluation.features import FEWEST, look
from latent_diffusion.evaluation.judge import Judge, judge_statistics
from latent_diffusion.evaluation.lpips import mean_lpips
from latent_diffusion.evaluation.references import ReferenceStatistics
from latent_diffusion.evaluation.sources import of_array
from latent_diffusion.loading import Codec
from latent_diffusion.run import Run
from metrics import (
    Statistics,
    edge_energies,
    energy_ratio,
    frechet_distance,
    psnr,
    ssim,
    statistics,
)

RECORDED = "reconstruction"  # in scores.json


class ClassReconstruction(BaseModel):
    """Means over n held-out images of one class.

    rFID compares their reconstructions, and its floor the images themselves, with the class's train
    images. None where the judge keeps no statistics of classes, and for a single image.
    """

    n: int
    psnr: float
    ssim: float
    sharpness: float
    rfid: float | None = None
    rfid_floor: float | None = None


class ReconstructionScores(ClassReconstruction):
    """The same of images of all classes, against the whole train split.

    rFID is None where there is no judge, lpips where its weights are not on this machine. `classes`
    are those of the held-out images by name, the lowest PSNR first; None for other images.
    """

    lpips: float | None = None
    classes: dict[str, ClassReconstruction] | None = None


def reconstruct_images(
    run: Run,
    originals: np.ndarray | None = None,
    device: str = "auto",
    lpips_backbone: Path | None = None,
    record: bool = True,
) -> tuple[np.ndarray, np.ndarray, ReconstructionScores]:
    """Return originals and reconstructions, uint8 (N, H, W, 3), and their scores.

    originals: the held-out images by default, whose scores are recorded in the run (`record`) and
    have rFID: others are not what the train split is a reference for.
    Raises ValueError for a run without held-out images, where none are given.
    """
    target = choose_device(device)
    codec = Codec.of(run, target)
    held_out = None
    if originals is None:
        held_out = Reference.open(run)
        originals = np.asarray(held_out.images)
        if not len(originals):
            raise ValueError(f"{run.folder} has no held-out images: name some image files")
    reconstructions = codec.reconstruct(originals)
    pixels = PixelScores.of(originals, reconstructions)
    scores = ReconstructionScores(
        **pixels.means(slice(None)).model_dump(),
        lpips=mean_lpips(originals, reconstructions, lpips_backbone, target),
    )
    if held_out:
        judged = None
        if run.classifier.trained and len(originals) >= FEWEST:
            judged = FeatureScores.of(run, originals, reconstructions, target)
            scores.rfid, scores.rfid_floor = judged.distances(
                slice(None), judged.reference.statistics
            )
        names = held_out.facts.class_names
        scores.classes = by_class(pixels, judged, held_out.labels, names)
        if record:
            run.add_scores(RECORDED, scores.model_dump())
    return originals, reconstructions, scores


@dataclass(frozen=True)
class PixelScores:
    """What pixels say of every image, (N,) each."""

    psnr: np.ndarray
    ssim: np.ndarray
    energies: np.ndarray
    original_energies: np.ndarray

    @classmethod
    def of(cls, originals: np.ndarray, reconstructions: np.ndarray) -> "PixelScores":
        """Compare reconstructions with originals, uint8 (N, H, W, 3) each."""
        return cls(
            psnr=psnr(originals, reconstructions),
            ssim=ssim(originals, reconstructions),
            energies=edge_energies(reconstructions),
            original_energies=edge_energies(originals),
        )

    def means(self, rows: np.ndarray | slice) -> ClassReconstruction:
        """Return the means over some images."""
        return ClassReconstruction(
            n=len(self.psnr[rows]),
            psnr=float(self.psnr[rows].mean()),
            ssim=float(self.ssim[rows].mean()),
            sharpness=energy_ratio(self.energies[rows], self.original_energies[rows]),
        )


@dataclass(frozen=True)
class FeatureScores:
    """The judge's features (N, D) of all images, and its statistics of the train split."""

    reference: ReferenceStatistics
    features: np.ndarray  # of the reconstructions
    original_features: np.ndarray

    @classmethod
    def of(
        cls, run: Run, originals: np.ndarray, reconstructions: np.ndarray, device: torch.device
    ) -> "FeatureScores":
        """Show originals and reconstructions to the run's judge."""
        judge = Judge.load(run, device)
        n = len(originals)
        reference = judge_statistics(run, judge)
        features = look(judge, of_array(reconstructions).batches(), n, n).features
        original_features = look(judge, of_array(originals).batches(), n, n).features
        return cls(reference, features, original_features)

    def distances(self, rows: np.ndarray | slice, reference: Statistics) -> tuple[float, float]:
        """Return the rFID of some images, and its floor."""
        return (
            frechet_distance(statistics(self.features[rows]), reference),
            frechet_distance(statistics(self.original_features[rows]), reference),
        )


def by_class(
    pixels: PixelScores, judged: FeatureScores | None, labels: np.ndarray, names: list[str]
) -> dict[str, ClassReconstruction]:
    """Return the scores by class, the lowest PSNR first, without the classes that have no image."""
    found = {}
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        scores = pixels.means(rows)
        if judged and judged.reference.classes and len(rows) >= FEWEST:
            scores.rfid, scores.rfid_floor = judged.distances(rows, judged.reference.classes[label])
        found[names[label]] = scores
    return dict(sorted(found.items(), key=lambda item: item[1].psnr))
