"""Folders and archives of picture files, in whatever arrangement names their classes and split.

Pure decisions on paths; nothing is decoded here. File names only help to recognise the arrangement:
whatever lies where pictures belong is tried, and its content decides.
"""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from latent_diffusion.data.decode import IMAGE_SUFFIXES
from latent_diffusion.data.sources.source import Asked, FileLoader, Found, Item, Source, class_of
from latent_diffusion.data.split import TEST, TRAIN, UNDECIDED
from latent_diffusion.data.tree import File, Skip

TRAIN_NAMES = {"train", "training"}
# Everything that an author held out of training stays out of training.
TEST_NAMES = {"test", "testing", "val", "valid", "validation"}


class Layout(NamedTuple):
    """How the files of a tree are arranged, and what that makes of each."""

    kind: str
    items: list[Item]
    skipped: list[Skip]


class Pictures(Source):
    """Class folders, with or without train/ and test/, and flat folders of one class."""

    accepts = "a folder or .zip of pictures (class folders, with or without train/ and test/)"

    def find(self, asked: Asked) -> Found | None:
        if not asked.holds_pictures:
            return None
        *_, prefix = enclosing_folders(asked.listing.files)
        inside, skipped = within(asked.listing.files, prefix)
        parents = prefix.split("/")[:-1]
        layout = arrange(inside, prefix, name=parents[-1] if parents else asked.name)
        skipped += asked.listing.skipped + layout.skipped
        return Found(layout.kind, sorted(layout.items), FileLoader(asked.tree), sorted(skipped))


def enclosing_folders(files: list[File]) -> Iterator[str]:
    """Yield "", then each folder that only encloses the next: "photos/", "photos/photos/".

    The pictures begin within the last of them.
    """
    prefix = ""
    while True:
        yield prefix
        loose, folders = census(within(files, prefix)[0], prefix)
        if loose or len(folders) != 1 or is_split(folders):
            return
        prefix += next(iter(folders)) + "/"


def within(files: list[File], prefix: str) -> tuple[list[File], list[Skip]]:
    """Return the files whose paths begin with `prefix`, and the others as skipped."""
    inside, outside = [], []
    for file in files:
        if file.path.startswith(prefix):
            inside.append(file)
        else:
            outside.append(Skip(file.path, "outside the picture folders"))
    return inside, outside


def census(files: list[File], prefix: str) -> tuple[int, Counter[str]]:
    """Return how many pictures lie loose after `prefix`, and how many in each folder there.

    Names tell what is a picture; where none looks like one, every file counts.
    """
    pictures = [file for file in files if file.path.lower().endswith(IMAGE_SUFFIXES)]
    counts = Counter(first_folder(file, prefix) for file in pictures or files)
    return counts.pop("", 0), counts


def first_folder(file: File, prefix: str) -> str:
    """Return the folder of a path that comes right after `prefix`, or "" for a loose file."""
    folder, slash, _ = file.path[len(prefix) :].partition("/")
    return folder if slash else ""


def is_split(folders: Counter[str]) -> bool:
    """Return whether there is train/ with test/ or val/ beside it.

    A lone folder "train" may be a class, of vehicles.
    """
    names = {folder.lower() for folder in folders}
    return bool(names & TRAIN_NAMES and names & TEST_NAMES)


def arrange(files: list[File], prefix: str, name: str) -> Layout:
    """Return the layout of the files within `prefix`; `name` is a class that no folder names."""
    loose, folders = census(files, prefix)
    if is_split(folders):
        return split_folders(files, prefix, name)
    if folders and loose <= folders.total():
        return class_folders(files, prefix)
    return flat(files, prefix, name)


def flat(files: list[File], prefix: str, name: str, split: int = UNDECIDED) -> Layout:
    """Return the loose pictures, all of the class `name`."""
    items, skipped = [], []
    for file in files:
        if first_folder(file, prefix):
            skipped.append(Skip(file.path, "in a folder beside many loose pictures"))
        else:
            items.append(Item(file.path, file.key, class_of(name), split))
    return Layout("a folder of pictures", items, skipped)


def class_folders(files: list[File], prefix: str, split: int = UNDECIDED) -> Layout:
    """Return the pictures in folders, however deep, by the class that the first folder names."""
    items, skipped = [], []
    for file in files:
        folder = first_folder(file, prefix)
        if folder:
            items.append(Item(file.path, file.key, class_of(folder), split))
        else:
            skipped.append(Skip(file.path, "outside the class folders"))
    return Layout("class folders", items, skipped)


def split_folders(files: list[File], prefix: str, name: str) -> Layout:
    """Return train/ and test/ (val/ counts as test/), each with class folders or with pictures.

    Which of the two is decided for all parts by the training ones; pictures are of class `name`.
    """
    parts: dict[str, list[File]] = {}
    in_train = in_classes = 0
    for file in files:
        folder = first_folder(file, prefix)
        parts.setdefault(folder, []).append(file)
        if folder.lower() in TRAIN_NAMES:
            in_train += 1
            in_classes += bool(first_folder(file, f"{prefix}{folder}/"))
    has_classes = 2 * in_classes > in_train
    items: list[Item] = []
    skipped: list[Skip] = []
    for folder, part in parts.items():
        inner = f"{prefix}{folder}/"
        if folder.lower() not in TRAIN_NAMES | TEST_NAMES:
            skipped += [Skip(file.path, "outside train and test") for file in part]
            continue
        split = TRAIN if folder.lower() in TRAIN_NAMES else TEST
        found = class_folders(part, inner, split) if has_classes else flat(part, inner, name, split)
        items += found.items
        skipped += found.skipped
    kind = "class folders in train and test" if has_classes else "pictures in train and test"
    return Layout(kind, items, skipped)
