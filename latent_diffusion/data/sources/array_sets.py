"""Data sets that come as a few array files, found by folder and prefix and never mixed.

What `mnist`, `cifar`, `cifar100`, `svhn` and `stl10` share: each says which files make a set of its
kind and reads one set. Several sets in one place are refused and named.
"""

import re
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from latent_diffusion.data.decode import IMAGE_SUFFIXES
from latent_diffusion.data.sources.source import Asked, Found, Source
from latent_diffusion.data.tree import File, Skip

NAMED = 8  # sets in a message


@dataclass(frozen=True)
class ArraySet:
    """The files of one data set: they lie in one folder and their names begin alike."""

    folder: str  # "" or with "/" at its end
    prefix: str  # what the names begin with, often nothing
    files: dict[str, File]  # by what the source calls them, such as "train images"

    @property
    def name(self) -> str:
        """What messages call it: its folder and prefix, or its first file."""
        whole = (self.folder + self.prefix).rstrip("/")
        return whole or min(file.path for file in self.files.values())

    def pairs(self, first: str, second: str, splits: Sequence[str]) -> list[str]:
        """Return the splits that have both files, such as the images and the labels."""
        return [s for s in splits if {f"{s} {first}", f"{s} {second}"} <= self.files.keys()]


class ArraySource(Source):
    """A data set that comes as array files."""

    @abstractmethod
    def sets(self, files: list[File]) -> list[ArraySet]:
        """Return the sets of this kind among the files, whole or not."""

    @abstractmethod
    def is_whole(self, found: ArraySet) -> bool:
        """Return whether a set can be read: it has images with their labels."""

    @abstractmethod
    def open(self, asked: Asked, found: ArraySet) -> Found:
        """Return the images of one whole set; ValueError, with the file's name, for damage."""

    def find(self, asked: Asked) -> Found | None:
        sets = self.asked_for(asked)
        whole = [one for one in sets if self.is_whole(one)]
        if not whole:
            if sets and not any(
                f.path.lower().endswith(IMAGE_SUFFIXES) for f in asked.listing.files
            ):
                files = ", ".join(sorted(file.path for file in sets[0].files.values())[:NAMED])
                raise ValueError(
                    f"{asked.text} holds no images with their labels: of {sets[0].name} there is "
                    f"only {files}; fetch the rest"
                )
            return None
        (chosen,) = whole  # `one_set_only` has refused more
        found = self.open(asked, chosen)
        used = {file.path for file in chosen.files.values()}
        others = [f.path for f in asked.listing.files if f.path not in used]
        skipped = [Skip(path, "not a file of the data set that was read") for path in others]
        found.skipped.extend(skipped + asked.listing.skipped)
        found.skipped.sort()
        return found

    def asked_for(self, asked: Asked) -> list[ArraySet]:
        """Return the sets in a folder or archive, or the one that the named file is of."""
        sets = self.sets(asked.listing.files)
        if asked.one_file is None:
            return sets
        return [one for one in sets if asked.one_file in (f.path for f in one.files.values())]


def one_set_only(asked: Asked, sources: Iterable[Source]) -> None:
    """Raise ValueError, naming them, where several sets of array files lie in one place."""
    found = []
    for source in sources:
        if isinstance(source, ArraySource):
            found += [one for one in source.asked_for(asked) if source.is_whole(one)]
    if len(found) < 2:
        return
    names = sorted(one.name for one in found)
    shown = ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
    first = min(found, key=lambda one: one.name)
    if asked.path.is_file():
        how = "unpack it and give the folder of one, or one of its files"
    elif len({one.folder for one in found}) == len(found):
        how = f"give the folder of one, such as {asked.path / first.folder}"
    else:
        how = (
            f"name a file of one, such as {asked.path / min(f.path for f in first.files.values())}"
        )
    raise ValueError(f"{asked.text} holds several data sets ({shown}): {how}")


def grouped(files: list[File], pattern: re.Pattern[str]) -> list[ArraySet]:
    """Return the files whose names match, by folder and by the group "prefix" of the match.

    Within a set, files are called by the groups "split" and "part". Where one lies there unpacked
    and packed (.gz), it is the unpacked one.
    """
    found: dict[tuple[str, str], dict[str, File]] = {}
    for file in sorted(files, key=lambda file: (file.path.lower().endswith(".gz"), file.path)):
        folder, _, name = file.path.rpartition("/")
        match = pattern.fullmatch(name)
        if match is None:
            continue
        outer, _, own = folder.rpartition("/")
        if own == name:  # unpacked into a folder of its own name
            folder = outer
        groups = match.groupdict()
        role = f"{groups['split']} {groups['part']}".lower()
        key = (f"{folder}/" if folder else "", groups.get("prefix") or "")
        found.setdefault(key, {}).setdefault(role, file)
    return [ArraySet(*key, parts) for key, parts in sorted(found.items())]


def beside(files: list[File], folder: str, *names: str) -> File | None:
    """Return the first of these files that lies in `folder` ("" or with "/" at its end)."""
    by_path = {file.path: file for file in files}
    return next((by_path[folder + name] for name in names if folder + name in by_path), None)
