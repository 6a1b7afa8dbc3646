"""All scores of a folder of samples, each beside what held-out real images measure at the same N."""

import numpy as np
from pydantic import BaseModel
from rich.table import Table

from latent_diffusion.data.reference import Reference
from latent_diffusion.device import choose_device
from latent_diffusion.evaluation.judge import Judge, Seen, batches, reference_statistics
from latent_diffusion.evaluation.reals import DRAWS, draws, real_images
from latent_diffusion.run import Run
from latent_diffusion.sampling.folder import Samples
from metrics import class_counts, class_coverage, conditional_accuracy, confusion_matrix, frechet_distance, inception_score, sharpness

FEWEST = 2  # images, for a covariance


class Real(BaseModel):
    """What held-out real images measure: FID and Inception score at the same N, means over a few draws (which overlap
    where there are not enough images), and the accuracy over all of them."""

    n: int
    fid: float  # the floor
    fid_range: tuple[float, float]
    inception_score: float
    conditional_accuracy: float


class Scores(BaseModel):
    """Scores of N samples. None where they cannot be had; `notes` says why."""

    n: int
    judge: str  # checksum of the classifier
    fid: float | None = None
    fid_over_floor: float | None = None
    inception_score: float | None = None
    marginal_entropy: float | None = None
    conditional_entropy: float | None = None
    class_coverage: float | None = None
    low_classes: list[str] = []
    conditional_accuracy: float | None = None
    counts: dict[str, int] = {}
    sharpness: float
    real: Real | None = None
    notes: list[str] = []


def evaluate(run: Run, samples_folder, judge_run: Run | None = None, device: str = "auto") -> Scores:
    """Score a folder of samples by the judge of `judge_run` (this run's own by default); recorded in scores.json."""
    judged_by = judge_run or run
    reference = Reference.open(judged_by)
    samples = Samples.open(samples_folder, reference.facts.image_size)
    scores = score(judged_by, reference, samples, device)
    run.add_scores(str(samples.folder.resolve()), scores.model_dump())
    return scores


def score(run: Run, reference: Reference, samples: Samples, device: str) -> Scores:
    n, names = len(samples.images), reference.facts.class_names
    reals = real_images(reference, DRAWS * n)
    sharp = sharpness(samples.images, reals) if len(reals) else 1.0
    if reference.facts.num_classes < 2:
        return Scores(n=n, judge="none", sharpness=sharp,
                      notes=["the data has one class: FID, Inception score, coverage and accuracy need a judge of two"])
    judge = Judge.load(run, choose_device(device))
    seen, notes = judge.look(batches(samples.images)), []
    statistics = reference_statistics(run)
    fid = frechet_distance(seen.statistics, statistics) if n >= FEWEST else None
    real = real_scores(judge, reference, reals, n, statistics) if FEWEST <= n <= len(reals) else None
    if real is None:
        notes.append(f"no floor: it takes between {FEWEST} and {len(reals)} samples, the number of held-out images")
    inception, coverage = inception_score(seen.probabilities), class_coverage(seen.probabilities)
    predicted = seen.probabilities.argmax(axis=1)
    asked = asked_labels(samples, names)
    if asked is None:
        notes.append("no accuracy: samples.json does not say which of this judge's classes was asked for")
    return Scores(
        n=n, judge=run.classifier.checksum(), fid=fid, fid_over_floor=fid / real.fid if real and real.fid > 0 else None,
        inception_score=inception.score, marginal_entropy=inception.marginal_entropy,
        conditional_entropy=inception.conditional_entropy, class_coverage=coverage.score,
        low_classes=[names[label] for label in coverage.low],
        conditional_accuracy=accuracy(asked, predicted, len(names)) if asked is not None else None,
        counts=dict(zip(names, class_counts(predicted, len(names)).tolist())), sharpness=sharp, real=real, notes=notes)


def real_scores(judge: Judge, reference: Reference, reals: np.ndarray, n: int, statistics) -> Real:
    found: list[tuple[Seen, float]] = []
    for rows in draws(len(reals), n):
        seen = judge.look(batches(reals, rows))
        found.append((seen, frechet_distance(seen.statistics, statistics)))
    floors = [fid for _, fid in found]
    held_out = judge.look(batches(np.asarray(reference.images))).probabilities.argmax(axis=1)
    return Real(n=n, fid=float(np.mean(floors)), fid_range=(min(floors), max(floors)),
                inception_score=float(np.mean([inception_score(seen.probabilities).score for seen, _ in found])),
                conditional_accuracy=accuracy(reference.labels, held_out, judge.network.num_classes))


def accuracy(asked: np.ndarray, predicted: np.ndarray, classes: int) -> float:
    return conditional_accuracy(confusion_matrix(asked, predicted, classes))


def asked_labels(samples: Samples, names: list[str]) -> np.ndarray | None:
    if not all(name in names for name in samples.classes):
        return None
    return np.array([names.index(name) for name in samples.classes], np.int64)


def table(scores: Scores) -> Table:
    """For the terminal: each score beside that of real images, and what is best."""
    shown, real = Table(title=f"{scores.n} samples"), scores.real
    for column in ("score", "samples", f"real, N={real.n}" if real else "real", "best"):
        shown.add_column(column, justify="left" if column == "score" else "right")

    def row(name: str, value, real_value, best: str) -> None:
        shown.add_row(name, *("-" if v is None else v if isinstance(v, str) else f"{v:.3f}" for v in (value, real_value)), best)

    row("FID (judge)", scores.fid, f"{real.fid:.3f} (floor)" if real else "no floor", "the floor")
    row("FID / floor", scores.fid_over_floor, "1" if real else None, "1")
    row("Inception score", scores.inception_score, real.inception_score if real else None, "as real")
    row("  H(y), nats", scores.marginal_entropy, None, "high")
    row("  H(y|x), nats", scores.conditional_entropy, None, "low")
    row("class coverage", scores.class_coverage, None, "1")
    row("conditional accuracy", scores.conditional_accuracy, real.conditional_accuracy if real else None, "as real")
    row("sharpness", scores.sharpness, "1", "1")
    if scores.counts:
        counts = ", ".join(f"{name} {count}" for name, count in scores.counts.items())
        shown.caption = f"seen as: {counts}" + (f"\nLOW: {', '.join(scores.low_classes)}" if scores.low_classes else "")
    for note in scores.notes:
        shown.caption = f"{shown.caption or ''}\n{note}".strip()
    return shown
