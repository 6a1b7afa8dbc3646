"""Memorisation audit: are samples copies of training images?

Held-out real images say what closeness is usual. `ldm audit` calls `audit_samples`, the report
`audit`.
"""

from pathlib import Path

import numpy as np
from pydantic import BaseModel

from latent_diffusion.data.reference import Reference
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import choose_device
from latent_diffusion.evaluation.features import FeatureNetwork, look
from latent_diffusion.evaluation.judge import Judge
from latent_diffusion.evaluation.sources import ImageSource, of_array, open_images
from latent_diffusion.progress import Progress
from latent_diffusion.run import Run
from latent_diffusion.subsets import some
from metrics import near_copies, nearest_neighbours

RATE = 0.01  # of held-out real images count as near copies, by definition of the threshold
MOST_HELD_OUT = 2_000
BLOCK = 250  # samples between two advances of the progress
PAIRS = 10


class Finding(BaseModel):
    """How many samples lie nearer to a training image than all but `rate` of held-out images do.

    By one distance. low .. high is the 95% interval of the share; rate_low .. rate_high that of the
    share to expect of held-out images. identical: samples at distance 0, while no held-out image
    is. `copied`: there are such, or the share is above what held-out images allow.
    pairs: (sample, row of the training image, distance), nearest first.
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
    """What was found among n samples, beside so many training and held-out images."""

    n: int
    train: int
    held_out: int
    findings: dict[str, Finding]  # "features" and "pixels"


def audit(
    reference: Reference,
    data: Dataset,
    images: ImageSource,
    network: FeatureNetwork | None,
    in_pixels: bool = True,
) -> Audit:
    """Compare samples with every training image, in pixels and, with a network, in its features.

    in_pixels: False with a network leaves those out, which take longest. Raises ValueError for a
    run without held-out images.
    """
    held_out = reference.held_out()[0]
    held_out = held_out[some(len(held_out), MOST_HELD_OUT)]
    if not len(held_out):
        raise ValueError(
            "the run keeps no held-out images, which are what samples are measured against"
        )
    samples = np.concatenate(list(images.batches()))
    training = data.images[data.train]
    views = [training]
    if data.info.flip:  # training saw them mirrored, too
        views.append(training[:, :, ::-1])
    findings = {}
    if network:
        findings["features"] = compare(
            features(network, samples, "samples"),
            features(network, held_out, "held-out images"),
            [features(network, view, "training images") for view in views],
            data.train,
            "features",
        )
    if in_pixels or not network:
        findings["pixels"] = compare(samples, held_out, views, data.train, "pixels")
    return Audit(n=images.count, train=len(training), held_out=len(held_out), findings=findings)


def features(network: FeatureNetwork, pixels: np.ndarray, what: str) -> np.ndarray:
    """Return the features (N, D) of images, uint8 (N, H, W, 3), all of them."""
    source = of_array(pixels)
    title = f"{network.name} sees {what}"
    return look(network, source.batches(), source.count, source.count, title).features


def audit_samples(
    run: Run, data_folder: Path, samples: Path, device: str
) -> tuple[Audit, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Audit samples and record that in the run's scores.json.

    Returns the audit and, by distance, the closest pairs as pictures (samples, training images).
    Raises ValueError for another data set than the run's.
    """
    reference, data = Reference.open(run), Dataset.open(data_folder)
    if data.info.checksum != reference.facts.checksum:
        raise ValueError(f"{data_folder} is not the data set that {run.folder} was trained on")
    images = open_images(samples, reference.facts.image_size)
    judged = run.classifier.trained or reference.facts.num_classes > 1
    network = Judge.load(run, choose_device(device)) if judged else None
    found = audit(reference, data, images, network)
    run.add_scores(f"{Path(samples).resolve()} (memorisation)", found.model_dump())
    return found, closest_pairs(found, images, data)


def closest_pairs(
    found: Audit, samples: ImageSource, data: Dataset
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return by distance the samples nearest to training images, and these, as pictures."""
    pairs = {}
    for name, finding in found.findings.items():
        sample_rows = np.array([sample for sample, _, _ in finding.pairs])
        train_rows = [row for _, row, _ in finding.pairs]
        pairs[name] = (samples.read(sample_rows), data.images[train_rows])
    return pairs


def compare(
    samples: np.ndarray, held_out: np.ndarray, views: list[np.ndarray], rows: np.ndarray, what: str
) -> Finding:
    """Return what one distance says; arrays (N, ...) are all features or all pixels.

    views: the training images, and mirrored; rows: their numbers in the data set.
    """
    index, distance = nearest(samples, views, f"nearest in {what}")
    _, usual = nearest(held_out, views, "of held-out images")
    found = near_copies(distance, usual, RATE)
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
    """Return of each query the row and the distance of the nearest training image in any view."""
    index = np.zeros(len(queries), np.int64)
    distance = np.full(len(queries), np.inf)
    with Progress(title, len(views) * len(queries)) as progress:
        for view in views:
            for start in range(0, len(queries), BLOCK):
                block = slice(start, start + BLOCK)
                found = nearest_neighbours(queries[block], view)
                nearer = found.distance < distance[block]
                index[block] = np.where(nearer, found.index, index[block])
                distance[block] = np.minimum(found.distance, distance[block])
                progress.advance(len(found.index))
    return index, distance
