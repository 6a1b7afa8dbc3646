"""Memorisation audit: are samples copies of training images? Held-out real images say what closeness is usual."""

from pathlib import Path

import numpy as np
from pydantic import BaseModel
from rich.table import Table

from latent_diffusion.data.reference import Reference
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import choose_device
from latent_diffusion.evaluation.features import FeatureNetwork, look
from latent_diffusion.evaluation.judge import Judge
from latent_diffusion.evaluation.sources import ImageSource, of_array, open_images
from latent_diffusion.progress import Progress
from latent_diffusion.run import Run
from latent_diffusion.subsets import some
from metrics import NearCopies, near_copies, nearest_neighbours

RATE = 0.01  # of held-out real images count as near copies, by definition of the threshold
MOST_HELD_OUT = 2_000
BLOCK = 250  # samples between two looks at the progress
PAIRS = 10


class Finding(BaseModel):
    """By one distance: how many samples lie nearer to a training image than all but `rate` of held-out images do.

    low .. high is the 95% interval of the share; rate_low .. rate_high that of the share to expect of held-out images.
    identical: samples at distance 0, while no held-out image is. `copied`: there are such, or the share is above what
    held-out images allow. pairs: (sample, row of the training image, distance), nearest first.
    """

    threshold: float
    share: float
    low: float
    high: float
    rate: float
    rate_low: float
    rate_high: float
    identical: int
    copied: bool
    pairs: list[tuple[int, int, float]]


class Audit(BaseModel):
    n: int
    train: int
    held_out: int
    findings: dict[str, Finding]  # "features" and "pixels"


def audit(
    reference: Reference, data: Dataset, images: ImageSource, network: FeatureNetwork | None
) -> Audit:
    """Compare samples with every training image, in pixels and, where there is a network, in its features."""
    held_out = reference.held_out()[0]
    held_out = held_out[some(len(held_out), MOST_HELD_OUT)]
    if not len(held_out):
        raise ValueError(
            "the run keeps no held-out images, which are what samples are measured against"
        )
    samples, training = np.concatenate(list(images.batches())), data.images[data.train]
    views = (
        [training, training[:, :, ::-1]] if data.info.flip else [training]
    )  # training saw them mirrored, too
    findings = {}
    if network:
        seen = [
            look(
                network,
                of_array(pixels).batches(),
                len(pixels),
                len(pixels),
                title=f"{network.name} sees {what}",
            ).features
            for pixels, what in (
                (samples, "samples"),
                (held_out, "held-out images"),
                *((view, "training images") for view in views),
            )
        ]
        findings["features"] = compare(seen[0], seen[1], seen[2:], data.train, "features")
    findings["pixels"] = compare(samples, held_out, views, data.train, "pixels")
    return Audit(n=images.count, train=len(training), held_out=len(held_out), findings=findings)


def audit_samples(
    run: Run, data_folder: Path, samples: Path, device: str
) -> tuple[Audit, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Audit a folder, recorded in the run's scores.json; and the closest pairs as pictures (samples, training images)."""
    reference, data = Reference.open(run), Dataset.open(data_folder)
    if data.info.checksum != reference.facts.checksum:
        raise ValueError(f"{data_folder} is not the data set that {run.folder} was trained on")
    images = open_images(samples, reference.facts.image_size)
    network = Judge.load(run, choose_device(device)) if reference.facts.num_classes > 1 else None
    found = audit(reference, data, images, network)
    run.add_scores(f"{Path(samples).resolve()} (memorisation)", found.model_dump())
    pictures = {
        name: (
            images.read(np.array([i for i, _, _ in f.pairs])),
            data.images[[row for _, row, _ in f.pairs]],
        )
        for name, f in found.findings.items()
    }
    return found, pictures


def compare(
    samples: np.ndarray, held_out: np.ndarray, views: list[np.ndarray], rows: np.ndarray, what: str
) -> Finding:
    """views: the training images, and mirrored; rows: their numbers in the data set."""
    index, distance = nearest(samples, views, f"nearest in {what}")
    usual = nearest(held_out, views, "of held-out images")[1]
    found: NearCopies = near_copies(distance, usual, RATE)
    identical = int((distance == 0).sum()) if usual.min() > 0 else 0
    closest = np.argsort(distance, kind="stable")[:PAIRS]
    return Finding(
        threshold=found.threshold,
        share=found.share,
        low=found.low,
        high=found.high,
        rate=found.rate,
        rate_low=found.rate_low,
        rate_high=found.rate_high,
        identical=identical,
        copied=identical > 0 or found.low > found.rate_high,
        pairs=[(int(i), int(rows[index[i]]), float(distance[i])) for i in closest],
    )


def nearest(
    queries: np.ndarray, views: list[np.ndarray], title: str
) -> tuple[np.ndarray, np.ndarray]:
    """Of each query: row and distance of the nearest training image in any view."""
    index, distance = np.zeros(len(queries), np.int64), np.full(len(queries), np.inf)
    with Progress(title, len(views) * len(queries)) as progress:
        for view in views:
            for start in range(0, len(queries), BLOCK):
                found, block = (
                    nearest_neighbours(queries[start : start + BLOCK], view),
                    slice(start, start + BLOCK),
                )
                nearer = found.distance < distance[block]
                index[block] = np.where(nearer, found.index, index[block])
                distance[block] = np.minimum(found.distance, distance[block])
                progress.advance(len(found.index))
    return index, distance


def table(result: Audit) -> Table:
    shown = Table(title=f"memorisation: {result.n} samples beside {result.train} training images")
    for column in (
        "distance",
        "identical",
        "near copies",
        "95% interval",
        "of held-out images",
        "verdict",
    ):
        shown.add_column(column, justify="left" if column in ("distance", "verdict") else "right")
    for name, f in result.findings.items():
        verdict = "copies" if f.copied else "no more than among held-out images"
        shown.add_row(
            name,
            str(f.identical),
            f"{f.share:.2%}",
            f"{f.low:.2%} .. {f.high:.2%}",
            f"{f.rate:.2%} ({f.rate_low:.2%} .. {f.rate_high:.2%})",
            verdict,
        )
    shown.caption = f"near: closer to a training image than all but {RATE:.0%} of {result.held_out} held-out images"
    return shown
