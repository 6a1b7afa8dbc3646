"""What a page has to compute: samples and their scores, reconstructions, the process, near copies.

Called by the page of a run, and for its samples by the comparison.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from latent_diffusion.data.reference import Reference
from latent_diffusion.data.store import Dataset
from latent_diffusion.evaluation.audit import Audit, audit, closest_pairs
from latent_diffusion.evaluation.detected import add_detectability, reporting_detector
from latent_diffusion.evaluation.evidence import evidence_picture
from latent_diffusion.evaluation.judge import Judge, judge_statistics, spatial_statistics
from latent_diffusion.evaluation.lpips import find_lpips
from latent_diffusion.evaluation.reconstruction import ReconstructionScores, reconstruct_images
from latent_diffusion.evaluation.references import ReferenceStatistics
from latent_diffusion.evaluation.sampled import sample_in_proportion
from latent_diffusion.evaluation.scores import Scores
from latent_diffusion.evaluation.scoring import score
from latent_diffusion.evaluation.sources import ImageSource, open_images
from latent_diffusion.inspection.process import process_frames
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import Progress, say
from latent_diffusion.report.gather import Gathered, load_or_note
from latent_diffusion.report.pictures import spread_labels
from latent_diffusion.run import Run
from latent_diffusion.studies.latent_cost import LatentCost, latent_cost
from latent_diffusion.studies.noise_loss import NoiseLoss, noise_loss
from latent_diffusion.subsets import some, spread

IMAGES, FEWEST_IMAGES = 200, 20  # scored by default
MOST_CLASSES = 24  # shown as pictures; the tables have all
SEEDS_SHOWN, SEEDS_OF_ONE = 8, 32  # a class; where there is only one
RECONSTRUCTED = 10  # images shown
NOISED = 200  # images whose loss is taken, at most
PROCESS_ROWS, PROCESS_PARTS = 5, 7
MOST_HELD_OUT = 500  # in the audit, whose cost is theirs; ldm audit takes more
QUICKLY_COMPARED = 5_000  # training images; with more of them pixels are left to ldm audit

Pair = tuple[np.ndarray, np.ndarray]


@dataclass
class Measured:
    """What was computed; None where something is missing in the run.

    Pictures are uint8 (N, H, W, 3), grouped as said.
    """

    device: str
    images: int  # samples that were scored
    fast: bool = False  # whether the student drew them
    pipe: Pipeline | None = None
    by_class: dict[int, np.ndarray] | None = None  # label: seeds 1, 2, …
    scores: Scores | None = None
    process: dict[int, np.ndarray] | None = None  # label: frames from noise to image
    reconstruction: ReconstructionScores | None = None
    reconstructed: Pair | None = None  # originals, decoded
    evidence: Image.Image | None = None  # what gave samples away
    noise: NoiseLoss | None = None
    cost: LatentCost | None = None
    audit: Audit | None = None
    pairs: dict[str, Pair] | None = None  # by distance: samples, training images


class Done(NamedTuple):
    """What was measured already: a folder of samples, and reconstructions (originals, decoded)."""

    samples: Path
    scores: Scores
    evidence: Image.Image | None
    reconstructed: Pair
    reconstruction: ReconstructionScores


def images_to_score(asked: int | None, reference: Reference | None) -> int:
    """Return as many as asked for; by default so many that there is a floor.

    For that as many held-out images are needed.
    """
    if asked:
        return asked
    if reference is None or reference.has(IMAGES):
        return IMAGES
    return max(FEWEST_IMAGES, len(reference.images))


def measure(
    found: Gathered,
    images: int,
    data: Dataset | None,
    device: torch.device,
    fast: bool = False,
    done: Done | None = None,
) -> Measured:
    """Compute what the run has the networks for; fast: with the student in its teacher's place.

    Scores are recorded in scores.json, unless the samples are done; `found.missing` is told what
    cannot be computed.
    """
    run, missing = found.run, found.missing
    measured = Measured(str(device), images, fast)
    judge, against = load_judge(run, missing, found.facts.num_classes, device)
    held_out = found.reference if found.reference and len(found.reference.images) else None
    if held_out:
        measure_reconstructions(measured, found, done)
    pipe = load_or_note(
        missing, "denoiser", lambda: Pipeline.from_run(run.folder, str(device), fast=fast)
    )
    if not pipe:
        return measured
    measured.pipe = pipe
    measured.by_class = draw_by_class(pipe)
    measured.process = draw_process(pipe)
    if done:
        samples = open_images(done.samples, found.facts.image_size)
        measured.scores, measured.evidence = done.scores, done.evidence
    else:
        samples = draw_samples(pipe, images)
        score_samples(measured, found, samples, pipe, judge, against)
    if held_out:
        scored = measured.scores and measured.scores.detected  # else there are too few
        if judge and scored and not fast:
            pixels, labels = held_out.reported().held_out()
            few = some(len(pixels), NOISED)
            measured.cost = load_or_note(
                missing, "latents", lambda: latent_cost(pipe, judge, pixels[few], labels[few])
            )
        rows = spread(len(held_out.images), NOISED)
        if not fast:  # of noise levels between its jumps a student knows nothing
            measured.noise = noise_loss(pipe, held_out.images[rows], held_out.labels[rows])
        if data:
            in_pixels = not done or len(data.train) <= QUICKLY_COMPARED
            measured.audit = audited(run, held_out, data, samples, judge, in_pixels)
            measured.pairs = closest_pairs(measured.audit, samples, data)
    return measured


def score_samples(
    measured: Measured,
    found: Gathered,
    samples: ImageSource,
    pipe: Pipeline,
    judge: Judge | None,
    against: ReferenceStatistics | None,
) -> None:
    """Score samples, if there is something to score them by, and record that."""
    run, reference = found.run, found.reference
    if not reference or not (judge or found.facts.num_classes == 1):
        return
    lpips = find_lpips(None, pipe.device) if judge else None
    spatial = spatial_statistics(run, judge) if judge else None
    measured.scores = score(reference, samples, judge, against, lpips, spatial=spatial)
    if judge:
        measured.evidence = detected(measured.scores, judge, reference, samples, pipe)
    run.add_scores(samples.name, measured.scores.model_dump())


def detected(
    scores: Scores, judge: Judge, reference: Reference, samples: ImageSource, pipe: Pipeline
) -> Image.Image | None:
    """Add the detectability of samples to their scores; return what gave them away, if known."""
    detector = reporting_detector(judge, reference)
    assert detector  # a judge has layers
    names = reference.facts.class_names
    found = add_detectability(scores, detector, samples, names, pipe.codec.reconstruct)
    return evidence_picture(judge, found, samples.read(found.rows)) if found else None


def measure_reconstructions(measured: Measured, found: Gathered, done: Done | None) -> None:
    """Encode and decode the held-out images, unless that is done, and keep some to show."""
    if done:
        originals, decoded = done.reconstructed
        measured.reconstruction = done.reconstruction
    else:
        say("reconstructing the held-out images")
        three = load_or_note(
            found.missing,
            "reconstruction",
            lambda: reconstruct_images(found.run, device=measured.device),
        )
        if not three:
            return
        originals, decoded, measured.reconstruction = three
    rows = spread(len(originals), RECONSTRUCTED)
    measured.reconstructed = originals[rows], decoded[rows]


def load_judge(
    run: Run, missing: dict[str, str], classes: int, device: torch.device
) -> tuple[Judge | None, ReferenceStatistics | None]:
    """Return the judge and its statistics of real images, or a pair of None."""
    if classes < 2 and not run.classifier.trained:
        missing["judge"] = (
            "there is no FID, precision, recall or detectability without; ldm train-classifier "
            "trains one for data of one class, too"
        )
        return None, None
    judge = load_or_note(missing, "judge", lambda: Judge.load(run, device))
    if not judge:
        return None, None
    against = load_or_note(missing, "judge", lambda: judge_statistics(run, judge))
    return (judge, against) if against else (None, None)


def draw_by_class(pipe: Pipeline, seeds_shown: int = SEEDS_SHOWN) -> dict[int, np.ndarray]:
    """Draw the same seeds in each class (in MOST_CLASSES of them, where there are more)."""
    labels = spread_labels(pipe.facts.num_classes, MOST_CLASSES)
    seeds = range(1, 1 + (seeds_shown if len(labels) > 1 else SEEDS_OF_ONE))
    images = draw(
        pipe,
        [*seeds] * len(labels),
        [label for label in labels for _ in seeds],
        "sampling by class",
    )
    by_label = images.reshape(len(labels), len(seeds), *images.shape[1:])
    return dict(zip(labels, by_label, strict=True))


def draw_process(pipe: Pipeline) -> dict[int, np.ndarray]:
    """Draw one image in some classes, with the states on its way, (F, H, W, 3) by label."""
    labels = spread_labels(pipe.facts.num_classes, PROCESS_ROWS)
    seeds = range(1, 1 + len(labels))
    parts = min(PROCESS_PARTS, pipe.sampling.steps)
    frames = process_frames(pipe.denoiser, pipe.codec, seeds, labels, pipe.sampling, parts)
    return dict(zip(labels, frames, strict=True))


def draw_samples(pipe: Pipeline, images: int) -> ImageSource:
    """Draw seeds 1 .. images in the proportions of the data."""

    def sample(seeds: Sequence[int], labels: Sequence[int]) -> np.ndarray:
        return draw(pipe, seeds, labels, "sampling")

    return sample_in_proportion(sample, pipe.facts, images, name=report_name(images, pipe.is_fast))


def report_name(images: int, fast: bool = False) -> str:
    """Return the name under which scores.json has the scores of a report."""
    return f"seeds 1-{images} (report{', fast' if fast else ''})"


def draw(pipe: Pipeline, seeds: Sequence[int], labels: Sequence[int], title: str) -> np.ndarray:
    """Draw images uint8 (N, H, W, 3) as the run samples, with progress of that title."""
    with Progress(title, len(seeds)) as progress:
        return pipe.generate(seeds, labels, pipe.sampling, progress.advance)


def audited(
    run: Run,
    reference: Reference,
    data: Dataset,
    samples: ImageSource,
    judge: Judge | None,
    in_pixels: bool,
) -> Audit:
    """Look for copies of training images among the samples; recorded in scores.json."""
    rows = some(len(reference.images), MOST_HELD_OUT)
    fewer = Reference(reference.facts, reference.images[rows], reference.labels[rows])
    found = audit(fewer, data, samples, judge, in_pixels)
    run.add_scores(f"{samples.name} (memorisation)", found.model_dump())
    return found
