"""`ldm submit`: builds what a course wants to be handed in, and says every fault of a folder or zip that is handed in."""

import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from latent_diffusion.data.tree import is_hidden
from latent_diffusion.evaluation.judge import Judge
from latent_diffusion.evaluation.rubric import Rubric
from latent_diffusion.inspection.grids import grid, wrapped
from latent_diffusion.inspection.process import process_frames, tiles
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.run import Run, write_atomic
from latent_diffusion.sampling.folder import png, save_png
from latent_diffusion.sampling.plan import cycle, follow

BATCH, OTHER_BATCH = 100, 7
CANDIDATES = 20  # seeds looked at for each favourite
PROVED = 14  # files drawn again in another batch size
PROCESS_ROWS, PROCESS_PARTS = 8, 7
STAMP = (2020, 1, 1, 0, 0, 0)  # of files in a zip, so that the same images give the same zip


@dataclass(frozen=True)
class Built:
    """What was made: the folder or zip to hand in, pictures beside it, and the seeds of the favourites."""

    path: Path
    beside: list[Path]
    favourites: list[int]


def submit(
    run: Run,
    out: Path,
    rubric: Rubric,
    favourites: Sequence[int] | None,
    device: str,
    on_progress: Callable[[int], None],
) -> Built:
    """Draw, write, validate. favourites: seeds chosen by the user; else the judge's surest, of different classes.

    Raises ValueError for an `out` that holds something, a rubric without [submission], another image size.
    """
    plan, pipe = rubric.submission, Pipeline.from_run(run.folder, device)
    if plan is None:
        raise ValueError(
            f"the rubric {rubric.title} has no [submission]: it says nothing about what to hand in"
        )
    if pipe.facts.image_size != rubric.size:
        raise ValueError(
            f"{run.folder} draws {pipe.facts.image_size}x{pipe.facts.image_size}, and {rubric.title} wants {rubric.size}x{rubric.size}"
        )
    if favourites and len(set(favourites)) != plan.favourites:
        raise ValueError(
            f"{rubric.title} wants {plan.favourites} favourites, and {len(set(favourites))} seeds are given"
        )
    if plan.process and pipe.sampling.steps < PROCESS_PARTS:
        raise ValueError(
            f"{rubric.title} wants the process in {PROCESS_PARTS} parts, and {run.folder} samples in {pipe.sampling.steps} steps"
        )
    judge = Judge.load(run, pipe.device) if plan.favourites and not favourites else None
    target = out.with_name(f"{out.name.removesuffix('.zip')}.zip") if plan.zip else out
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise ValueError(f"{target} is there already: give a new place")
    seeds = list(range(1, rubric.images + 1))
    images = draw(pipe, seeds, plan.classes, BATCH, on_progress)
    files = {plan.files.format(seed=seed): image for seed, image in zip(seeds, images)}
    chosen = list(
        favourites or (choose_favourites(judge, pipe, rubric, on_progress) if judge else [])
    )
    for seed, image in zip(chosen, draw(pipe, chosen, plan.classes, BATCH, lambda _: None)):
        files[plan.favourite_files.format(seed=seed)] = image
    write_zip(target, files) if plan.zip else [
        save_png(target / name, image) for name, image in files.items()
    ]
    faults = check(target, rubric) + prove(pipe, seeds, plan.classes, images)
    if faults:
        raise ValueError(f"{target} was written, but is not right: {'; '.join(faults[:5])}")
    return Built(target, pictures(pipe, rubric, out, images, files, chosen), chosen)


def to_draw(rubric: Rubric, chosen: bool) -> int:
    """Images that `submit` reports to have drawn in all; chosen: the favourites are the user's."""
    candidates = (
        CANDIDATES * rubric.submission.favourites if rubric.submission and not chosen else 0
    )
    return rubric.images + candidates


def draw(
    pipe: Pipeline,
    seeds: Sequence[int],
    classes: str,
    batch: int,
    on_progress: Callable[[int], None],
) -> np.ndarray:
    return pipe.generate(seeds, labels_of(pipe, seeds, classes), pipe.sampling, on_progress, batch)


def labels_of(pipe: Pipeline, seeds: Sequence[int], classes: str) -> list[int]:
    every = list(range(pipe.facts.num_classes))
    return cycle(seeds, every) if classes == "cycle" else follow(seeds, every, pipe.facts.histogram)


def choose_favourites(
    judge: Judge, pipe: Pipeline, rubric: Rubric, on_progress: Callable[[int], None]
) -> list[int]:
    """Seeds beyond the fixed ones of which the judge is surest; each next one lies far from those taken already.

    A candidate's worth is its confidence times its distance, in the judge's features, to the nearest one taken.
    """
    wanted = rubric.submission.favourites
    seeds = list(range(rubric.images + 1, rubric.images + 1 + CANDIDATES * wanted))
    features, probabilities = judge(
        draw(pipe, seeds, rubric.submission.classes, BATCH, on_progress)
    )
    confidence = probabilities[
        np.arange(len(seeds)), labels_of(pipe, seeds, rubric.submission.classes)
    ]
    taken = [int(confidence.argmax())]
    while len(taken) < wanted:
        distance = np.linalg.norm(features[:, None] - features[taken][None], axis=2).min(axis=1)
        taken.append(int((confidence * distance).argmax()))
    return sorted(seeds[row] for row in taken)


def write_zip(path: Path, files: dict[str, np.ndarray]) -> None:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # PNGs do not shrink
        for name, image in files.items():
            archive.writestr(zipfile.ZipInfo(name, STAMP), png(image))
    write_atomic(path, buffer.getvalue())


def prove(pipe: Pipeline, seeds: list[int], classes: str, images: np.ndarray) -> list[str]:
    """Some of the seeds drawn again, in other company: the very same pixels must come."""
    some = seeds[:: max(1, len(seeds) // PROVED)][:PROVED]
    again = draw(pipe, some, classes, OTHER_BATCH, lambda _: None)
    return [
        f"seed {seed} came out differently a second time"
        for seed, image in zip(some, again)
        if not np.array_equal(image, images[seeds.index(seed)])
    ]


def pictures(
    pipe: Pipeline,
    rubric: Rubric,
    out: Path,
    images: np.ndarray,
    files: dict[str, np.ndarray],
    favourites: list[int],
) -> list[Path]:
    """The contact sheet and, where the course wants it, the diffusion process, beside what is handed in."""
    sheet = out.with_name(f"{out.name}-contact.png")
    rows = (
        wrapped(images[:100], 10)
        + wrapped(
            np.stack([files[rubric.submission.favourite_files.format(seed=s)] for s in favourites]),
            10,
        )
        if favourites
        else wrapped(images[:100], 10)
    )
    grid(rows).save(sheet)
    if not rubric.submission.process:
        return [sheet]
    labels = cycle(range(1, PROCESS_ROWS + 1), range(pipe.facts.num_classes))
    frames = process_frames(
        pipe.denoiser,
        pipe.codec,
        range(1, PROCESS_ROWS + 1),
        labels,
        pipe.sampling,
        PROCESS_PARTS,
    )
    process = out.with_name(f"{out.name}-process.png")
    tiles(frames).save(process)
    return [sheet, process]


def check(path: Path, rubric: Rubric) -> list[str]:
    """Every fault of somebody's folder or zip under a rubric, one line each; none if it can be handed in."""
    plan = rubric.submission
    if plan is None:
        raise ValueError(
            f"the rubric {rubric.title} has no [submission]: it says nothing about what to hand in"
        )
    files, faults = read_all(path, plan.zip)
    wanted = [plan.files.format(seed=seed) for seed in range(1, rubric.images + 1)]
    missing = [name for name in wanted if name not in files]
    if missing:
        faults.append(
            f"{len(missing)} of {rubric.images} files are missing: {', '.join(missing[:3])}{', …' if len(missing) > 3 else ''}"
        )
    favourites = []
    for name in sorted(set(files) - set(wanted)):
        if plan.favourites and favourite_seed(name, plan.favourite_files) is not None:
            favourites.append(name)
        else:
            faults.append(
                f"{name}: {misnamed(name, wanted, plan.favourite_files if plan.favourites else None)}"
            )
            files.pop(name)
    if len(favourites) != plan.favourites:
        faults.append(
            f"{len(favourites)} favourites instead of {plan.favourites} ({plan.favourite_files.replace('{seed}', 'SEED')})"
        )
    pixels: dict[bytes, str] = {}
    for name in sorted(files):
        fault, content = look_at(files[name], rubric.size)
        if fault:
            faults.append(f"{name}: {fault}")
        if content in pixels and not (name in favourites) ^ (
            pixels[content] in favourites
        ):  # a favourite may be a fixed one
            faults.append(f"{name}: the same picture as {pixels[content]}")
        elif content:
            pixels.setdefault(content, name)
    return faults


def read_all(path: Path, want_zip: bool) -> tuple[dict[str, bytes], list[str]]:
    """Files by name, and faults of the place itself: folders inside, hidden files, a zip where a folder belongs."""
    faults: list[str] = []
    if path.is_dir():
        entries = {
            item.relative_to(path).as_posix(): item for item in path.rglob("*") if not item.is_dir()
        }
        read = {name: item.read_bytes for name, item in entries.items()}
        if want_zip:
            faults.append("a folder, where one .zip is wanted")
    elif zipfile.is_zipfile(path):
        archive = zipfile.ZipFile(path)
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
        read = {name: lambda name=name: archive.read(name) for name in names}
        if len(names) != len(set(names)):
            faults.append("the zip holds two files of one name")
        if not want_zip:
            faults.append("a .zip, where a folder is wanted")
    else:
        raise ValueError(f"there is no folder or .zip at {path}")
    files = {}
    for name, content in read.items():
        if any(is_hidden(part) for part in name.split("/")):
            faults.append(f"{name}: a hidden file, which must not be there")
        elif "/" in name:
            faults.append(f"{name}: in a sub-folder; all files belong at the top")
        else:
            try:
                files[name] = content()
            except (OSError, RuntimeError, zipfile.BadZipFile) as error:
                faults.append(f"{name}: cannot be read ({error})")
    return files, faults


def favourite_seed(name: str, pattern: str) -> int | None:
    before, _, after = pattern.partition("{seed}")
    number = name.removeprefix(before).removesuffix(after)
    right = (
        name.startswith(before)
        and name.endswith(after)
        and number.isdecimal()
        and number == str(int(number))
    )
    return int(number) if right else None


def misnamed(name: str, wanted: list[str], favourites: str | None) -> str:
    """Why a file should not be there, with the right name where it can be told."""

    def stem(text: str) -> str:
        return "".join(
            part.lstrip("0") if part.isdecimal() else part
            for part in re.findall(r"\d+|\D+", text.lower())
        )

    for right in wanted:
        if stem(right) == stem(name):
            return f"must be called {right}"
    if favourites and stem(name).startswith(stem(favourites.partition("{seed}")[0])):
        return f"favourites are called {favourites.replace('{seed}', 'SEED')}, the seed without leading zeros"
    return "does not belong there"


def look_at(content: bytes, size: int) -> tuple[str | None, bytes]:
    """What is wrong with one file, and its pixels (empty if there are none)."""
    try:
        with Image.open(BytesIO(content)) as image:
            pixels = image.convert("RGB").tobytes()
            if image.format != "PNG":
                return f"a {image.format} file, not a PNG", pixels
            if image.mode != "RGB":
                return f"mode {image.mode}, not RGB", pixels
            if image.size != (size, size):
                return f"{image.width}x{image.height}, not {size}x{size}", pixels
            return None, pixels
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return "not a picture, or damaged", b""
