"""`ldm verify`: every check of a run, one after the other, and their table."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rich.table import Table
from rich.text import Text

from latent_diffusion.data.store import Dataset
from latent_diffusion.device import choose_device
from latent_diffusion.evaluation import judge_training, reconstruction
from latent_diffusion.progress import say
from latent_diffusion.run import Run
from latent_diffusion.verification import files, scores
from latent_diffusion.verification.check import Check, check
from latent_diffusion.verification.samples import same_in_any_batch
from latent_diffusion.verification.trainings import resumes_alike

MOST_SCORED = 3  # sets of samples that are scored again, the last ones recorded
RESULTS = {True: ("ok", "green"), False: ("FAILED", "bold red"), None: ("-", "dim")}
Look = Callable[[], object]  # in words what it saw


def verify(run: Run, data: Path | None, device: str) -> list[Check]:
    """Return what every check of a run found; each is said as it begins, the quick ones first.

    data: its prepared data set, to compare all pixels as well. Nothing in the run is changed. Raise
    ValueError for a data set that is none, and a device that is not here.
    """
    opened, target = Dataset.open(data) if data else None, choose_device(device)
    parts = [run.autoencoder, run.classifier, run.diffusion]
    of_student: dict[str, Look] = {}
    if run.student.config_path.is_file():
        parts.append(run.student)
        of_student["same bytes: student"] = partial(same_in_any_batch, run, device, fast=True)
    looks: dict[str, Look] = {
        "checksums": partial(files.tensor_files, run),
        "reference": partial(files.reference_files, run),
        **{part.caption: partial(files.network, run, part) for part in parts},
        "data set": partial(files.pixels, run, opened),
        "same bytes": partial(same_in_any_batch, run, device),
        **of_student,
        **(
            {"same bytes: student": partial(same_in_any_batch, run, device, True)}
            if len(parts) > 3
            else {}
        ),
        **{f"resumed: {p.caption}": partial(resumes_alike, run, p, opened, target) for p in parts},
        **score_looks(run, device),
    }
    found = []
    for name, look in looks.items():
        say(f"checking: {name}")
        found.append(check(name, look))
    return found


def score_looks(run: Run, device: str) -> dict[str, Look]:
    """Return what makes the checks of each entry of scores.json, by their names."""
    try:
        recorded = run.read_scores()
    except ValueError:
        return {"scores": run.read_scores}  # which says so
    remake = {
        judge_training.RECORDED: scores.of_judge,
        reconstruction.RECORDED: scores.of_reconstruction,
    }
    looks: dict[str, Look] = {
        f"scores: {name}": partial(make, run, recorded[name], device)
        for name, make in remake.items()
        if name in recorded
    }
    of_samples = [name for name in recorded if name not in remake][-MOST_SCORED:]
    short = {name: Path(name).name for name in of_samples}
    for name in of_samples:
        unique = list(short.values()).count(short[name]) == 1
        looks[f"scores: {short[name] if unique else name}"] = partial(
            scores.of_samples, run, name, recorded[name], device
        )
    return looks


def checks_table(run: Run, found: Sequence[Check]) -> Table:
    """Return the checks, one a line, with how they ended."""
    failed = sum(one.passed is False for one in found)
    passed = sum(one.passed is True for one in found)
    table = Table(title=f"{run.folder}: {passed} of {len(found)} checks hold, {failed} fail")
    table.add_column("check", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("what was found", overflow="fold")
    for one in found:
        word, style = RESULTS[one.passed]
        table.add_row(one.name, Text(word, style), Text(one.detail))
    return table
