"""How much of an image survives the autoencoder: PSNR, SSIM, and rFID beside its floor, of all images and by class."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel
from rich.table import Table
from rich.text import Text

from latent_diffusion.data.reference import Reference
from latent_diffusion.device import choose_device
from latent_diffusion.evaluation.features import look
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

MOST_CLASSES = 40  # lines of the table by class; scores.json has all


class ClassReconstruction(BaseModel):
    """Means over N held-out images of one class; rFID compares their reconstructions, and its floor the images themselves,
    with the class's train images. None where the judge keeps no statistics of classes, and for a single image."""

    n: int
    psnr: float
    ssim: float
    sharpness: float
    rfid: float | None = None
    rfid_floor: float | None = None


class ReconstructionScores(ClassReconstruction):
    """The same of images of all classes, against the whole train split; rFID is None where there is no judge, lpips where
    its weights are not on this machine. `classes` are those of the held-out images by name, the lowest PSNR first; None for
    other images."""

    lpips: float | None = None
    classes: dict[str, ClassReconstruction] | None = None


def reconstruct_images(
    run: Run,
    originals: np.ndarray | None = None,
    device: str = "auto",
    lpips_backbone: Path | None = None,
) -> tuple[np.ndarray, np.ndarray, ReconstructionScores]:
    """Originals and reconstructions, uint8 (N, H, W, 3), and their scores: the held-out images by default.

    rFID is for the held-out images only: others are not what the train split is a reference for.
    """
    target = choose_device(device)
    codec = Codec.of(run, target)
    held_out = Reference.open(run) if originals is None else None
    if held_out:
        originals = np.asarray(held_out.images)
        if not len(originals):
            raise ValueError(f"{run.folder} has no held-out images: name some image files")
    reconstructions = codec.reconstruct(originals)
    each = Each.of(originals, reconstructions)
    scores = ReconstructionScores(
        **each.means(slice(None)),
        lpips=mean_lpips(originals, reconstructions, lpips_backbone, target),
    )
    if held_out:
        judged = None
        if run.classifier.trained and len(originals) > 1:
            judge = Judge.load(run, target)
            judged = Judged(
                judge_statistics(run, judge),
                *(
                    look(judge, of_array(images).batches(), len(images), len(images)).features
                    for images in (reconstructions, originals)
                ),
            )
            scores.rfid, scores.rfid_floor = judged.distances(
                slice(None), judged.reference.statistics
            )
        scores.classes = by_class(each, judged, held_out.labels, held_out.facts.class_names)
        run.add_scores("reconstruction", scores.model_dump())
    return originals, reconstructions, scores


@dataclass(frozen=True)
class Each:
    """What pixels say of every image, (N,) each."""

    psnr: np.ndarray
    ssim: np.ndarray
    energies: np.ndarray
    original_energies: np.ndarray

    @classmethod
    def of(cls, originals: np.ndarray, reconstructions: np.ndarray) -> "Each":
        return cls(
            psnr(originals, reconstructions),
            ssim(originals, reconstructions),
            edge_energies(reconstructions),
            edge_energies(originals),
        )

    def means(self, rows: np.ndarray | slice) -> dict:
        return {
            "n": len(self.psnr[rows]),
            "psnr": float(self.psnr[rows].mean()),
            "ssim": float(self.ssim[rows].mean()),
            "sharpness": energy_ratio(self.energies[rows], self.original_energies[rows]),
        }


@dataclass(frozen=True)
class Judged:
    """The judge's features (N, D) of reconstructions and of originals, and its statistics of the train split."""

    reference: ReferenceStatistics
    features: np.ndarray
    original_features: np.ndarray

    def distances(self, rows: np.ndarray | slice, reference: Statistics) -> tuple[float, float]:
        """rFID of some images, and its floor."""
        return tuple(
            frechet_distance(statistics(features[rows]), reference)
            for features in (self.features, self.original_features)
        )


def by_class(
    each: Each, judged: Judged | None, labels: np.ndarray, names: list[str]
) -> dict[str, ClassReconstruction]:
    """The lowest PSNR first; classes without held-out images are left out."""
    found = {}
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        scores = ClassReconstruction(**each.means(rows))
        if judged and judged.reference.classes and len(rows) > 1:
            scores.rfid, scores.rfid_floor = judged.distances(rows, judged.reference.classes[label])
        found[names[label]] = scores
    return dict(sorted(found.items(), key=lambda item: item[1].psnr))


def table(scores: ReconstructionScores) -> Table:
    shown = Table(title=f"reconstruction of {scores.n} images")
    for column in ("score", "value", "best"):
        shown.add_column(column, justify="left" if column == "score" else "right")
    shown.add_row("PSNR, dB", f"{scores.psnr:.2f}", "high")
    shown.add_row("SSIM", f"{scores.ssim:.4f}", "1")
    shown.add_row("sharpness", f"{scores.sharpness:.3f}", "1")
    shown.add_row(
        "LPIPS (VGG)", "no weights here" if scores.lpips is None else f"{scores.lpips:.4f}", "0"
    )
    if scores.rfid is not None:
        ratio = f" ({scores.rfid / scores.rfid_floor:.2f} x floor)" if scores.rfid_floor else ""
        shown.add_row(
            "rFID (judge)", f"{scores.rfid:.3f}{ratio}", f"{scores.rfid_floor:.3f} (floor)"
        )
    return shown


def class_table(classes: dict[str, ClassReconstruction]) -> Table:
    """One line a class, in the order given; rFID only where there is one."""
    judged = any(scores.rfid is not None for scores in classes.values())
    hidden = len(classes) - MOST_CLASSES
    shown = Table(
        title="by class, lowest PSNR first",
        caption=f"{hidden} more in scores.json" if hidden > 0 else None,
    )
    shown.add_column("class", no_wrap=True)
    for column in ("n", "PSNR, dB", "SSIM", "sharpness", *(("rFID", "floor") if judged else ())):
        shown.add_column(column, justify="right")
    for name, scores in list(classes.items())[:MOST_CLASSES]:
        cells = [
            name,
            str(scores.n),
            f"{scores.psnr:.2f}",
            f"{scores.ssim:.4f}",
            f"{scores.sharpness:.3f}",
        ]
        if scores.rfid is not None:
            cells += [f"{scores.rfid:.3f}", f"{scores.rfid_floor:.3f}"]
        shown.add_row(*map(Text, cells))
    return shown
