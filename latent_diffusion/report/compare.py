"""Runs side by side under one judge: what was set differently, and what came of it.

Runs themselves are left as they are. Called by `ldm compare`; `comparison` shows the result.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import hypot
from pathlib import Path
from typing import Any

import numpy as np
import torch

from latent_diffusion.data.reference import Reference, describe
from latent_diffusion.device import choose_device
from latent_diffusion.evaluation.features import look
from latent_diffusion.evaluation.judge import Judge
from latent_diffusion.evaluation.reconstruction import ReconstructionScores
from latent_diffusion.evaluation.references import ReferenceStatistics
from latent_diffusion.evaluation.scores import Score, Scores
from latent_diffusion.evaluation.scoring import score
from latent_diffusion.evaluation.sources import of_array
from latent_diffusion.loading import Codec
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import say
from latent_diffusion.report.gather import Gathered, gather, load_or_note
from latent_diffusion.report.measure import (
    detected,
    draw_by_class,
    draw_samples,
    images_to_score,
    load_judge,
)
from latent_diffusion.report.reproduce import resolved_settings
from latent_diffusion.run import Run
from latent_diffusion.subsets import spread
from metrics import frechet_distance, psnr, sharpness, ssim

SEEDS_SHOWN = 5  # a class and run: one line on a phone
MOST_RECONSTRUCTED = 1_000  # held-out images
ABSENT = "-"


@dataclass
class Entry:
    """One run, measured. None where it has no such network; `found.missing` then says why."""

    name: str
    found: Gathered
    reconstruction: ReconstructionScores | None = None
    scores: Scores | None = None
    by_class: dict[int, np.ndarray] | None = None


@dataclass
class Comparison:
    """Runs that were measured by the judge of the run `judged_by`, with as many images each.

    settings: those that differ, (dotted name, value of each run).
    """

    entries: list[Entry]
    settings: list[tuple[str, list[str]]]
    judged_by: str
    images: int
    notes: list[str] = field(default_factory=list)


@dataclass
class CommonJudge:
    """What all runs are measured by: one run's held-out images, its judge, and as many samples.

    reconstructions: scores by the autoencoder's checksum, for runs that share one.
    """

    reference: Reference
    judge: Judge | None
    against: ReferenceStatistics | None
    images: int
    device: torch.device
    reconstructions: dict[str, ReconstructionScores] = field(default_factory=dict)

    def measure(self, entry: Entry) -> None:
        """Draw from a run and score what it gives; what cannot be is noted in `found.missing`."""
        run, missing = entry.found.run, entry.found.missing
        trained = load_or_note(missing, "autoencoder", run.autoencoder.require)
        if trained and len(self.reference.images):
            checksum = run.autoencoder.checksum()
            if checksum not in self.reconstructions:
                self.reconstructions[checksum] = self.reconstruct(run)
            entry.reconstruction = self.reconstructions[checksum]
        pipe = load_or_note(
            missing, "denoiser", lambda: Pipeline.from_run(run.folder, str(self.device))
        )
        if pipe:
            entry.by_class = draw_by_class(pipe, SEEDS_SHOWN)
            samples = draw_samples(pipe, self.images)
            entry.scores = score(self.reference, samples, self.judge, self.against)
            if self.judge:
                detected(entry.scores, self.judge, self.reference, samples, pipe)

    def reconstruct(self, run: Run) -> ReconstructionScores:
        """Return the scores of at most MOST_RECONSTRUCTED held-out images, encoded and decoded."""
        held_out = self.reference.images
        originals = held_out[spread(len(held_out), MOST_RECONSTRUCTED)]
        decoded = Codec.of(run, self.device).reconstruct(originals)
        return ReconstructionScores(
            n=len(originals),
            psnr=float(psnr(originals, decoded).mean()),
            ssim=float(ssim(originals, decoded).mean()),
            sharpness=sharpness(decoded, originals),
            rfid=self.fid(decoded),
            rfid_floor=self.fid(originals),
        )

    def fid(self, images: np.ndarray) -> float | None:
        """Return the FID of images uint8 (N, H, W, 3); None without a judge, and of one image."""
        if not self.judge or not self.against or len(images) < 2:
            return None
        seen = look(self.judge, of_array(images).batches(), len(images))
        assert seen.statistics is not None  # of two images and more there are some
        return frechet_distance(seen.statistics, self.against.statistics)


def compare_runs(
    folders: Sequence[Path], judge_folder: Path | None, asked: int | None, device_name: str
) -> Comparison:
    """Measure runs by the judge of `judge_folder`, by default that of the first.

    Raise ValueError for fewer than two runs, for runs whose data have other classes or sizes, and
    where the judge is missing.
    """
    if len(folders) < 2:
        raise ValueError(f"{len(folders)} run to compare: name two or more")
    device = choose_device(device_name)
    names = short_names(folders)
    entries = [
        Entry(name, gather(Run.open(folder))) for name, folder in zip(names, folders, strict=True)
    ]
    judged_by = gather(Run.open(judge_folder)) if judge_folder else entries[0].found
    for found in (*(entry.found for entry in entries), judged_by):
        refuse_other_data(entries[0].found, found)
    reference = Reference.open(judged_by.run)
    missing: dict[str, str] = {}
    judge, against = load_judge(judged_by.run, missing, judged_by.facts.num_classes, device)
    if not judge and judged_by.facts.num_classes > 1:
        raise ValueError(f"{missing['judge']}, or name another with --judge")
    images = images_to_score(asked, reference)
    common = CommonJudge(reference, judge, against, images, device)
    for entry in entries:
        say(entry.name)
        common.measure(entry)
    return Comparison(
        entries,
        differing([entry.found for entry in entries]),
        str(judge_folder or folders[0]),
        images,
        notes(entries, judged_by),
    )


def short_names(folders: Sequence[Path]) -> list[str]:
    """Return the last parts of the paths, as few as tell them apart; ValueError for one twice."""
    paths = [folder.resolve().parts for folder in folders]
    if len(set(paths)) < len(paths):
        raise ValueError("a run is named twice: there is nothing to compare")
    count = 1
    while True:
        names = ["/".join(parts[-count:]) for parts in paths]
        if len(set(names)) == len(names):
            return names
        count += 1


def refuse_other_data(first: Gathered, other: Gathered) -> None:
    """Raise ValueError where the classes or the size of images are not the same."""
    same_classes = first.facts.class_names == other.facts.class_names
    if not same_classes or first.facts.image_size != other.facts.image_size:
        raise ValueError(
            f"{first.run.folder} ({describe(first.facts)}) and {other.run.folder} "
            f"({describe(other.facts)}) have other classes or another size: only runs on the same "
            "kind of data compare"
        )


def settings_of(found: Gathered) -> dict[str, str]:
    """Return every setting of a run by its dotted name, and the facts of its data, as text."""
    data = found.facts.model_dump(exclude={"skipped", "holdout"})
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in flat({"data": data} | resolved_settings(found))
    }


def flat(tree: dict[str, Any], path: str = "") -> Iterator[tuple[str, object]]:
    """Yield the leaves of a tree of settings, with dotted names."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{path}{name}.")
        else:
            yield path + name, value


def differing(runs: Sequence[Gathered]) -> list[tuple[str, list[str]]]:
    """Return the settings that are not the same in all runs, with the value of each.

    A run without the network that a setting belongs to does not count.
    """
    settings = [settings_of(run) for run in runs]
    sections = [{section(name) for name in one} for one in settings]
    found = []
    for name in dict.fromkeys(name for one in settings for name in one):
        values = [one.get(name, ABSENT) for one in settings]
        counting = {
            value for value, known in zip(values, sections, strict=True) if section(name) in known
        }
        if len(counting) > 1:
            found.append((name, values))
    return found


def section(name: str) -> str:
    """Return the first part of a dotted name."""
    return name.partition(".")[0]


def within(one: Score | None, other: Score | None) -> bool | None:
    """Return whether the samples' 95% intervals explain how two scores differ.

    None where there are no intervals.
    """
    if not one or not other:
        return None
    low, high = sorted((one, other), key=lambda score: score.value)
    if low.high is None or high.low is None:
        return None
    # the halves that face each other
    return high.value - low.value <= hypot(low.high - low.value, high.value - high.low)


def notes(entries: Sequence[Entry], judged_by: Gathered) -> list[str]:
    """Return what the scores do not say, and what is missing in the runs."""
    lines = [
        f"{entry.name}: {line}"
        for entry in entries
        for what, line in entry.found.missing.items()
        if what != "reference"
    ]
    checksums = {judged_by.facts.checksum, *(entry.found.facts.checksum for entry in entries)}
    if len(checksums) > 1:
        lines.append(
            "The data sets differ: held-out images of one may be training images of another."
        )
    lines.append("Intervals are for the samples. A training with another seed differs by more.")
    return lines
