"""A prepared data set in plain lines for the terminal."""

from latent_diffusion.data.store import DatasetInfo

MAX_CLASSES = 40  # listed one by one
MAX_REASONS = 25
EXAMPLES = 3  # of the files skipped for one reason


def summary(info: DatasetInfo) -> list[str]:
    """Return what was prepared, by class and split, then all that was not and why.

    Lines without markup or line ends.
    """
    lines = [f"{printable(info.source)}: {info.kind}", *counted(info)]
    lines += [printable(note) for note in info.notes]
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
    left_out = list(info.left_out.items())
    lines += [f"class {printable(name)} left out: {why}" for name, why in left_out[:MAX_CLASSES]]
    if len(left_out) > MAX_CLASSES:
        more = len(left_out) - MAX_CLASSES
        lines.append(f"... and {more} more classes left out (all in dataset.json)")
    skipped = [(skip.path, skip.reason) for skip in info.skipped]
    return lines + skipped_lines(skipped, info.skipped_by_reason, " (all listed in dataset.json)")


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


def skipped_lines(
    skipped: list[tuple[str, str]], by_reason: dict[str, int], where: str = ""
) -> list[str]:
    """Return the files that were not taken by reason, with a few examples of each.

    skipped: path and reason of each. where: in which file they are all listed, if in any.
    """
    if not skipped:
        return []
    examples: dict[str, list[str]] = {}
    for path, reason in skipped:
        examples.setdefault(reason, []).append(printable(path))
    lines = [f"{len(skipped):,} files skipped{where}:"]
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
