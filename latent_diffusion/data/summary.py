"""A prepared data set in plain lines for the terminal."""

from itertools import islice

from latent_diffusion.data.store import DatasetInfo, Skipped

MAX_CLASSES = 40  # listed one by one
MAX_REASONS = 25
LISTED = " (all listed in dataset.json)"
KEEPS = "--fit pad or stretch keeps it"
EXAMPLES = 3  # of the files skipped for one reason


def summary(info: DatasetInfo) -> list[str]:
    """Return what was prepared, by class and split, then all that was not and why.

    Lines without markup or line ends.
    """
    lines = [f"{printable(info.source)}: {info.kind}", *counted(info)]
    lines += [printable(note) for note in info.notes]
    lines += fitted(info)
    if info.enlarged:
        lines.append(
            f"{info.enlarged:,} images were smaller than {info.image_size} pixels "
            "and had to be enlarged"
        )
    if info.leaks:
        lines.append(
            f"{info.leaks:,} test images are also training images, byte for byte: "
            "scores will flatter"
        )
    lines += repeats(info)
    left_out = list(info.left_out.items())
    lines += [f"class {printable(name)} left out: {why}" for name, why in left_out[:MAX_CLASSES]]
    if len(left_out) > MAX_CLASSES:
        more = len(left_out) - MAX_CLASSES
        lines.append(f"... and {more} more classes left out (all in dataset.json)")
    return [
        *lines,
        *file_lines(pairs(info.remarks), info.remarks_by_reason, f"remarks{LISTED}"),
        *file_lines(pairs(info.skipped), info.skipped_by_reason, f"files skipped{LISTED}"),
    ]


def pairs(files: list[Skipped]) -> list[tuple[str, str]]:
    """Return path and reason of each."""
    return [(one.path, one.reason) for one in files]


def fitted(info: DatasetInfo) -> list[str]:
    """Return how much of the pictures was cropped away, if any."""
    if not info.cropped:
        return []
    share = info.cropped / (info.train + info.test)
    return [
        f"{info.cropped:,} images ({share:.0%}) are the centre squares of their pictures; "
        f"{info.cropped_area:.0%} of the area of all is cropped away ({KEEPS})"
    ]


def repeats(info: DatasetInfo) -> list[str]:
    """Return how many images are there more than once, and what that means."""
    lines = []
    if info.identical:
        lines.append(f"{info.identical:,} images have the same pixels as another one")
    if info.ambiguous:
        lines.append(f"{info.ambiguous:,} images are there under several classes")
    if info.near:
        shown = (f"{printable(one.test)} and {printable(one.train)}" for one in info.near)
        examples = ", ".join(islice(shown, EXAMPLES)) + (
            ", ..." if len(info.near) > EXAMPLES else ""
        )
        lines.append(
            f"{len(info.near):,} test images are nearly training images: scores will flatter "
            f"({examples}; all in dataset.json)"
        )
    return lines


def counted(info: DatasetInfo) -> list[str]:
    """Return the numbers of images, in all and by class."""
    split = "the source's own split"
    if info.holdout is not None:
        split = f"{info.holdout:.0%} held out by content"
    number = len(info.class_names)
    classes = "1 class (unconditional)" if number == 1 else f"{number} classes"
    size = f"{info.image_size}x{info.image_size}"
    lines = [
        f"{info.train + info.test:,} images of {size} in {classes}: "
        f"{info.train:,} train, {info.test:,} test ({split}); flips {'on' if info.flip else 'off'}"
    ]
    listed = info.class_names[:MAX_CLASSES]
    width = max(len(printable(name)) for name in listed)
    for name in listed:
        counts = info.counts[name]
        lines.append(
            f"  {printable(name):{width}}  {counts.train:>9,} train {counts.test:>8,} test"
        )
    if number > len(listed):
        lines.append(f"  ... and {number - len(listed)} more classes (all in dataset.json)")
    return lines


def file_lines(
    files: list[tuple[str, str]], by_reason: dict[str, int], what: str = "files skipped"
) -> list[str]:
    """Return what is said of files by reason, with a few examples of each.

    files: path and reason of each. what: what they are, and in which file they are all listed.
    """
    if not files:
        return []
    examples: dict[str, list[str]] = {}
    for path, reason in files:
        examples.setdefault(reason, []).append(printable(path))
    lines = [f"{len(files):,} {what}:"]
    reasons = list(by_reason.items())
    for reason, number in reasons[:MAX_REASONS]:
        shown = ", ".join(examples[reason][:EXAMPLES]) + (", ..." if number > EXAMPLES else "")
        lines.append(f"  {number:>6,} {reason}: {shown}")
    if len(reasons) > MAX_REASONS:
        lines.append(f"  ... for {len(reasons) - MAX_REASONS} more reasons")
    return lines


def printable(text: str) -> str:
    """Return a name for the terminal: file and class names can hold what a terminal would obey."""
    return "".join(char if char.isprintable() else "?" for char in text)
