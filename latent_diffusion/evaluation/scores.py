"""All scores of a set of samples, each with its interval and beside what held-out real images measure at the same N."""

from pathlib import Path

import numpy as np
from pydantic import BaseModel

from latent_diffusion.data.reference import Reference
from latent_diffusion.device import choose_device
from latent_diffusion.evaluation import reals
from latent_diffusion.evaluation.features import FeatureNetwork, Seen, look
from latent_diffusion.evaluation.judge import Judge, judge_statistics
from latent_diffusion.evaluation.lpips import Distance, diversity
from latent_diffusion.evaluation.references import ReferenceStatistics
from latent_diffusion.evaluation.sources import ImageSource, of_array, open_images
from latent_diffusion.evaluation.yardstick import MOST_NEIGHBOURS, Yardstick
from latent_diffusion.run import Run
from latent_diffusion.subsets import some
from metrics import (
    Statistics,
    binomial_interval,
    class_coverage,
    confusion_matrix,
    edge_energies,
    energy_ratio,
    frechet_distance,
    frechet_extrapolation,
    intervals,
    statistics,
)

FEWEST = 2  # images, for a covariance
FEWEST_FOR_INTERVALS = 8
FEWEST_FOR_TREND = 4  # times the number of features: with less, the trend of FID is no line
INTERVAL_DRAWS = 30
TREND_DRAWS = 5
MOST_REALS = 6_000  # held-out images made where the source can, unless one draw takes more
BOUNDS = {
    name: (0.0, 1.0)
    for name in ("precision", "recall", "coverage", "class_coverage", "class_share")
} | {"kid": (None, None)}
SMALL_DIMENSION = 512  # of features; beyond it a Fréchet distance takes about a second


class Score(BaseModel):
    """low .. high is the 95% interval of the score of N images; real is the mean of DRAWS sets of N held-out images, with
    its range."""

    value: float
    low: float | None = None
    high: float | None = None
    real: float | None = None
    real_range: tuple[float, float] | None = None


class ClassFid(BaseModel):
    n: int
    fid: float
    floor: float | None = None


class TrendPoint(BaseModel):
    n: int
    fid: float
    deviation: float


class Scores(BaseModel):
    """Scores of N samples by one feature network. What cannot be had is missing, and `notes` says why."""

    n: int
    network: str
    identity: str  # checksum of the network's weights
    reference: str  # what the samples are compared with
    scores: dict[str, Score] = {}
    class_fid: dict[str, ClassFid] = {}
    trend: list[TrendPoint] = []  # FID by number of samples
    counts: dict[str, int] = {}  # by class, as the network sees them
    low_classes: list[str] = []
    matched_floor: float | None = None  # FID of held-out images with the samples' own class counts
    confusion: list[list[int]] | None = None  # row: class asked for, column: class seen
    notes: list[str] = []

    def value(self, name: str) -> float | None:
        return self.scores[name].value if name in self.scores else None

    @property
    def fid_over_floor(self) -> float | None:
        fid = self.scores.get("fid")
        return fid.value / fid.real if fid and fid.real else None

    @property
    def least_fid(self) -> float | None:
        """What perfect samples would measure: the matched floor, or the floor where class counts are not known."""
        return (
            self.matched_floor
            if self.matched_floor is not None
            else self.scores["fid"].real
            if "fid" in self.scores
            else None
        )

    @property
    def fid_over_matched_floor(self) -> float | None:
        return self.scores["fid"].value / self.matched_floor if self.matched_floor else None


def evaluate(
    run: Run,
    samples: Path | str | np.ndarray,
    judge_run: Run | None = None,
    device: str = "auto",
    network: FeatureNetwork | None = None,
    against: ReferenceStatistics | None = None,
    lpips: Distance | None = None,
) -> Scores:
    """Score samples (a folder, a zip, a data set, an array) and record that in RUN/scores.json.

    judge_run: the run whose judge and held-out images count; this one by default. network and against: another feature
    network, with its statistics of real images. lpips: for diversity within classes.
    """
    judged_by = judge_run or run
    reference = Reference.open(judged_by)
    images = open_images(samples, reference.facts.image_size)
    if network is None and reference.facts.num_classes >= 2:
        network = Judge.load(judged_by, choose_device(device))
        against = judge_statistics(judged_by, network)
    scores = score(reference, images, network, against, lpips)
    name = images.name if isinstance(samples, np.ndarray) else str(Path(samples).resolve())
    how = [scores.network] if scores.network not in ("judge", "none") else []
    how += [f"judge of {judge_run.folder.resolve()}"] if judge_run else []
    run.add_scores(f"{name} ({', '.join(how)})" if how else name, scores.model_dump())
    return scores


def score(
    reference: Reference,
    images: ImageSource,
    network: FeatureNetwork | None,
    against: ReferenceStatistics | None,
    lpips: Distance | None = None,
    title: str | None = "scoring",
) -> Scores:
    """title: what the progress is called; none is shown without."""
    names, n = reference.facts.class_names, images.count
    most_reals = min(reals.DRAWS * n, max(MOST_REALS, n * 11 // 10))
    real_pixels, real_labels = reference.held_out(most_reals)
    if network is None:
        return sharpness_only(images, real_pixels)
    seen, asked, notes = look(network, images.batches(), n, title=title), images.labels(names), []
    if asked is None:
        notes.append(
            "the classes asked for are unknown: no accuracy, and the reference keeps its own class histogram"
        )
    shares, reweight, described = reference_shares(asked, reference, against)
    target = against.weighted(shares) if reweight else against.statistics
    real = (
        look(network, of_array(real_pixels).batches(), len(real_pixels), most_kept=len(real_pixels))
        if len(real_pixels)
        else None
    )
    drawn = reals.draws(real_labels, shares, n) if real and n >= FEWEST else []
    if not drawn:
        notes.append(
            f"no floor: there are {len(real_pixels)} held-out images, too few of a class for {n} samples"
            if n >= FEWEST
            else "a single sample: most scores need more"
        )
    yardstick = Yardstick(
        target,
        neighbours(against, shares, n),
        real.edge_energies if real else np.zeros(0),
        network.name == "judge",
    )
    scores = with_intervals(
        yardstick,
        seen,
        asked,
        [yardstick.scores(part(real, rows), real_labels[rows]) for rows in drawn],
    )
    matched = (
        same_counts(real, real_labels, np.bincount(asked, minlength=len(names)), target)
        if drawn and asked is not None
        else None
    )
    if drawn and asked is not None and matched is None:
        notes.append(
            "no matched floor: too few held-out images of some classes for the samples' class counts"
        )
    trend = []
    if n >= FEWEST_FOR_TREND * seen.features.shape[1]:
        scores["fid_infinity"], trend = extrapolate(
            seen, target, part(real, drawn[0]) if drawn else None
        )
    if lpips and asked is not None and (within := diversity(lpips, images.read, asked)):
        real_within = diversity(lpips, lambda rows: real_pixels[rows], real_labels)
        scores["lpips_diversity"] = Score(
            value=within[0],
            low=within[0] - 2 * within[1],
            high=within[0] + 2 * within[1],
            real=real_within[0] if real_within else None,
        )
    by_class = yardstick.by_class and asked is not None
    predicted = seen.probabilities.argmax(axis=1) if yardstick.by_class else None
    return Scores(
        n=n,
        network=network.name,
        identity=network.identity,
        reference=described,
        scores=scores,
        trend=trend,
        notes=notes,
        class_fid=fid_by_class(seen, asked, against, names, real, real_labels)
        if by_class and against.classes
        else {},
        counts=dict(zip(names, np.bincount(predicted, minlength=len(names)).tolist()))
        if yardstick.by_class
        else {},
        low_classes=[names[label] for label in class_coverage(seen.probabilities).low]
        if yardstick.by_class
        else [],
        matched_floor=matched,
        confusion=confusion_matrix(asked, predicted, len(names)).tolist() if by_class else None,
    )


def reference_shares(
    asked: np.ndarray | None, reference: Reference, against: ReferenceStatistics
) -> tuple[np.ndarray, bool, str]:
    """The class shares that the reference takes, whether it must be reweighted to them, and how to say so."""
    histogram = np.array(reference.facts.histogram)
    if against.labels is None or against.labels.min() < 0:
        return histogram, False, "the statistics of a file, whatever its images are"
    if asked is None:
        return histogram, False, "training images"
    counts = np.bincount(asked, minlength=len(histogram))
    if reals.alike(counts, histogram):
        return histogram, False, "training images; the samples follow their class histogram"
    if against.classes is None:
        return (
            histogram,
            False,
            "training images with their own class histogram, which is not that of the samples",
        )
    return counts, True, "reweighted training images: the class shares are those of the samples"


def neighbours(against: ReferenceStatistics, shares: np.ndarray, n: int) -> np.ndarray | None:
    """Features of as many real images as there are samples (or as were kept), with the wanted class shares."""
    if against.features is None:
        return None
    most = min(n, MOST_NEIGHBOURS)
    if against.labels.min() < 0:
        return against.features[some(len(against.features), most)]
    return against.features[reals.matched(against.labels, shares, most)]


def part(seen: Seen, rows: np.ndarray) -> Seen:
    """What was seen in some of the images (all of whose features were kept)."""
    features = seen.features[rows]
    return Seen(
        len(rows),
        statistics(features) if len(rows) >= FEWEST else None,
        features,
        np.arange(len(rows)),
        seen.probabilities[rows] if seen.probabilities is not None else None,
        seen.edge_energies[rows],
    )


def with_intervals(
    yardstick: Yardstick, seen: Seen, asked: np.ndarray | None, of_reals: list[dict[str, float]]
) -> dict[str, Score]:
    """The scores of the samples, each with its interval and what real images have."""
    values, kept, found = yardstick.scores(seen, asked), len(seen.rows), {}
    if kept >= FEWEST_FOR_INTERVALS:
        labels, random = (
            asked[seen.rows] if asked is not None else np.zeros(kept, np.int64),
            np.random.default_rng(0),
        )
        halves = intervals(
            lambda rows: yardstick.of_distribution(seen, asked, rows),
            kept,
            random,
            INTERVAL_DRAWS,
            strata=labels,
        )
        found = {
            name: (one.high - one.low) / 2 * (kept / seen.n) ** 0.5 for name, one in halves.items()
        }
        pairs = some(kept, MOST_NEIGHBOURS)
        halves = intervals(
            lambda rows: yardstick.of_pairs(seen.features[pairs[rows]]),
            len(pairs),
            random,
            INTERVAL_DRAWS,
            strata=labels[pairs],
        )
        found |= {name: (one.high - one.low) / 2 for name, one in halves.items()}
    scores = {}
    for name, value in values.items():
        real = [values_of_real[name] for values_of_real in of_reals if name in values_of_real]
        score = (
            Score(value=value, real=float(np.mean(real)), real_range=(min(real), max(real)))
            if real
            else Score(value=value)
        )
        if name == "accuracy":  # exact: a share of independent images
            score.low, score.high = binomial_interval(round(value * seen.n), seen.n)
        elif name in found:
            least, most = BOUNDS.get(name, (0.0, None))
            score.low = value - found[name] if least is None else max(least, value - found[name])
            score.high = value + found[name] if most is None else min(most, value + found[name])
        scores[name] = score
    return scores


def same_counts(
    real: Seen, labels: np.ndarray, counts: np.ndarray, target: Statistics
) -> float | None:
    """FID of held-out images with these class counts. The floor is of images drawn at random, whose counts vary; where samples
    have theirs in fixed proportions, they can measure less than it without being perfect."""
    distances = [
        frechet_distance(statistics(real.features[rows]), target)
        for rows in reals.matching_draws(labels, counts)
    ]
    return float(np.mean(distances)) if distances else None


def extrapolate(
    seen: Seen, target: Statistics, real: Seen | None
) -> tuple[Score, list[TrendPoint]]:
    """FID at infinitely many samples, and FID by number of samples."""
    draws = TREND_DRAWS if seen.features.shape[1] <= SMALL_DIMENSION else 1
    found = frechet_extrapolation(seen.features, target, np.random.default_rng(0), draws)
    floor = (
        frechet_extrapolation(real.features, target, np.random.default_rng(0), draws).limit.value
        if real
        else None
    )
    trend = [TrendPoint(n=p.n, fid=p.mean, deviation=p.deviation) for p in found.points]
    return Score(
        value=found.limit.value, low=found.limit.low, high=found.limit.high, real=floor
    ), trend


def fid_by_class(
    seen: Seen,
    asked: np.ndarray,
    against: ReferenceStatistics,
    names: list[str],
    real: Seen | None,
    real_labels: np.ndarray,
) -> dict[str, ClassFid]:
    """FID of the samples of each class against the training images of that class, and its floor."""
    found = {}
    for label, name in enumerate(names):
        features = seen.features[asked[seen.rows] == label]
        if len(features) < FEWEST:
            continue
        held_out = real.features[real_labels == label] if real else features[:0]
        sets = (
            reals.draws(np.zeros(len(held_out), np.int64), np.ones(1), len(features))
            if len(held_out)
            else []
        )
        floors = [
            frechet_distance(statistics(held_out[rows]), against.classes[label]) for rows in sets
        ]
        found[name] = ClassFid(
            n=len(features),
            fid=frechet_distance(statistics(features), against.classes[label]),
            floor=float(np.mean(floors)) if floors else None,
        )
    return found


def sharpness_only(images: ImageSource, real_pixels: np.ndarray) -> Scores:
    energies = np.concatenate([edge_energies(batch) for batch in images.batches()])
    note = "the data has one class: FID, Inception score, coverage and accuracy need a judge of two"
    sharp = (
        {"sharpness": Score(value=energy_ratio(energies, edge_energies(real_pixels)), real=1.0)}
        if len(real_pixels)
        else {}
    )
    return Scores(
        n=images.count,
        network="none",
        identity="",
        reference="held-out images",
        scores=sharp,
        notes=[note],
    )
