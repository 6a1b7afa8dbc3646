"""Scores of one set of pictures beside another, without a run that says what is real.

`ldm evaluate A B` calls `compare`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from latent_diffusion.data.store import INFO, Dataset
from latent_diffusion.evaluation import reals
from latent_diffusion.evaluation.detected import add_detectability
from latent_diffusion.evaluation.detector import MOST_DETECTED, Detector, Layered
from latent_diffusion.evaluation.features import FEWEST, FeatureNetwork, Seen, look
from latent_diffusion.evaluation.frechet import extrapolate
from latent_diffusion.evaluation.intervals import scores_with_intervals
from latent_diffusion.evaluation.judge import Judge
from latent_diffusion.evaluation.scores import Scores
from latent_diffusion.evaluation.sources import ImageSource, of_dataset, open_images
from latent_diffusion.evaluation.yardstick import MOST_NEIGHBOURS, Yardstick
from latent_diffusion.subsets import some
from metrics import Statistics, statistics

MOST_READ = 4 * MOST_DETECTED  # real pictures that a detector chooses from


@dataclass(frozen=True)
class Others:
    """What samples are compared with, and the real pictures that stand beside the samples.

    `beside` are the held-out images of a data set; where nothing is held out, `source` itself.
    """

    source: ImageSource
    beside: ImageSource

    @classmethod
    def open(cls, path: Path, size: int) -> "Others":
        """Return the train split and the held-out images of a data set, or any other pictures."""
        if not (path / INFO).is_file():
            source = open_images(path, size)
            return cls(source, source)
        data = Dataset.open(path)
        source = of_dataset(data, data.train, size)
        return cls(source, of_dataset(data, data.test, size) if len(data.test) else source)

    @property
    def held_out(self) -> bool:
        """Whether the pictures beside the samples are none of those compared with."""
        return self.beside is not self.source


def compare(
    samples: Path, real: Path, network: FeatureNetwork, names: list[str], size: int | None
) -> Scores:
    """Return the scores of samples compared with the pictures of another folder, zip or data set.

    Of a data set the train split is what samples are compared with, and held-out images show what
    real ones measure; of other sources, some of the pictures beside the rest of them.
    names: the classes of a judge; empty for other networks.
    size: the side that all pictures must have, by default that of the first sample.
    Raise ValueError where they have another, and for a single picture.
    """
    images = open_images(samples, size)
    others = Others.open(real, images.size)
    n, source = images.count, others.source
    if min(n, source.count) < FEWEST:
        raise ValueError(f"{samples} or {real} holds a single picture: scores need at least 2")
    asked = images.labels(names)
    seen = look(network, images.batches(), n, title="scoring")
    compared = look(network, source.batches(), source.count, title="looking at the others")
    assert compared.statistics is not None  # of two pictures or more
    by_class = network.name == "judge" and seen.probabilities is not None
    yardstick = yardstick_of(compared.statistics, compared, n, by_class)
    sets = list(real_sets(yardstick, compared, others, n, network, names))
    scores = Scores(
        n=n,
        network=network.name,
        identity=network.identity,
        scheme=network.scheme if isinstance(network, Judge) else "",
        reference=f"the {source.count} pictures of {real}",
        scores=scores_with_intervals(yardstick, seen, asked, [measured for measured, _ in sets]),
        notes=notes(images, others, bool(sets)),
    )
    first = sets[0][1] if sets else None
    if extrapolated := extrapolate(seen, compared.statistics, first):
        scores.scores["fid_infinity"], scores.trend = extrapolated
    if isinstance(network, Layered):
        detector, known = detector_of(network, others.beside, names)
        add_detectability(scores, detector, images, known)
    return scores


def yardstick_of(whole: Statistics, seen: Seen, n: int, by_class: bool) -> Yardstick:
    """Return what n pictures are compared with: statistics, and what was seen in some."""
    rows = some(len(seen.rows), min(n, MOST_NEIGHBOURS))
    return Yardstick(whole, seen.features[rows], seen.edge_energies, by_class)


def real_sets(
    yardstick: Yardstick,
    compared: Seen,
    others: Others,
    n: int,
    network: FeatureNetwork,
    names: list[str],
) -> Iterator[tuple[dict[str, float], Seen]]:
    """Yield what sets of n real pictures measure, and what was seen in them; none for too few.

    Held-out images are compared with what samples are compared with; others with the rest of their
    own set, which must be as many at least.
    """
    beside = others.beside
    if beside.count < (n if others.held_out else 2 * n):
        return
    labels = beside.labels(names)
    seen = look(network, beside.batches(), beside.count) if others.held_out else compared
    labels = None if labels is None else labels[seen.rows]
    seen = kept(seen)
    for rows in reals.plain_sets(seen.n, n, np.random.default_rng(0)):
        one, asked = seen.subset(rows), None if labels is None else labels[rows]
        if others.held_out:
            yield yardstick.scores(one, asked), one
            continue
        rest = seen.subset(np.setdiff1d(np.arange(seen.n), rows))
        found = yardstick_of(statistics(rest.features), rest, n, yardstick.by_class)
        measured = found.scores(one, asked)
        # The distance of two sets of the same kind falls as the sum of 1 / number of both, and
        # samples have more to be compared with than the rest is.
        measured["fid"] *= (1 / n + 1 / compared.n) / (1 / n + 1 / rest.n)
        yield measured, one


def kept(seen: Seen) -> Seen:
    """Return what was seen in those pictures alone whose features were kept."""
    rows = seen.rows
    return replace(
        seen,
        n=len(rows),
        rows=np.arange(len(rows)),
        probabilities=None if seen.probabilities is None else seen.probabilities[rows],
        edge_energies=seen.edge_energies[rows],
    )


def detector_of(
    network: Layered, real: ImageSource, names: list[str]
) -> tuple[Detector, list[str]]:
    """Return a detector of real pictures, and the classes by which it matches samples to them."""
    rows = some(real.count, MOST_READ)
    labels = real.labels(names)
    if labels is None:
        return Detector(network, real.read(rows), np.zeros(len(rows), np.int64)), []
    return Detector(network, real.read(rows), labels[rows]), names


def notes(images: ImageSource, others: Others, has_floor: bool) -> list[str]:
    """Return what people should know of the scores."""
    found = []
    if not has_floor:
        found.append(
            f"no floor: {others.beside.name} has {others.beside.count} pictures to show what real "
            f"ones measure, too few beside {images.count}"
        )
    names = sorted({*map(str, images.classes), *map(str, others.source.classes)})
    asked, real = images.labels(names), others.source.labels(names)
    if asked is not None and real is not None:
        counts = np.bincount(asked, minlength=len(names))
        if not reals.alike(counts, np.bincount(real, minlength=len(names))):
            found.append("the shares of the classes differ, and count as a difference")
    return found
