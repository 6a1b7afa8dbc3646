"""Builds what a course wants to be handed in, from a trained run. Called by `ldm submit`."""

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from latent_diffusion.evaluation.judge import Judge
from latent_diffusion.evaluation.rubric import Rubric, SubmissionPlan
from latent_diffusion.inspection.grids import grid, wrapped
from latent_diffusion.inspection.process import process_frames, tiles
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.run import Run, write_atomic
from latent_diffusion.sampling.folder import png, save_png
from latent_diffusion.sampling.plan import cycle, follow
from latent_diffusion.submission import submission_plan
from latent_diffusion.submission.checking import find_faults

BATCH, OTHER_BATCH = 100, 7
CANDIDATES = 20  # seeds looked at for each favourite
PROVED = 14  # files drawn again in another batch size
CONTACTS = 100  # images on the contact sheet, favourites aside
PROCESS_ROWS, PROCESS_PARTS = 8, 7
STAMP = (2020, 1, 1, 0, 0, 0)  # of files in a zip, so that the same images give the same zip

OnProgress = Callable[[int], None]


@dataclass(frozen=True)
class Built:
    """What was made: what to hand in, pictures beside it, and the seeds of the favourites."""

    path: Path
    beside: list[Path]
    favourites: list[int]

    def summary(self) -> str:
        """Return two lines that say what was made."""
        beside = f"beside it: {', '.join(map(str, self.beside))}"
        if self.favourites:
            beside += f"; favourites: seeds {', '.join(map(str, self.favourites))}"
        return (
            f"{self.path}: valid, and proved to come out the same in another batch size\n{beside}"
        )


def submit(
    run: Run,
    out: Path,
    rubric: Rubric,
    favourites: Sequence[int] | None,
    device: str,
    on_progress: OnProgress,
) -> Built:
    """Draw, write and validate a submission.

    `favourites` are seeds chosen by the user; without, the judge's surest of different classes.
    Raise ValueError for an `out` that holds something, a rubric without [submission], another image
    size.
    """
    plan, pipe = submission_plan(rubric), Pipeline.from_run(run.folder, device)
    check_possible(pipe, run, rubric, favourites)
    judge = Judge.load(run, pipe.device) if plan.favourites and not favourites else None
    target = free_target(out, plan)
    seeds = list(range(1, rubric.images + 1))
    images = draw(pipe, seeds, plan.classes, BATCH, on_progress)
    chosen = list(favourites or ())
    if judge:
        chosen = choose_favourites(judge, pipe, rubric, on_progress)
    favourite_images = draw(pipe, chosen, plan.classes, BATCH, lambda _: None)
    files = named(plan.files, seeds, images) | named(plan.favourite_files, chosen, favourite_images)
    write_files(target, files, plan.zip)
    faults = find_faults(target, rubric) + prove(pipe, seeds, plan.classes, images)
    if faults:
        raise ValueError(f"{target} was written, but is not right: {'; '.join(faults[:5])}")
    beside = [write_contact_sheet(out, images, favourite_images)]
    if plan.process:
        beside.append(write_process(out, pipe))
    return Built(target, beside, chosen)


def to_draw(rubric: Rubric, chosen: bool) -> int:
    """Return how many images `submit` reports to have drawn in all.

    chosen: the favourites are the user's.
    """
    if rubric.submission is None or chosen:
        return rubric.images
    return rubric.images + CANDIDATES * rubric.submission.favourites


def check_possible(
    pipe: Pipeline, run: Run, rubric: Rubric, favourites: Sequence[int] | None
) -> None:
    """Raise ValueError where this run and these favourites cannot give what the course wants."""
    plan, size = submission_plan(rubric), pipe.facts.image_size
    if size != rubric.size:
        raise ValueError(
            f"{run.folder} draws {size}x{size}, and {rubric.title} wants "
            f"{rubric.size}x{rubric.size}"
        )
    if favourites and len(set(favourites)) != plan.favourites:
        raise ValueError(
            f"{rubric.title} wants {plan.favourites} favourites, and {len(set(favourites))} seeds "
            "are given"
        )
    if plan.process and pipe.sampling.steps < PROCESS_PARTS:
        raise ValueError(
            f"{rubric.title} wants the process in {PROCESS_PARTS} parts, and {run.folder} samples "
            f"in {pipe.sampling.steps} steps"
        )


def free_target(out: Path, plan: SubmissionPlan) -> Path:
    """Return the folder or zip to write; ValueError where something is there already."""
    target = out.with_name(f"{out.name.removesuffix('.zip')}.zip") if plan.zip else out
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise ValueError(f"{target} is there already: give a new name")
    return target


def draw(
    pipe: Pipeline, seeds: Sequence[int], classes: str, batch_size: int, on_progress: OnProgress
) -> np.ndarray:
    """Return images uint8 (N, H, W, 3), one a seed, in classes by cycle or as in the data."""
    labels = labels_of(pipe, seeds, classes)
    return pipe.generate(seeds, labels, pipe.sampling, on_progress, batch_size)


def labels_of(pipe: Pipeline, seeds: Sequence[int], classes: str) -> list[int]:
    """Return the label (N,) that each seed is drawn in."""
    every = list(range(pipe.facts.num_classes))
    if classes == "cycle":
        return cycle(seeds, every)
    return follow(seeds, every, pipe.facts.histogram)


def choose_favourites(
    judge: Judge, pipe: Pipeline, rubric: Rubric, on_progress: OnProgress
) -> list[int]:
    """Return seeds beyond the fixed ones of which the judge is surest, and which differ.

    A candidate's worth is its confidence times its distance, in the judge's features, to the
    nearest one taken already.
    """
    plan = submission_plan(rubric)
    first = rubric.images + 1
    seeds = list(range(first, first + CANDIDATES * plan.favourites))
    labels = labels_of(pipe, seeds, plan.classes)
    features, probabilities = judge(draw(pipe, seeds, plan.classes, BATCH, on_progress))
    assert probabilities is not None  # a course's data has classes
    confidence = probabilities[np.arange(len(seeds)), np.array(labels)]
    taken = [int(confidence.argmax())]
    while len(taken) < plan.favourites:
        distance = np.linalg.norm(features[:, None] - features[taken][None], axis=2).min(axis=1)
        taken.append(int((confidence * distance).argmax()))
    return sorted(seeds[index] for index in taken)


def named(pattern: str, seeds: Sequence[int], images: np.ndarray) -> dict[str, np.ndarray]:
    """Return images (N, H, W, 3) by the names that the course wants for their seeds (N,)."""
    return {pattern.format(seed=seed): image for seed, image in zip(seeds, images, strict=True)}


def write_files(target: Path, files: Mapping[str, np.ndarray], as_zip: bool) -> None:
    """Write images as PNGs of these names, into a folder or one flat zip."""
    if not as_zip:
        for name, image in files.items():
            save_png(target / name, image)
        return
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # PNGs do not shrink
        for name, image in files.items():
            archive.writestr(zipfile.ZipInfo(name, STAMP), png(image))
    write_atomic(target, buffer.getvalue())


def prove(pipe: Pipeline, seeds: list[int], classes: str, images: np.ndarray) -> list[str]:
    """Draw some of the seeds again, in other company; return a fault for each that differs."""
    some = seeds[:: max(1, len(seeds) // PROVED)][:PROVED]
    again = draw(pipe, some, classes, OTHER_BATCH, lambda _: None)
    return [
        f"seed {seed} came out differently a second time"
        for seed, image in zip(some, again, strict=True)
        if not np.array_equal(image, images[seeds.index(seed)])
    ]


def write_contact_sheet(out: Path, images: np.ndarray, favourites: np.ndarray) -> Path:
    """Write the first images, and the favourites below them; return the path."""
    path = out.with_name(f"{out.name}-contact.png")
    grid(wrapped(images[:CONTACTS]) + wrapped(favourites)).save(path)
    return path


def write_process(out: Path, pipe: Pipeline) -> Path:
    """Write the diffusion process of the first seeds; return the path."""
    path = out.with_name(f"{out.name}-process.png")
    seeds = range(1, PROCESS_ROWS + 1)
    labels = cycle(seeds, range(pipe.facts.num_classes))
    frames = process_frames(pipe.denoiser, pipe.codec, seeds, labels, pipe.sampling, PROCESS_PARTS)
    tiles(frames).save(path)
    return path
