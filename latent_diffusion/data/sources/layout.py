"""How the files of a folder or archive are arranged: splits, blocks, class folders, loose pictures.

Pure decisions on paths, for `pictures`; nothing is opened here. File names only help to recognise
the arrangement: whatever lies where pictures belong is tried, and its content decides.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from latent_diffusion.data.decode import IMAGE_SUFFIXES
from latent_diffusion.data.folder_names import (
    SplitName,
    are_blocks,
    is_annotation,
    is_plain,
    paired_splits,
    split_of,
)
from latent_diffusion.data.split import TRAIN, UNDECIDED
from latent_diffusion.data.tree import File, Skip

NAMED = 5  # folders in a note


@dataclass
class Place:
    """A file, and what of its path is not understood yet."""

    file: File
    folders: list[str]  # the outermost first
    split: int = UNDECIDED


@dataclass
class Layout:
    """The files by what their folders say of them."""

    name: str  # of the class that no folder names
    places: list[Place] = field(default_factory=list)  # their first folder is the class, if any
    has_classes: bool = False  # whether folders name classes
    skipped: list[Skip] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what people should know of how it was read

    @property
    def has_splits(self) -> bool:
        """Whether folders say which files are for training."""
        return any(place.split != UNDECIDED for place in self.places)

    def leave_out(self, places: Iterable[Place], reason: str) -> None:
        """Skip these files."""
        gone = {id(place) for place in places}
        self.skipped += [Skip(p.file.path, reason) for p in self.places if id(p) in gone]
        self.places = [place for place in self.places if id(place) not in gone]


def arrange(files: list[File], name: str, blocks: bool = True) -> Layout:
    """Return the layout of all files; `name` is a class that no folder names.

    blocks: whether folders that only hold so many files each are seen through.
    """
    layout = Layout(name, [Place(file, file.path.split("/")[:-1]) for file in files])
    while step_in(layout, blocks):
        pass
    loose, folders = census(deciding(layout))
    layout.has_classes = bool(folders) and loose <= folders.total()
    if layout.has_classes:
        splits_in_classes(layout)
        name_merged(layout)
        odd = sorted(name for name in folders if is_plain(name) and split_of(name))
        if odd and len(folders) > 1 and not layout.has_splits:
            layout.notes.append(
                f"{listed(odd)} was taken for a class, for no folder beside it completes the split"
            )
    return layout


def step_in(layout: Layout, blocks: bool) -> bool:
    """Take what the outermost folders say other than a class; return whether that was anything."""
    loose, folders = census(deciding(layout))
    if loose > folders.total() or not folders:
        return False
    if not layout.has_splits and (splits := paired_splits(folders)):
        take_splits(layout, splits)
        return True
    if not layout.has_splits and take_lone_test(layout, folders):
        return True
    if accompanying(folders):
        inside = [p for p in layout.places if p.folders and is_annotation(p.folders[0])]
        layout.leave_out(inside, "of the masks or labels beside the pictures")
        return True
    if len(folders) == 1 and not loose and encloses(layout, only := next(iter(folders))):
        enter(layout, only)
        return True
    if blocks and not loose and are_blocks(stems(deciding(layout))):
        shown = listed(folders)
        layout.notes.append(
            f"the folders {shown} only hold so many files each and were not taken for classes "
            "(--labels folders takes them)"
        )
        for place in layout.places:
            del place.folders[:1]
        return True
    return False


def deciding(layout: Layout) -> list[Place]:
    """Return the files that decide the arrangement: where there are splits, the training ones."""
    return [place for place in layout.places if place.split in (UNDECIDED, TRAIN)]


def take_splits(layout: Layout, splits: dict[str, SplitName]) -> None:
    """Let the outermost folders be splits, and leave out what lies beside them."""
    beside = [p for p in layout.places if not p.folders or p.folders[0] not in splits]
    layout.leave_out(beside, "outside train and test")
    with_classes = len({said.rest for said in splits.values()}) > 1
    for place in layout.places:
        said = splits[place.folders.pop(0)]
        place.split = said.split
        if with_classes:
            place.folders.insert(0, said.class_name)
    for split in sorted({said.split for said in splits.values()}):
        part = [place for place in layout.places if place.split == split]
        while (only := lone_folder(part)) and (is_plain(only) or split_of(only)):
            for place in part:  # unpacked as train/train/, or train/images/
                del place.folders[:1]


def take_lone_test(layout: Layout, folders: Counter[str]) -> bool:
    """Let cat/, dog/ and test/cat/, test/dog/ be what they are; return whether there are such."""
    held_out = {name: said for name in folders if is_plain(name) and (said := split_of(name))}
    inner = [p for p in layout.places if p.folders and p.folders[0] in held_out]
    repeated = {place.folders[1] if len(place.folders) > 1 else "" for place in inner}
    if not repeated or not repeated <= folders.keys() - held_out.keys():
        return False
    for place in layout.places:
        place.split = TRAIN
    for place in inner:
        place.split = held_out[place.folders.pop(0)].split
    return True


def encloses(layout: Layout, folder: str) -> bool:
    """Return whether the one folder with all pictures is no class: test/ may have loose ones."""
    inside = [Place(p.file, p.folders[1:]) for p in deciding(layout) if p.folders[:1] == [folder]]
    return not layout.has_splits or census(inside)[0] == 0


def enter(layout: Layout, folder: str) -> None:
    """Step into the one folder that holds all pictures that decide; it may name their class."""
    outside = [p for p in layout.places if p.split == UNDECIDED and p.folders[:1] != [folder]]
    layout.leave_out(outside, "outside the picture folders")
    for place in layout.places:
        if place.folders[:1] == [folder]:
            del place.folders[0]
    if not (is_plain(folder) or (folder.isdecimal() and len(folder) > 2)):
        layout.name = folder


def splits_in_classes(layout: Layout) -> None:
    """Take the splits of cat/train/ and cat/test/, where every class has them."""
    classes = defaultdict(list)
    for place in layout.places:
        if place.folders:
            classes[place.folders[0]].append(place)
    if layout.has_splits:
        return
    found = {}
    for name, places in classes.items():
        loose, folders = census(Place(p.file, p.folders[1:]) for p in places)
        found[name] = {} if loose > folders.total() else paired_splits(folders)
    lacking = sorted(name for name, splits in found.items() if not splits)
    having = sorted(name for name, splits in found.items() if splits)
    if lacking and having:
        layout.notes.append(
            f"{listed(having)} have folders for training and testing inside and {listed(lacking)} "
            "none: the split was not taken from them"
        )
    if lacking:
        return
    outside = []
    for name, places in classes.items():
        for place in places:
            if place.folders[1:2] and place.folders[1] in found[name]:
                place.split = found[name][place.folders.pop(1)].split
            else:
                outside.append(place)
    layout.leave_out(outside, "outside train and test")


def name_merged(layout: Layout) -> None:
    """Note which classes are merged of sub-folders with names of their own."""
    inner: dict[str, set[str]] = defaultdict(set)
    for place in layout.places:
        if len(place.folders) > 1 and is_picture(place.file):
            inner[place.folders[0]].add(place.folders[1])
    merged = {name: subs for name, subs in inner.items() if not all(map(is_plain, subs))}
    if merged:
        shown = [f"{name} ({listed(sorted(subs))})" for name, subs in sorted(merged.items())]
        layout.notes.append(
            "sub-folders are merged into the class that the outer folder names: " + listed(shown)
        )


def census(places: Iterable[Place]) -> tuple[int, Counter[str]]:
    """Return how many pictures lie loose, and how many in each outermost folder.

    Names tell what is a picture; where none looks like one, every file counts.
    """
    places = list(places)
    pictures = [place for place in places if is_picture(place.file)]
    counts = Counter(place.folders[0] if place.folders else "" for place in pictures or places)
    return counts.pop("", 0), counts


def is_picture(file: File) -> bool:
    """Return whether a file is called as pictures are."""
    return file.path.lower().endswith(IMAGE_SUFFIXES)


def lone_folder(places: list[Place]) -> str | None:
    """Return the outermost folder that holds all pictures, if there is one."""
    loose, folders = census(places)
    return next(iter(folders)) if len(folders) == 1 and not loose else None


def accompanying(folders: Counter[str]) -> bool:
    """Return whether these are images/ and masks/, or images/ and labels/."""
    others = [name for name in folders if not is_annotation(name)]
    return len(others) == 1 < len(folders) and is_plain(others[0])


def stems(places: list[Place]) -> dict[str, list[str]]:
    """Return by outermost folder the names of the pictures inside without their endings."""
    found: dict[str, list[str]] = defaultdict(list)
    for place in places:
        if place.folders and is_picture(place.file):
            found[place.folders[0]].append(PurePosixPath(place.file.path).stem)
    return found


def listed(names: Iterable[str]) -> str:
    """Return names with commas, the first few of many."""
    names = sorted(names)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def enclosing_folders(files: list[File]) -> Iterator[str]:
    """Yield "", then each folder that only encloses the next: "photos/", "photos/photos/".

    The pictures begin within the last of them.
    """
    prefix = ""
    while True:
        yield prefix
        inside, _ = within(files, prefix)
        only = lone_folder([Place(f, f.path[len(prefix) :].split("/")[:-1]) for f in inside])
        if only is None:
            return
        prefix += only + "/"


def within(files: list[File], prefix: str) -> tuple[list[File], list[Skip]]:
    """Return the files whose paths begin with `prefix`, and the others as skipped."""
    inside, outside = [], []
    for file in files:
        if file.path.startswith(prefix):
            inside.append(file)
        else:
            outside.append(Skip(file.path, "outside the picture folders"))
    return inside, outside
