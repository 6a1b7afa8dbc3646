"""Runs side by side under one judge: what was set differently, and what came of it. Runs themselves are left as they are."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import hypot
from pathlib import Path

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
from latent_diffusion.report.gather import Gathered, attempt, gather
from latent_diffusion.report.measure import draw_by_class, draw_samples, images_to_score, load_judge
from latent_diffusion.run import Run
from latent_diffusion.subsets import spread
from latent_diffusion.training.stages import Config, resumed_config
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
    """settings: those that differ, (dotted name, value of each run). judged_by: the name of the judge's run."""

    entries: list[Entry]
    settings: list[tuple[str, list[str]]]
    judged_by: str
    images: int
    notes: list[str] = field(default_factory=list)


def compare_runs(
    folders: Sequence[Path], judge_folder: Path | None, asked: int | None, device_name: str
) -> Comparison:
    """ValueError for fewer than two runs, for runs whose data have other classes or sizes, and where the judge is missing."""
    if len(folders) < 2:
        raise ValueError(f"{len(folders)} run to compare: name two or more")
    device, names = choose_device(device_name), short_names(folders)
    entries = [Entry(name, gather(Run.open(folder))) for name, folder in zip(names, folders)]
    judged_by = gather(Run.open(judge_folder)) if judge_folder else entries[0].found
    for found in (*(entry.found for entry in entries), judged_by):
        refuse_other_data(entries[0].found, found)
    reference, lacking = Reference.open(judged_by.run), {}
    images = images_to_score(asked, reference)
    judge, against = load_judge(judged_by.run, lacking, judged_by.facts.num_classes, device)
    if not judge and judged_by.facts.num_classes > 1:
        raise ValueError(f"{lacking['judge']}, or name another with --judge")
    reconstructions: dict[str, ReconstructionScores] = {}
    for entry in entries:
        say(entry.name)
        measure_entry(entry, reference, judge, against, images, device, reconstructions)
    return Comparison(
        entries,
        differing([entry.found for entry in entries]),
        str(judge_folder or folders[0]),
        images,
        notes(entries, judged_by),
    )


def short_names(folders: Sequence[Path]) -> list[str]:
    """The last parts of the paths, as few as tell them apart."""
    paths = [folder.resolve().parts for folder in folders]
    if len(set(paths)) < len(paths):
        raise ValueError("a run is named twice: there is nothing to compare")
    most = max(map(len, paths))
    return next(
        names
        for count in range(1, most + 1)
        if len(set(names := ["/".join(parts[-count:]) for parts in paths])) == len(paths)
    )


def refuse_other_data(first: Gathered, other: Gathered) -> None:
    if (first.facts.class_names, first.facts.image_size) != (
        other.facts.class_names,
        other.facts.image_size,
    ):
        raise ValueError(
            f"{first.run.folder} ({describe(first.facts)}) and {other.run.folder} ({describe(other.facts)}) have other "
            "classes or another size: only runs on the same kind of data compare"
        )


def settings_of(found: Gathered) -> dict[str, str]:
    """Every setting of a run by its dotted name, defaults included, and the facts of its data, as text."""
    tree: dict = {"data": found.facts.model_dump(exclude={"skipped", "holdout"})}
    for name, training in found.trainings.items():
        resolved = resumed_config(getattr(found.run, name)).model_dump(mode="json")
        tree |= {
            table: resolved[table] for table in Config.model_fields if table in training.config
        }
    return {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in flat(tree)
    }


def flat(tree: dict, path: str = "") -> list[tuple[str, object]]:
    return [
        leaf
        for name, value in tree.items()
        for leaf in (
            flat(value, f"{path}{name}.") if isinstance(value, dict) else [(path + name, value)]
        )
    ]


def differing(runs: list[Gathered]) -> list[tuple[str, list[str]]]:
    """Settings that are not the same in all runs; a run without the network that they belong to does not count."""
    settings, found = [settings_of(run) for run in runs], []
    tables = [{name.partition(".")[0] for name in one} for one in settings]
    for name in dict.fromkeys(name for one in settings for name in one):
        values = [one.get(name, ABSENT) for one in settings]
        if (
            len({value for value, known in zip(values, tables) if name.partition(".")[0] in known})
            > 1
        ):
            found.append((name, values))
    return found


def measure_entry(
    entry: Entry,
    reference: Reference,
    judge: Judge | None,
    against: ReferenceStatistics | None,
    images: int,
    device: torch.device,
    reconstructions: dict[str, ReconstructionScores],
) -> None:
    """reconstructions: those known already, by the autoencoder's checksum, for runs that share one."""
    run, missing = entry.found.run, entry.found.missing
    if attempt(missing, "autoencoder", run.autoencoder.require) and len(reference.images):
        checksum = run.autoencoder.checksum()
        if checksum not in reconstructions:
            reconstructions[checksum] = reconstruction_scores(
                run, reference, judge, against, device
            )
        entry.reconstruction = reconstructions[checksum]
    if pipe := attempt(missing, "denoiser", lambda: Pipeline.from_run(run.folder, str(device))):
        entry.by_class = draw_by_class(pipe, SEEDS_SHOWN)
        entry.scores = score(reference, draw_samples(pipe, images)[1], judge, against)


def reconstruction_scores(
    run: Run,
    reference: Reference,
    judge: Judge | None,
    against: ReferenceStatistics | None,
    device: torch.device,
) -> ReconstructionScores:
    """Of the held-out images of the judge's run, at most MOST_RECONSTRUCTED, under its judge."""
    originals = reference.images[spread(len(reference.images), MOST_RECONSTRUCTED)]
    decoded = Codec.of(run, device).reconstruct(originals)
    rfid, floor = (
        (
            frechet_distance(
                look(judge, of_array(seen).batches(), len(seen)).statistics, against.statistics
            )
            for seen in (decoded, originals)
        )
        if judge and len(originals) > 1
        else (None, None)
    )
    return ReconstructionScores(
        n=len(originals),
        psnr=float(psnr(originals, decoded).mean()),
        ssim=float(ssim(originals, decoded).mean()),
        sharpness=sharpness(decoded, originals),
        rfid=rfid,
        rfid_floor=floor,
    )


def within(one: Score | None, other: Score | None) -> bool | None:
    """Whether two scores differ by no more than the samples' 95% intervals explain; None where there are none."""
    if not one or not other or one.low is None or other.low is None:
        return None
    low, high = sorted((one, other), key=lambda score: score.value)
    return high.value - low.value <= hypot(
        low.high - low.value, high.value - high.low
    )  # the halves that face each other


def notes(entries: list[Entry], judged_by: Gathered) -> list[str]:
    said = [
        f"{entry.name}: {line}"
        for entry in entries
        for what, line in entry.found.missing.items()
        if what != "reference"
    ]
    if (
        len({found.facts.checksum for found in (judged_by, *(entry.found for entry in entries))})
        > 1
    ):
        said.append(
            "The data sets differ: held-out images of one may be training images of another."
        )
    said.append("Intervals are for the samples. A training with another seed differs by more.")
    return said
