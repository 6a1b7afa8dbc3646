"""A system's turn in the race: its clock, and the scores at points of it.

race_ours.py, peers_ddpm.py and peers_dcgan.py train by it.
"""

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from latent_diffusion.data.reference import Reference
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import autocast, synchronize
from latent_diffusion.evaluation.judge import Judge
from latent_diffusion.evaluation.references import ReferenceStatistics
from latent_diffusion.evaluation.sampled import Sample, sample_in_proportion
from latent_diffusion.evaluation.scores import Scores
from latent_diffusion.evaluation.scoring import score
from latent_diffusion.evaluation.sources import ImageSource
from latent_diffusion.evaluation.text import number
from latent_diffusion.experiments.peers import Sizes
from latent_diffusion.inspection.grids import grid
from latent_diffusion.progress import SECONDS_BETWEEN_LINES, say
from latent_diffusion.run import write_json
from latent_diffusion.training.stages import Config

# Share of the training's time: a system that samples for longer is scored once more, at its end.
MOST_SAMPLING = 0.2
SHOWN_A_CLASS = 10  # pictures


@dataclass
class Race:
    """What all systems share; `systems` maps names to how they trained and their rows."""

    data: Dataset
    reference: Reference
    judge: Judge
    against: ReferenceStatistics
    config: Config
    sizes: Sizes
    device: torch.device
    precision: str
    seconds: float
    out: Path
    systems: dict[str, dict[str, Any]]
    facts: dict[str, Any]
    told: float = 0.0  # when

    def tell(self, text: str) -> None:
        """Say how far something long is, now and then."""
        if time.perf_counter() - self.told > SECONDS_BETWEEN_LINES:
            self.told = time.perf_counter()
            say(text)

    def save(self) -> None:
        """Write race.json."""
        write_json(self.out / "race.json", {**self.facts, "systems": self.systems})

    def cast(self) -> AbstractContextManager[object]:
        """Return the context in which networks compute in the precision of the race."""
        return autocast(self.device, self.precision)


class Turn:
    """One system's turn. Its clock starts with it and stands still while samples are scored."""

    def __init__(self, race: Race, name: str, n: int, points: int, also_n: int):
        """n: images to draw; also_n: how many of them the last score is given for as well."""
        self.race, self.name = race, name
        self.n, self.also_n = n, also_n
        # The seconds of the scores before the last.
        self.due = [race.seconds * 2.0**-k for k in range(points - 1, 0, -1)]
        self.paused = 0.0
        self.parameters = 0
        self.how = ""  # it is trained and sampled from
        self.rows: list[dict[str, Any]] = []
        torch.manual_seed(0)
        self.start = time.perf_counter()

    def elapsed(self) -> float:
        """Return the seconds of training so far."""
        synchronize(self.race.device)
        return time.perf_counter() - self.start - self.paused

    def is_due(self) -> bool:
        """Return whether it is time for a score before the last."""
        return bool(self.due) and self.elapsed() >= self.due[0]

    def score(self, sample: Sample, images_seen: int, last: bool) -> None:
        """Score and record what `sample(seeds, labels)` gives; the clock stands still."""
        seconds, begin = self.elapsed(), time.perf_counter()
        self.due = [due for due in self.due if due > seconds]
        facts = self.race.reference.facts
        source = sample_in_proportion(sample, facts, self.n, name=self.name)
        sampling = time.perf_counter() - begin
        if sampling > MOST_SAMPLING * self.race.seconds:
            self.due = []  # the last score is all that can be waited for
        counts = {self.n, min(self.n, self.also_n)} if last else {self.n}
        for n in sorted(counts, reverse=True):
            found = self.scores(replace(source, count=n, classes=source.classes[:n]))
            row = {"minutes": seconds / 60, "images": images_seen}
            self.rows.append(row | figures(found) | {"sampling_seconds": sampling * n / self.n})
            say(self.line(self.rows[-1]))
        self.show(source)
        self.record(finished=last)
        self.paused += time.perf_counter() - begin

    def scores(self, source: ImageSource) -> Scores:
        """Return the judge's scores of samples."""
        race = self.race
        return score(race.reference, source, race.judge, race.against, title=None)

    def line(self, row: dict[str, Any]) -> str:
        """Return a row in words."""
        return (
            f"{self.name}: {row['minutes']:.2f} minutes, {row['n']} samples: "
            f"FID {number(row['fid'])}, {number(row['fid_over_floor'])} x floor, "
            f"accuracy {row['accuracy']:.2f}, sharpness {row['sharpness']:.2f}, "
            f"drawn in {row['sampling_seconds']:.1f} s"
        )

    def show(self, source: ImageSource) -> None:
        """Write some samples of each class as a grid."""
        by_class, classes = {}, np.array(source.classes)
        for name in self.race.reference.facts.class_names:
            rows = np.flatnonzero(classes == name)[:SHOWN_A_CLASS]
            if len(rows):
                by_class[name] = source.read(rows)
        picture = grid(list(by_class.values()), list(by_class))
        picture.save(self.race.out / f"{self.name}.png")

    def record(self, finished: bool) -> None:
        """Write what there is of this system to race.json."""
        self.race.systems[self.name] = {
            "finished": finished,
            "parameters": self.parameters,
            "how": self.how,
            "rows": self.rows,
        }
        self.race.save()


def figures(found: Scores) -> dict[str, Any]:
    """Return what a row of the race keeps of some scores."""
    kept: dict[str, Any] = {
        "n": found.n,
        "fid_over_floor": found.fid_over_floor,
        "matched_floor": found.matched_floor,
    }
    for name in ("fid", "accuracy", "sharpness"):
        kept |= {name: found.scores[name].value, f"{name}_real": found.scores[name].real}
    return kept
