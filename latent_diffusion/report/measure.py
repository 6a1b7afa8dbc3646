"""What a report has to compute: samples and their scores, reconstructions, the process, loss by noise level, nearest images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from latent_diffusion.data.reference import Reference
from latent_diffusion.data.store import Dataset
from latent_diffusion.evaluation.audit import Audit, audit
from latent_diffusion.evaluation.judge import Judge, judge_statistics
from latent_diffusion.evaluation.lpips import find_lpips
from latent_diffusion.evaluation.reconstruction import ReconstructionScores, reconstruct_images
from latent_diffusion.evaluation.references import ReferenceStatistics
from latent_diffusion.evaluation.scores import Scores
from latent_diffusion.evaluation.scoring import score
from latent_diffusion.evaluation.sources import ImageSource
from latent_diffusion.inspection.process import process_frames
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import Progress, say
from latent_diffusion.report.gather import Gathered, attempt
from latent_diffusion.report.pictures import spread_labels
from latent_diffusion.run import Run
from latent_diffusion.sampling.plan import cycle, follow
from latent_diffusion.studies.noise_loss import NoiseLoss, noise_loss
from latent_diffusion.subsets import some, spread

IMAGES, FEWEST_IMAGES = 200, 20  # scored by default
MOST_CLASSES = 24  # shown as pictures; the tables have all
SEEDS_SHOWN, SEEDS_OF_ONE = 8, 32  # a class; where there is only one
RECONSTRUCTED, NOISED, PROCESS_ROWS, PROCESS_PARTS = 10, 200, 5, 7
MOST_HELD_OUT = 500  # in the audit, whose cost is theirs; ldm audit takes more


@dataclass
class Measured:
    """None where something is missing in the run. Pictures are uint8 (N, H, W, 3), grouped as said."""

    device: str
    images: int  # samples that were scored
    pipe: Pipeline | None = None
    by_class: dict[int, np.ndarray] | None = None  # label: seeds 1, 2, …
    scores: Scores | None = None
    process: dict[int, np.ndarray] | None = None  # label: frames from noise to image
    reconstruction: ReconstructionScores | None = None
    reconstructed: tuple[np.ndarray, np.ndarray] | None = None  # originals, decoded
    noise: NoiseLoss | None = None
    audit: Audit | None = None
    pairs: dict[str, tuple[np.ndarray, np.ndarray]] | None = (
        None  # by distance: samples, training images
    )


def images_to_score(asked: int | None, reference: Reference | None) -> int:
    """As many as asked for; by default so many that there is a floor, for which as many held-out images are needed."""
    enough = reference is None or reference.has(IMAGES)
    return asked or (IMAGES if enough else max(FEWEST_IMAGES, len(reference.images)))


def measure(found: Gathered, images: int, data: Dataset | None, device: torch.device) -> Measured:
    """Compute what the run has the networks for, record the scores in scores.json, and note in `found.missing` what cannot be."""
    run, missing, measured = found.run, found.missing, Measured(str(device), images)
    judge, against = load_judge(run, missing, found.facts.num_classes, device)
    held_out = found.reference is not None and len(found.reference.images) > 0
    if held_out and "reference" not in missing:
        say("reconstructing the held-out images")
        if done := attempt(
            missing, "reconstruction", lambda: reconstruct_images(run, device=str(device))
        ):
            originals, decoded, measured.reconstruction = done
            rows = spread(len(originals), RECONSTRUCTED)
            measured.reconstructed = originals[rows], decoded[rows]
    pipe = measured.pipe = attempt(
        missing, "denoiser", lambda: Pipeline.from_run(run.folder, str(device))
    )
    if not pipe:
        return measured
    measured.by_class = draw_by_class(pipe)
    measured.process = draw_process(pipe)
    drawn, source = draw_samples(pipe, images)
    if found.reference and (judge or found.facts.num_classes == 1):
        measured.scores = score(
            found.reference, source, judge, against, find_lpips(None, device) if judge else None
        )
        run.add_scores(source.name, measured.scores.model_dump())
    if held_out:
        rows = spread(len(found.reference.images), NOISED)
        measured.noise = noise_loss(
            pipe, found.reference.images[rows], found.reference.labels[rows]
        )
        if data:
            measured.audit, measured.pairs = audited(
                run, found.reference, data, drawn, source, judge
            )
    return measured


def load_judge(
    run: Run, missing: dict[str, str], classes: int, device: torch.device
) -> tuple[Judge | None, ReferenceStatistics | None]:
    if classes < 2:
        missing["judge"] = (
            "the data has one class, and a judge needs at least two: there is no FID, Inception score or accuracy"
        )
        return None, None
    judge = attempt(missing, "judge", lambda: Judge.load(run, device))
    against = attempt(missing, "judge", lambda: judge_statistics(run, judge)) if judge else None
    return (judge, against) if against else (None, None)


def draw_by_class(pipe: Pipeline, seeds_shown: int = SEEDS_SHOWN) -> dict[int, np.ndarray]:
    """The same seeds in each class (in MOST_CLASSES of them, where there are more)."""
    labels = spread_labels(pipe.facts.num_classes, MOST_CLASSES)
    seeds = range(1, 1 + (seeds_shown if len(labels) > 1 else SEEDS_OF_ONE))
    images = generate(
        pipe,
        [*seeds] * len(labels),
        [label for label in labels for _ in seeds],
        "sampling by class",
    )
    return dict(zip(labels, images.reshape(len(labels), len(seeds), *images.shape[1:])))


def draw_process(pipe: Pipeline) -> dict[int, np.ndarray]:
    labels = spread_labels(pipe.facts.num_classes, PROCESS_ROWS)
    seeds = range(1, 1 + len(labels))
    frames = process_frames(
        pipe.denoiser,
        pipe.codec,
        seeds,
        labels,
        pipe.sampling,
        min(PROCESS_PARTS, pipe.sampling.steps),
    )
    return dict(zip(labels, frames))


def draw_samples(pipe: Pipeline, images: int) -> tuple[np.ndarray, ImageSource]:
    """Seeds 1 .. images in the proportions of the data: what `ldm sample --class-distribution data` writes."""
    seeds, names = range(1, images + 1), pipe.facts.class_names
    labels = (
        follow(seeds, range(len(names)), pipe.facts.histogram)
        if sum(pipe.facts.histogram)
        else cycle(seeds, range(len(names)))
    )
    drawn = generate(pipe, seeds, labels, "sampling")
    classes = [names[label] for label in labels]
    return drawn, ImageSource(
        f"seeds 1-{images} (report)", images, drawn.shape[1], lambda rows: drawn[rows], classes
    )


def generate(pipe: Pipeline, seeds: Sequence[int], labels: Sequence[int], title: str) -> np.ndarray:
    with Progress(title, len(seeds)) as progress:
        return pipe.generate(seeds, labels, pipe.sampling, progress.advance)


def audited(
    run: Run,
    reference: Reference,
    data: Dataset,
    drawn: np.ndarray,
    source: ImageSource,
    judge: Judge | None,
) -> tuple[Audit, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Recorded in scores.json, with the closest pairs as pictures."""
    rows = some(len(reference.images), MOST_HELD_OUT)
    found = audit(
        Reference(reference.facts, reference.images[rows], reference.labels[rows]),
        data,
        source,
        judge,
    )
    run.add_scores(f"{source.name} (memorisation)", found.model_dump())
    return found, {
        name: (drawn[[i for i, _, _ in f.pairs]], data.images[[row for _, row, _ in f.pairs]])
        for name, f in found.findings.items()
    }
