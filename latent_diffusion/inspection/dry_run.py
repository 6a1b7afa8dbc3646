"""What `ldm prepare` would read: class by class in lines, and one picture of each class as a sheet.

Nothing else is written, and only these pictures are decoded.
"""

from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from latent_diffusion.data.decode import Fit, Unreadable, fit, lost_share
from latent_diffusion.data.prepare import DEFAULT_SIZE, MIN_CLASS, by_reason, check_arguments
from latent_diffusion.data.sources import open_source
from latent_diffusion.data.sources.source import AUTO, Batches, FileLoader, Found, Loaded
from latent_diffusion.data.split import TEST, TRAIN
from latent_diffusion.data.summary import KEEPS, MAX_CLASSES, file_lines, printable
from latent_diffusion.inspection.grids import grid, wrapped

MARK = ("Software", "ldm prepare --dry-run")  # tells its sheets from pictures of the user's
CELL = 128  # pixels a side, for a caption of CAPTION letters
CAPTION = 13
COLUMNS = 8
MOST_ON_SHEET = 200  # classes
TRIES = 5  # pictures of a class, until one can be read


def dry_run(
    source: str,
    folder: str | Path,
    size: int | None = None,
    holdout: float = 0.1,
    labels: str = AUTO,
    fit_by: Fit = "crop",
    flip: bool | None = None,
) -> list[str]:
    """Return in plain lines what `ldm prepare` would read, and write a sheet beside `folder`.

    The sheet has one picture of each class and is called as the folder, with "-dry-run.png".
    The arguments are those of `prepare`; raises ValueError as it does, and where a file of that
    name is no such sheet.
    """
    folder = Path(folder)
    check_arguments(source, folder, size, holdout)
    sheet = folder.with_name(f"{folder.name}-dry-run.png")
    check_is_ours(sheet)
    found = open_source(source, labels)
    names = sorted({item.class_name for item in found.items})
    shown = names[:MOST_ON_SHEET]
    pictures = one_of_each(found, shown, size or found.native_size or DEFAULT_SIZE, fit_by)
    lines = [f"{printable(source)}: {found.kind}; a dry run, nothing is prepared"]
    lines += counted(found, names, holdout, flips(found.flip, flip))
    lines += [printable(note) for note in found.notes]
    lines += file_lines(
        [(skip.path, skip.reason) for skip in found.skipped], by_reason(found.skipped)
    )
    mute = [name for name in shown if name not in pictures]
    if mute:
        lines.append(f"no picture could be read of {', '.join(map(printable, mute[:MAX_CLASSES]))}")
    if pictures:
        write_sheet(sheet, {name: one.pixels for name, one in pictures.items()})
        more = f" (the first {MOST_ON_SHEET} classes)" if len(names) > MOST_ON_SHEET else ""
        lines.append(f"one picture of each class: {sheet}{more}")
        lines += cropped_line([one.cropped for one in pictures.values()])
    return lines


def cropped_line(shares: list[float]) -> list[str]:
    """Return how much of the pictures on the sheet is cropped away, if any."""
    cropped = sum(share > 0 for share in shares)
    if not cropped:
        return []
    return [
        f"{cropped} of the {len(shares)} on it are the centre squares of their pictures; "
        f"{np.mean(shares):.0%} of the area is cropped away ({KEEPS})"
    ]


def flips(as_found: bool, asked: bool | None) -> str:
    """Return whether training may mirror the images, as far as that is known without reading all.

    asked: --flip or --no-flip, None for neither.
    """
    if asked is None and as_found:
        return "flips on, unless pictures can be told from their mirror images"
    return f"flips {'on' if asked else 'off'}"


def counted(found: Found, names: list[str], holdout: float, flips: str) -> list[str]:
    """Return the numbers of files, in all and by class."""
    parts = Counter((item.class_name, item.split) for item in found.items)
    totals = Counter(item.class_name for item in found.items)
    test = sum(number for (_, split), number in parts.items() if split == TEST)
    train = sum(number for (_, split), number in parts.items() if split == TRAIN)
    has_split = bool(test and train)
    split = f"{holdout:.0%} of each class to be held out"
    if has_split:
        split = f"{train:,} train, {test:,} test (the source's own split)"
    classes = "1 class" if len(names) == 1 else f"{len(names)} classes"
    lines = [f"{len(found.items):,} images to read in {classes}; {split}; {flips}"]
    listed = names[:MAX_CLASSES]
    width = max(len(printable(name)) for name in listed)
    for name in listed:
        numbers = f"{totals[name]:>9,}"
        if has_split:
            numbers = f"{parts[name, TRAIN]:>9,} train {parts[name, TEST]:>8,} test"
        few = f"  (left out: fewer than {MIN_CLASS})" if totals[name] < MIN_CLASS else ""
        lines.append(f"  {printable(name):{width}}  {numbers}{few}")
    if len(names) > len(listed):
        lines.append(f"  ... and {len(names) - len(listed)} more classes")
    return lines


def one_of_each(found: Found, names: list[str], size: int, fit_by: Fit) -> dict[str, Loaded]:
    """Return the first readable picture of each class by name, of `size` pixels a side."""
    rows: dict[str, list[int]] = {name: [] for name in names}
    for row, item in enumerate(found.items):
        if item.class_name in rows and len(rows[item.class_name]) < TRIES:
            rows[item.class_name].append(row)
    if isinstance(found.loader, Batches):
        return from_batches(found.loader, {rows[name][0]: name for name in names}, size, fit_by)
    if isinstance(found.loader, FileLoader):
        found.loader.fit = fit_by
    pictures = {}
    for name, tries in rows.items():
        for row in tries:
            try:
                pictures[name] = found.loader.load(found.items[row].key, size)
                break
            except Unreadable:
                continue
    return pictures


def from_batches(
    source: Batches, wanted: dict[int, str], size: int, fit_by: Fit
) -> dict[str, Loaded]:
    """Return the pictures of these rows by their names, of `size` pixels a side."""
    pictures = {}
    start = 0
    for images in source.batches():
        for row, name in wanted.items():
            if start <= row < start + len(images):
                pixels = images[row - start]
                height, width = pixels.shape[:2]
                square = np.asarray(fit(Image.fromarray(pixels), size, fit_by))
                lost = lost_share(width, height, fit_by)
                pictures[name] = Loaded(square, 0, min(height, width) < size, lost)
        start += len(images)
        if start > max(wanted):
            break
    return pictures


def write_sheet(path: Path, pictures: dict[str, np.ndarray]) -> None:
    """Write one picture of each class with its name below."""
    names = sorted(pictures)
    images = np.stack([pictures[name] for name in names])
    short = [n if len(n) <= CAPTION else f"{n[: CAPTION - 1]}…" for n in map(printable, names)]
    captions = [short[start : start + COLUMNS] for start in range(0, len(short), COLUMNS)]
    enlarge = max(1, -(-CELL // images.shape[2]))
    info = PngInfo()
    info.add_text(*MARK)
    path.parent.mkdir(parents=True, exist_ok=True)
    grid(wrapped(images, COLUMNS), enlarge=enlarge, captions=captions).save(path, pnginfo=info)


def check_is_ours(path: Path) -> None:
    """Raise ValueError where a file lies at the sheet's place that no dry run wrote."""
    if not path.exists():
        return
    try:
        with Image.open(path) as image:
            mine = image.info.get(MARK[0]) == MARK[1]
    except (OSError, UnidentifiedImageError):
        mine = False
    if not mine:
        raise ValueError(f"{path} is where the sheet would go, and is yours: give another DATA")
