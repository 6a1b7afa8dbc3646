"""Which scores see what people see? Real pictures with known faults in four doses, scored.

Called by `ldm study faults`. A score sees a fault from the dose on at which it leaves the band of
pictures without one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table
from rich.text import Text

from latent_diffusion.data.faults import DOSES, FAULTS
from latent_diffusion.data.reference import Reference
from latent_diffusion.data.sources import source_faults
from latent_diffusion.device import choose_device
from latent_diffusion.evaluation.detector import Described, describe, halves, rows_with, tell
from latent_diffusion.evaluation.features import Spatial, look
from latent_diffusion.evaluation.judge import Judge, judge_statistics, spatial_statistics
from latent_diffusion.evaluation.reals import apportion
from latent_diffusion.evaluation.references import ReferenceStatistics
from latent_diffusion.evaluation.sources import of_array
from latent_diffusion.evaluation.targets import choose_target, neighbours
from latent_diffusion.evaluation.yardstick import Yardstick
from latent_diffusion.inspection.plots import Curve, Panel, plot
from latent_diffusion.progress import Progress
from latent_diffusion.run import Run
from metrics import energy_ratio, frechet_distance, statistics

IMAGES, FEWEST = 1_000, 20  # that are spoilt, and as many real ones beside them
SPLITS = 10  # of the pictures without a fault, which make the band
SCORES = {
    "detectability": "detectability",
    "fid": "FID",
    "spatial_fid": "spatial FID",
    "kid": "KID x 1000",
    "precision": "precision",
    "sharpness": "sharpness",
}
SHORT = {  # for tables in narrow terminals
    "detectability": "told",
    "fid": "FID",
    "spatial_fid": "spat. FID",
    "kid": "KID",
    "precision": "prec.",
    "sharpness": "sharp.",
}
NOT_DRAWN = ("kid",)  # runs along with FID
LEAST_DRAWN = 0.2  # half widths
Band = dict[str, tuple[float, float]]
Spoil = Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Looked:
    """What the judge sees in N pictures: features, those of a middle layer, and all its layers."""

    features: np.ndarray
    spatial: np.ndarray
    energies: np.ndarray
    described: Described

    @classmethod
    def at(cls, judge: Judge, images: np.ndarray, labels: np.ndarray) -> "Looked":
        """Look at pictures, uint8 (N, S, S, 3), with labels (N,)."""
        source, n = of_array(images), len(images)
        seen = look(judge, source.batches(), n, n)
        middle = look(Spatial(judge), source.batches(), n, n)
        described = describe(judge, images, labels)
        return cls(seen.features, middle.features, seen.edge_energies, described)

    def rows(self, rows: np.ndarray) -> "Looked":
        """Return what is seen in some of the pictures."""
        return Looked(
            self.features[rows],
            self.spatial[rows],
            self.energies[rows],
            self.described.rows(rows),
        )


@dataclass(frozen=True)
class Scorer:
    """Scores pictures beside training images (statistics) and other real ones."""

    reference: Reference
    against: ReferenceStatistics
    spatial: ReferenceStatistics | None

    def scores(self, looked: Looked, real: Looked) -> dict[str, float]:
        """Return all scores of pictures; real are others, without a fault."""
        labels = looked.described.labels
        target = choose_target(labels, self.reference, self.against)
        near = neighbours(self.against, target.shares, len(labels))
        pairs = Yardstick(target.statistics, near, real.energies, True).of_pairs(looked.features)
        found = {
            "detectability": tell(real.described, looked.described).auc,
            "fid": frechet_distance(statistics(looked.features), target.statistics),
            "kid": 1000 * pairs["kid"],
            "precision": pairs["precision"],
            "sharpness": energy_ratio(looked.energies, real.energies),
        }
        if self.spatial:
            middle = choose_target(labels, self.reference, self.spatial).statistics
            found["spatial_fid"] = frechet_distance(statistics(looked.spatial), middle)
        return found


def faults(run: Run, plot_path: Path, device: str, images: int = IMAGES) -> tuple[dict, Table]:
    """Return numbers {fault: {score: [one a dose]}} and a table of them; write the plot.

    Raise ValueError for a run with too few held-out images.
    """
    reference = Reference.open(run)
    judge = Judge.load(run, choose_device(device))
    scorer = Scorer(reference, judge_statistics(run, judge), spatial_statistics(run, judge))
    pixels, labels = held_out(reference, images, run)
    first, second = halves(labels)
    n = len(second)
    every = Looked.at(judge, pixels, labels)
    band = control_band(scorer, every)
    real = every.rows(first)
    found: dict[str, dict[str, list[float]]] = {}
    spoilers = dict(all_faults(reference))
    with Progress("spoiling", len(spoilers) * len(DOSES) * n) as progress:
        for name, spoil in spoilers.items():
            found[name] = {}
            for dose in DOSES:
                spoilt = spoil(pixels[second], labels[second], dose)
                for score, value in scorer.scores(Looked.at(judge, *spoilt), real).items():
                    found[name].setdefault(score, []).append(value)
                progress.advance(n)
    plot(panels(found, band), plot_path, columns=4)
    numbers = {"n": n, "doses": list(DOSES), "band": band, "faults": found}
    return numbers | {"blind": blind_scores(found, band)}, ladder_table(n, found, band)


def held_out(reference: Reference, images: int, run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Return twice so many held-out images or all there are, and their labels, class by class."""
    pixels, labels = reference.held_out(2 * images)
    if len(labels) < 2 * FEWEST:
        raise ValueError(
            f"{run.folder} keeps {len(labels)} held-out images: the ladder of faults needs "
            f"{2 * FEWEST}"
        )
    there = np.bincount(labels)
    rows = rows_with(labels, apportion(there, min(2 * images, len(labels))))
    return pixels[rows], labels[rows]


def all_faults(reference: Reference) -> Iterator[tuple[str, Spoil]]:
    """Yield by name the faults that the data's own source draws, then those of any picture."""
    facts = reference.facts
    for name, draw in source_faults(facts.source).items():

        def drawn(
            images: np.ndarray, labels: np.ndarray, dose: int, draw=draw
        ) -> tuple[np.ndarray, np.ndarray]:
            drawn, theirs = draw(tuple(facts.class_names), facts.image_size, 2 * len(images), dose)
            wanted = np.bincount(labels, minlength=len(facts.class_names))
            rows = rows_with(theirs, wanted)  # a class must not give a picture away
            return drawn[rows], theirs[rows]

        yield name, drawn
    for name, fault in FAULTS.items():

        def spoilt(
            images: np.ndarray, labels: np.ndarray, dose: int, fault=fault
        ) -> tuple[np.ndarray, np.ndarray]:
            return fault.at(images, labels, dose, np.random.default_rng(dose)), labels

        yield name, spoilt


def control_band(scorer: Scorer, every: Looked) -> Band:
    """Return for each score its least and greatest value for halves without a fault."""
    labels = every.described.labels
    found: dict[str, list[float]] = {}
    for split in range(SPLITS):
        one, other = (every.rows(half) for half in halves(labels, split))
        for score, value in scorer.scores(other, one).items():
            found.setdefault(score, []).append(value)
    return {score: (min(values), max(values)) for score, values in found.items()}


def sees(value: float, band: tuple[float, float]) -> bool:
    """Return whether a score is outside its band."""
    return not band[0] <= value <= band[1]


def blind_scores(found: dict[str, dict[str, list[float]]], band: Band) -> dict[str, list[str]]:
    """Return for each score the faults that it does not see even at the greatest dose."""
    return {
        score: [name for name, scores in found.items() if not sees(scores[score][-1], band[score])]
        for score in band
    }


def panels(found: dict[str, dict[str, list[float]]], band: Band) -> list[Panel]:
    """Return a panel a fault, a curve a score: how far it leaves the band of no fault.

    In half widths of the band, so that all scores fit one axis and 1 is its edge.
    """
    drawn = [score for score in SCORES if score in band and score not in NOT_DRAWN]

    def away(value: float, least: float, greatest: float) -> float:
        half = max((greatest - least) / 2, 1e-9)
        return max(abs(value - (least + greatest) / 2) / half, LEAST_DRAWN)

    return [
        Panel(
            name,
            "dose",
            "half widths of the band",
            [
                Curve(SCORES[score], DOSES, [away(value, *band[score]) for value in scores[score]])
                for score in drawn
            ],
            {"edge of no fault": 1.0},
            log_y=True,
        )
        for name, scores in found.items()
    ]


def ladder_table(n: int, found: dict[str, dict[str, list[float]]], band: Band) -> Table:
    """Return a row a fault and dose; bold is what lies outside the band."""
    shown = [score for score in SCORES if score in band]
    table = Table(title=f"{n} held-out images with known faults; bold: seen")
    table.add_column("fault", no_wrap=True)
    table.add_column("dose", justify="right")
    for score in shown:
        table.add_column(SHORT[score], justify="right", no_wrap=True)
    for name, end in (("none, least", 0), ("none, greatest", 1)):
        edges = (decimal(band[score][end]) for score in shown)
        table.add_row(name, "", *edges, end_section=end == 1)
    for name, scores in found.items():
        for place, dose in enumerate(DOSES):
            cells = [
                Text(
                    decimal(scores[score][place]),
                    style="bold" if sees(scores[score][place], band[score]) else "dim",
                )
                for score in shown
            ]
            table.add_row(
                name if place == 0 else "", str(dose), *cells, end_section=dose == DOSES[-1]
            )
    lines = ["told: detectability; KID x 1000; none: ten splits of the pictures without a fault"]
    lines += [
        f"{SCORES[score]} does not see: {', '.join(names)}"
        for score, names in blind_scores(found, band).items()
        if names
    ]
    table.caption = "\n".join(lines)
    return table


def decimal(value: float) -> str:
    """Return a score with three digits after the point, or one where it is large."""
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}"
