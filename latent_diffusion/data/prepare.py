"""`ldm prepare`: any source of images to a prepared data set, in constant memory."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from latent_diffusion.data import pool
from latent_diffusion.data.decode import MIN_SIDE, Fit, fit, lost_share
from latent_diffusion.data.duplicates import find_repeats
from latent_diffusion.data.handedness import may_flip
from latent_diffusion.data.sources import open_source
from latent_diffusion.data.sources.source import AUTO, Batches, FileLoader, Found, fingerprint
from latent_diffusion.data.split import TEST, TRAIN, count_leaks, has_both, hold_out
from latent_diffusion.data.store import Counts, DatasetInfo, NearPair, Skipped
from latent_diffusion.data.tree import Skip
from latent_diffusion.data.worker import Job, Result, Taken
from latent_diffusion.data.writer import Writer

DEFAULT_SIZE = 64
MAX_SIZE = 1024
MIN_CLASS = 10  # images; fewer can neither be learnt nor scored
MAX_TOLD = 8  # parts of an error message
PROGRESS_EVERY = 50  # images

Progress = Callable[[int, int], None]  # images done, images in all


def prepare(
    source: str,
    folder: str | Path,
    size: int | None = None,
    holdout: float = 0.1,
    flip: bool | None = None,
    on_progress: Progress | None = None,
    processes: int | None = None,
    labels: str = AUTO,
    fit_by: Fit = "crop",
) -> DatasetInfo:
    """Read `source` (see `sources.SOURCES`) and write a prepared data set to `folder`.

    size: side of the images in pixels; None is the native size of MNIST and CIFAR-10, else 64.
    holdout: share of each class that is held out of training, unless the source has its own split.
    flip: whether training may mirror the images; None: not where the source says so, or where
        pictures can be told from their mirrors, as digits and letters can.
    fit_by: how pictures that are no squares become images: "crop" takes the centre square, "pad"
    the whole on white, "stretch" the whole distorted.
    processes: None is one a core. The result does not depend on it.
    labels: where they come from: "auto" (whatever says them), "folders", "file-name" (what file
        names begin with), "column=NAME" (of a list beside the pictures) or "none" (one class).

    Bad files are skipped and listed in the result. Raises ValueError when nothing usable is found
    or the folder cannot be written; then the folder is as it was.
    """
    folder = Path(folder)
    check_arguments(source, folder, size, holdout)
    found = open_source(source, labels)
    size = size or found.native_size or DEFAULT_SIZE
    with Writer(folder, len(found.items), size) as writer:
        try:
            outcome = collect(found, writer, fit_by, processes or cores(), on_progress)
        except OSError as error:
            raise ValueError(f"cannot write to {folder}: {error.strerror or error}") from None
        asked = Choices(source, labels, holdout, flip, fit_by)
        return commit(asked, found, outcome, writer)


class Choices(NamedTuple):
    """What the user asked for."""

    source: str
    labels: str
    holdout: float
    flip: bool | None
    fit: Fit


@dataclass
class Outcome:
    """What became of each item, by its row."""

    fingerprints: np.ndarray  # uint64 (N,)
    enlarged: np.ndarray  # bool (N,)
    cropped: np.ndarray  # float32 (N,), share of each picture's area that is not in the image
    remarks: dict[int, tuple[str, ...]]  # what people should know of those that were read
    reasons: dict[int, str]  # of those that could not be read


def collect(
    found: Found, writer: Writer, fit_by: Fit, processes: int, on_progress: Progress | None
) -> Outcome:
    """Write all images, reporting progress, and return what became of them."""
    total = len(found.items)
    shares = np.zeros(total, np.float32)
    outcome = Outcome(np.zeros(total, np.uint64), np.zeros(total, bool), shares, {}, {})
    for done, (row, result) in enumerate(fill(found, writer, fit_by, processes), 1):
        if isinstance(result, str):
            outcome.reasons[row] = result
        else:
            outcome.fingerprints[row], outcome.enlarged[row] = result.fingerprint, result.enlarged
            outcome.cropped[row] = result.cropped
            if result.remarks:
                outcome.remarks[row] = result.remarks
        if on_progress is not None and (done % PROGRESS_EVERY == 0 or done == total):
            on_progress(done, total)
    return outcome


def fill(found: Found, writer: Writer, fit_by: Fit, processes: int) -> Iterator[tuple[int, Result]]:
    """Write all images and yield (row, what became of it), in any order."""
    if isinstance(found.loader, Batches):
        yield from fill_from_batches(found.loader, writer, fit_by)
    else:
        if isinstance(found.loader, FileLoader):
            found.loader.fit = fit_by
        job = Job(found.loader, writer.size, str(writer.images), writer.offset)
        yield from pool.run(job, [item.key for item in found.items], processes)


def fill_from_batches(source: Batches, writer: Writer, fit_by: Fit) -> Iterator[tuple[int, Result]]:
    """Write images that are held as arrays, resized where they need it."""
    row = 0
    for images in source.batches():
        if images.shape[1:3] == (writer.size, writer.size):
            writer.write(row, images)
        else:
            pictures = (Image.fromarray(image) for image in images)
            resized = [np.asarray(fit(picture, writer.size, fit_by)) for picture in pictures]
            writer.write(row, np.stack(resized))
        height, width = images.shape[1:3]
        enlarged = min(height, width) < writer.size
        lost = lost_share(width, height, fit_by)
        for image in images:
            yield row, Taken(fingerprint(image.tobytes()), enlarged, lost)
            row += 1


@dataclass
class Kept:
    """What of a source becomes the data set."""

    rows: np.ndarray  # of the items, int64, ascending
    class_names: list[str]  # sorted
    left_out: dict[str, str]  # class name: why the whole class is missing

    def labels(self, found: Found) -> np.ndarray:
        """Return the label of each row, int64."""
        label_of = {name: label for label, name in enumerate(self.class_names)}
        return np.array([label_of[found.items[row].class_name] for row in self.rows], np.int64)


def usable(found: Found, reasons: dict[int, str]) -> Kept:
    """Return the items to keep: readable, and of a class with enough of them in training."""
    rows = [row for row in range(len(found.items)) if row not in reasons]
    totals = Counter(found.items[row].class_name for row in rows)
    trained = Counter(found.items[row].class_name for row in rows if found.items[row].split != TEST)
    left_out = {}
    for name in sorted({item.class_name for item in found.items}):
        if totals[name] < MIN_CLASS:
            left_out[name] = f"{totals[name]} usable images, at least {MIN_CLASS} are needed"
        elif trained and not trained[name]:
            left_out[name] = "no training images"
    keep = [row for row in rows if found.items[row].class_name not in left_out]
    return Kept(np.array(keep, np.int64), sorted(set(totals) - set(left_out)), left_out)


def commit(asked: Choices, found: Found, outcome: Outcome, writer: Writer) -> DatasetInfo:
    """Keep what is usable of the images written, split and describe it.

    Raises ValueError where nothing is.
    """
    kept = usable(found, outcome.reasons)
    if not kept.class_names:
        raise ValueError(nothing_usable(asked.source, found, outcome, kept))
    labels = kept.labels(found)
    own_split = np.array([found.items[row].split for row in kept.rows], np.int8)
    fingerprints = outcome.fingerprints[kept.rows]
    split = hold_out(labels, own_split, fingerprints, asked.holdout)
    skips = all_skips(found, outcome)
    remarks = all_remarks(found, outcome, kept)
    images = writer.keep(kept.rows)
    repeats = find_repeats(images, labels, split, fingerprints)
    flip, why_not = found.flip if asked.flip is None else asked.flip, ""
    if flip and asked.flip is None:
        flip, why_not = may_flip(images)
    info = DatasetInfo(
        source=shown(asked.source),
        labels=asked.labels,
        kind=found.kind,
        image_size=writer.size,
        flip=flip,
        class_names=kept.class_names,
        counts=count(kept.class_names, labels, split),
        holdout=None if has_both(own_split) else asked.holdout,
        leaks=count_leaks(split, fingerprints),
        enlarged=int(outcome.enlarged[kept.rows].sum()),
        fit=asked.fit,
        cropped=int((outcome.cropped[kept.rows] > 0).sum()),
        cropped_area=round(float(outcome.cropped[kept.rows].mean()), 4),
        identical=repeats.identical,
        ambiguous=repeats.ambiguous,
        near=[
            NearPair(test=named(found, kept, test), train=named(found, kept, train))
            for test, train in repeats.near
        ],
        remarks_by_reason=by_reason(remarks),
        remarks=[Skipped(path=shown(one.path), reason=one.reason) for one in remarks],
        left_out=kept.left_out,
        notes=[shown(note) for note in filter(None, [*found.notes, why_not])],
        skipped_by_reason=by_reason(skips),
        skipped=[Skipped(path=shown(skip.path), reason=skip.reason) for skip in sorted(skips)],
        checksum="",  # the writer knows it
    )
    return writer.commit(labels, split, info)


def all_skips(found: Found, outcome: Outcome) -> list[Skip]:
    """Return what the source skipped and what could not be read."""
    unread = [Skip(found.items[row].path, reason) for row, reason in outcome.reasons.items()]
    return found.skipped + unread


def all_remarks(found: Found, outcome: Outcome, kept: Kept) -> list[Skip]:
    """Return what people should know of images that were taken, in order."""
    return [
        Skip(found.items[row].path, remark)
        for row in kept.rows.tolist()
        for remark in outcome.remarks.get(row, ())
    ]


def named(found: Found, kept: Kept, row: int) -> str:
    """Return what messages call an image of the prepared data set."""
    return shown(found.items[kept.rows[row]].path)


def by_reason(skips: list[Skip]) -> dict[str, int]:
    """Return how many were skipped for each reason, the most frequent first."""
    return dict(Counter(skip.reason for skip in skips).most_common())


def nothing_usable(source: str, found: Found, outcome: Outcome, kept: Kept) -> str:
    """Return the refusal of a source of which nothing remains."""
    reasons = by_reason(all_skips(found, outcome))
    what = [f"class {name}: {why}" for name, why in kept.left_out.items()]
    what += [f"{number} x {reason}" for reason, number in reasons.items()]
    return f"nothing usable in {source} ({found.kind}): {'; '.join(what[:MAX_TOLD])}"


def count(class_names: list[str], labels: np.ndarray, split: np.ndarray) -> dict[str, Counts]:
    """Return the numbers of training and test images of each class."""
    train, test = (
        np.bincount(labels[split == part], minlength=len(class_names)).tolist()
        for part in (TRAIN, TEST)
    )
    return {name: Counts(train=train[i], test=test[i]) for i, name in enumerate(class_names)}


def check_arguments(source: str, folder: Path, size: int | None, holdout: float) -> None:
    """Raise ValueError for a size or share out of range, and for a folder inside the source."""
    if size is not None and not MIN_SIDE <= size <= MAX_SIZE:
        raise ValueError(f"size is {size} pixels; it must be from {MIN_SIDE} to {MAX_SIZE}")
    if not 0 < holdout < 1:
        raise ValueError(
            f"holdout is {holdout}; it is a share of each class, above 0 and below 1, as in 0.1"
        )
    root = Path(source).expanduser().resolve()
    if root.is_dir() and folder.resolve().is_relative_to(root):
        raise ValueError(f"{folder} lies inside the source {source}; choose a folder outside it")


def cores() -> int:
    """Return the number of workers: the cores this process may run on, within the pool's limit."""
    if hasattr(os, "sched_getaffinity"):
        available = len(os.sched_getaffinity(0))
    else:
        available = os.cpu_count() or 1
    return min(available, pool.MAX_WORKERS)


def shown(path: str) -> str:
    """Return a path for people: bytes that are no UTF-8 written as escapes."""
    return path.encode("utf-8", "backslashreplace").decode()
