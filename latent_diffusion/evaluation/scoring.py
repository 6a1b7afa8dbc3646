"""All scores of a set of samples, each with its interval and beside what real images score.

`evaluate` (ldm evaluate, the demo) scores any source and records it in the run; `score` (the
report, the studies, grades) scores opened images.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latent_diffusion.data.reference import Reference
from latent_diffusion.device import choose_device
from latent_diffusion.distributed import together
from latent_diffusion.evaluation import reals
from latent_diffusion.evaluation.detected import add_detectability, reporting_detector
from latent_diffusion.evaluation.detector import Detection, Detector
from latent_diffusion.evaluation.evidence import evidence_picture
from latent_diffusion.evaluation.features import (
    FEWEST,
    FeatureNetwork,
    HasSpatial,
    Seen,
    Spatial,
    look,
)
from latent_diffusion.evaluation.frechet import (
    extrapolate,
    fid_by_class,
    matched_floor,
    spatial_distance,
)
from latent_diffusion.evaluation.intervals import scores_with_intervals
from latent_diffusion.evaluation.judge import Judge, judge_statistics, spatial_statistics
from latent_diffusion.evaluation.lpips import Distance, diversity
from latent_diffusion.evaluation.references import ReferenceStatistics
from latent_diffusion.evaluation.scores import Score, Scores, sparse
from latent_diffusion.evaluation.sources import ImageSource, of_array, open_images
from latent_diffusion.evaluation.targets import Target, choose_target, neighbours
from latent_diffusion.evaluation.yardstick import Yardstick
from latent_diffusion.loading import Codec
from latent_diffusion.progress import say
from latent_diffusion.run import Run
from latent_diffusion.sampling.folder import LIST, read_list
from metrics import class_coverage, confusion_matrix, edge_energies, energy_ratio

EVIDENCE = "detectability.png"  # in a run
MOST_REALS = 6_000  # held-out images made where the source can, unless one set takes more


def evaluate(
    run: Run,
    samples: Path | str | np.ndarray,
    judge_run: Run | None = None,
    device: str = "auto",
    network: FeatureNetwork | None = None,
    against: ReferenceStatistics | None = None,
    lpips: Distance | None = None,
    spatial: ReferenceStatistics | None = None,
    record: bool = True,
) -> Scores:
    """Return the scores of samples, and record them in RUN/scores.json.

    samples: a folder, a zip, a data set, or an array uint8 (N, H, W, 3).
    judge_run: the run whose judge and held-out images count; this one by default.
    network, against, spatial: another feature network, with its statistics of real images, and
    those of its middle layer, if any.
    lpips: for diversity within classes.
    record: whether the run keeps them; what gives the samples away is then drawn in
    RUN/detectability.png. Within `shared_work` processes share the looking, and the first records.
    """
    judged_by = judge_run or run
    reference = Reference.open(judged_by)
    images = open_images(samples, reference.facts.image_size)
    if network is None and (judged_by.classifier.trained or reference.facts.num_classes >= 2):
        judge = Judge.load(judged_by, choose_device(device))
        network, against = judge, judge_statistics(judged_by, judge)
        spatial = spatial_statistics(judged_by, judge)
    scores = score(reference, images, network, against, lpips, spatial=spatial)
    if network and (detector := reporting_detector(network, reference)):
        names = reference.facts.class_names
        codec = Codec.of(run, choose_device(device)) if drew(run, samples, reference) else None
        found = add_detectability(
            scores, detector, images, names, codec.reconstruct if codec else None
        )
        if record and together().first:
            keep_evidence(run, detector, found, images)
    if record and together().first:
        name = images.name if isinstance(samples, np.ndarray) else str(Path(samples).resolve())
        how = []
        if scores.network not in ("judge", "none"):
            how.append(scores.network)
        if judge_run:
            how.append(f"judge of {judge_run.folder.resolve()}")
        run.add_scores(f"{name} ({', '.join(how)})" if how else name, scores.model_dump())
    return scores


def keep_evidence(
    run: Run, detector: Detector, found: Detection | None, images: ImageSource
) -> None:
    """Draw what gives samples away in the run; earlier samples' picture goes in any case."""
    path = run.folder / EVIDENCE
    picture = evidence_picture(detector.network, found, images.read(found.rows)) if found else None
    try:
        path.unlink(missing_ok=True)  # a read-only disk refuses that, too, of what is not there
        if picture:
            picture.save(path)
    except OSError as error:  # scores are worth more than their picture
        say(f"not drawn: {path} ({error.strerror})")


def drew(run: Run, samples: Path | str | np.ndarray, reference: Reference) -> bool:
    """Return whether samples are this run's own, so that its stages can be told apart."""
    if isinstance(samples, np.ndarray) or not (Path(samples) / LIST).is_file():
        return False
    if not run.autoencoder.trained or not run.diffusion.trained:
        return False
    listed = read_list(Path(samples)).get("files") or {}
    own = Reference.open(run).facts.checksum == reference.facts.checksum
    return own and {about.get("run") for about in listed.values()} == {run.checksum()}


def score(
    reference: Reference,
    images: ImageSource,
    network: FeatureNetwork | None,
    against: ReferenceStatistics | None,
    lpips: Distance | None = None,
    title: str | None = "scoring",
    spatial: ReferenceStatistics | None = None,
) -> Scores:
    """Return the scores of images by a network, compared with its statistics `against`.

    Without a network there is sharpness only. title: what the progress is called; none is shown
    without. spatial: statistics of the network's middle layer, for the spatial Fréchet distance.
    """
    n, names = images.count, reference.facts.class_names
    most_reals = min(reals.SETS * n, max(MOST_REALS, n * 11 // 10))
    real_pixels, real_labels = reference.held_out(most_reals)
    if network is None:
        return sharpness_only(images, real_pixels)
    assert against is not None
    seen = look(network, images.batches(), n, title=title)
    asked = images.labels(names)
    target = choose_target(asked, reference, against)
    held_out = HeldOut.seen_by(network, real_pixels, real_labels)
    sets = held_out.sets(target.shares, n)
    yardstick = Yardstick(
        statistics=target.statistics,
        features=neighbours(against, target.shares, n),
        edge_energies=held_out.seen.edge_energies if held_out.seen else np.zeros(0),
        by_class=network.name == "judge" and seen.probabilities is not None,
    )
    scores = Scores(
        n=n,
        network=network.name,
        identity=network.identity,
        scheme=network.scheme if isinstance(network, Judge) else "",
        reference=target.description,
        scores=scores_with_intervals(
            yardstick, seen, asked, [yardstick.scores(*held_out.subset(rows)) for rows in sets]
        ),
    )
    if asked is None:
        scores.notes.append(
            "the classes asked for are unknown: no accuracy, "
            "and the reference keeps its own class histogram"
        )
    add_floors(scores, seen, asked, target, held_out, sets)
    if spatial and isinstance(network, HasSpatial) and n >= FEWEST:
        scores.scores["spatial_fid"] = spatial_distance(
            Spatial(network),
            spatial,
            images,
            asked,
            reference,
            [real_pixels[rows] for rows in sets],
        )
    if lpips and asked is not None:
        add_diversity(scores, lpips, images, asked, real_pixels, real_labels)
    if yardstick.by_class:
        add_classes(scores, seen, asked, names, against, held_out)
    return scores


@dataclass(frozen=True)
class HeldOut:
    """The labels of held-out real images, and what a network saw in them.

    `seen` is None where no images are held out.
    """

    labels: np.ndarray
    seen: Seen | None

    @classmethod
    def seen_by(cls, network: FeatureNetwork, pixels: np.ndarray, labels: np.ndarray) -> "HeldOut":
        """Show held-out images, uint8 (N, H, W, 3), to a network."""
        if not len(pixels):
            return cls(labels, None)
        return cls(
            labels,
            look(network, of_array(pixels).batches(), len(pixels), most_kept=len(pixels)),
        )

    def sets(self, shares: np.ndarray, n: int) -> list[np.ndarray]:
        """Return rows of sets of n images with these class shares; empty if there are too few."""
        if self.seen is None or n < FEWEST:
            return []
        return reals.random_sets(self.labels, shares, n)

    def subset(self, rows: np.ndarray) -> tuple[Seen, np.ndarray]:
        """Return what was seen in some of the images, and their labels."""
        assert self.seen is not None
        return self.seen.subset(rows), self.labels[rows]


def add_floors(
    scores: Scores,
    seen: Seen,
    asked: np.ndarray | None,
    target: Target,
    held_out: HeldOut,
    sets: list[np.ndarray],
) -> None:
    """Add the matched floor and the trend of FID, and notes on the floors that cannot be had."""
    if scores.n < FEWEST:
        scores.notes.append("a single sample: most scores need more")
    elif not sets:
        scores.notes.append(
            f"no floor: there are {len(held_out.labels)} held-out images, "
            f"too few of a class for {scores.n} samples"
        )
    elif asked is not None and held_out.seen:
        counts = np.bincount(asked, minlength=len(target.shares))
        scores.matched_floor = matched_floor(
            held_out.seen, held_out.labels, counts, target.statistics
        )
        if scores.matched_floor is None:
            scores.notes.append(
                "no matched floor: too few held-out images of some classes "
                "for the samples' class counts"
            )
    real = held_out.subset(sets[0])[0] if sets else None
    if extrapolated := extrapolate(seen, target.statistics, real):
        scores.scores["fid_infinity"], scores.trend = extrapolated


def add_diversity(
    scores: Scores,
    lpips: Distance,
    images: ImageSource,
    asked: np.ndarray,
    real_pixels: np.ndarray,
    real_labels: np.ndarray,
) -> None:
    """Add LPIPS within classes, with its standard error, where a class has two samples."""
    within = diversity(lpips, images.read, asked)
    if within is None:
        return
    value, error = within
    of_real = diversity(lpips, lambda rows: real_pixels[rows], real_labels)
    scores.scores["lpips_diversity"] = Score(
        value=value,
        low=value - 2 * error,
        high=value + 2 * error,
        real=of_real[0] if of_real else None,
    )


def add_classes(
    scores: Scores,
    seen: Seen,
    asked: np.ndarray | None,
    names: list[str],
    against: ReferenceStatistics,
    held_out: HeldOut,
) -> None:
    """Add what the judge sees class by class and, where labels are known, how that agrees."""
    assert seen.probabilities is not None
    predicted = seen.probabilities.argmax(axis=1)
    counts = np.bincount(predicted, minlength=len(names)).tolist()
    scores.counts = dict(zip(names, counts, strict=True))
    scores.low_classes = [names[label] for label in class_coverage(seen.probabilities).low]
    if asked is None:
        return
    scores.confusion = sparse(confusion_matrix(asked, predicted, len(names)).tolist(), names)
    if against.classes:
        scores.class_fid = fid_by_class(
            seen, asked, against.classes, names, held_out.seen, held_out.labels
        )


def sharpness_only(images: ImageSource, real_pixels: np.ndarray) -> Scores:
    """Return the one score that needs no network, for a run of one class without a judge."""
    energies = np.concatenate([edge_energies(batch) for batch in images.batches()])
    scores = Scores(
        n=images.count,
        network="none",
        identity="",
        reference="held-out images",
        notes=[
            "no judge: FID, precision, recall and detectability need one "
            "(ldm train-classifier, which also learns data of one class)"
        ],
    )
    if len(real_pixels):
        sharpness = energy_ratio(energies, edge_energies(real_pixels))
        scores.scores["sharpness"] = Score(value=sharpness, real=1.0)
    return scores
