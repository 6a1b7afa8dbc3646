"""Folders and archives of picture files, whatever names their classes and their split.

Nothing is decoded here. `layout` says what the folders mean, `labelled` what lists of labels do;
this file decides between them. A picture never gets a label that the source does not say.
"""

import re
from collections import Counter
from pathlib import PurePosixPath

from latent_diffusion.data.folder_names import is_plain
from latent_diffusion.data.labels import Labels, padded
from latent_diffusion.data.sources.labelled import find_labels
from latent_diffusion.data.sources.layout import (
    Layout,
    Place,
    arrange,
    deciding,
    is_picture,
    listed,
)
from latent_diffusion.data.sources.source import (
    AUTO,
    Asked,
    FileLoader,
    Found,
    Item,
    Source,
    class_of,
)
from latent_diffusion.data.split import TRAIN, UNDECIDED
from latent_diffusion.data.tree import Skip

FOLDERS, FILE_NAME, NONE, COLUMN = "folders", "file-name", "none", "column"
NUMBERED = re.compile(r"(.*?)[-_ .(]*\d+\)?")
SHARE_NUMBERED = 0.9  # of the file names, for the number at their end to be what tells them apart
MIN_REPEATED = 5  # pictures whose names begin alike, on average, to be spoken of


class Pictures(Source):
    """Class folders, flat folders, splits around or inside of them, lists of labels beside them."""

    accepts = "a folder or .zip of pictures (class folders, with or without train/ and test/)"
    labels = (FOLDERS, FILE_NAME, NONE, COLUMN)

    def find(self, asked: Asked) -> Found | None:
        if not asked.holds_pictures:
            return None
        layout = arrange(asked.listing.files, asked.name, blocks=asked.labels != FOLDERS)
        items, skipped = labelled_items(asked, layout)
        flip = not are_characters({item.class_name for item in items})
        if not flip:
            layout.notes.append(
                "flips are off, for the classes are digits or letters (--flip where a mirrored "
                "picture is still right)"
            )
        return Found(
            kind=kind_of(layout),
            items=sorted(items),
            loader=FileLoader(asked.tree),
            skipped=sorted(asked.listing.skipped + layout.skipped + skipped),
            flip=flip,
            notes=layout.notes,
        )


def labelled_items(asked: Asked, layout: Layout) -> tuple[list[Item], list[Skip]]:
    """Return the pictures with labels from where --labels says, and what has none.

    How they were labelled is added to the notes of the layout. Raises ValueError where there are no
    such labels.
    """
    how, _, column = asked.labels.partition("=")
    if how == NONE:
        return [item_of(place, layout.name, place.split) for place in layout.places], []
    if how == FILE_NAME:
        return by_file_name(asked, layout)
    if how == FOLDERS:
        if not layout.has_classes:
            raise ValueError(f"--labels {FOLDERS}: {asked.text} has no class folders")
        return by_folder(layout)
    labels, notes = find_labels(asked, layout, column or None)
    if how == COLUMN and labels is None:
        reasons = f": {notes[0]}" if notes else ""
        raise ValueError(f"--labels {asked.labels}: no list of labels has that column{reasons}")
    if labels is not None and how == AUTO and speaks_of_others(labels, layout):
        return by_both(labels, layout, notes)
    if labels is None or (how == AUTO and folders_say_more(labels, layout)):
        layout.notes += notes if labels is None else [*notes, unused(labels, layout)]
        layout.notes = [note for note in layout.notes if note]
        if not layout.has_classes and (hint := file_name_hint(layout)):
            layout.notes.append(hint)
        return by_folder(layout)
    return by_list(labels, layout, notes)


def item_of(place: Place, class_name: str, split: int) -> Item:
    """Return a picture with its class."""
    return Item(place.file.path, place.file.key, class_of(class_name), split)


def by_folder(layout: Layout) -> tuple[list[Item], list[Skip]]:
    """Return the pictures by the classes of their folders, or all of one, and what has none."""
    items, skipped = [], []
    for place in layout.places:
        path = place.file.path
        if not layout.has_classes and place.folders:
            skipped.append(Skip(path, "in a folder beside many loose pictures"))
        elif layout.has_classes and not place.folders:
            held_out = place.split not in (UNDECIDED, TRAIN) and is_picture(place.file)
            reason = "held out by the source, but without a class" if held_out else None
            skipped.append(Skip(path, reason or "outside the class folders"))
        else:
            name = place.folders[0] if layout.has_classes else layout.name
            items.append(item_of(place, name, place.split))
    return items, skipped


def by_list(labels: Labels, layout: Layout, notes: list[str]) -> tuple[list[Item], list[Skip]]:
    """Return the pictures by a list of labels, and what it does not name."""
    names = padded(labels.classes)
    items, skipped = [], []
    for place in layout.places:
        path = place.file.path
        if path in names:
            split = place.split
            if split == UNDECIDED:
                split = labels.splits.get(path, UNDECIDED)
            items.append(item_of(place, names[path], split))
        elif path not in labels.tables:
            skipped.append(Skip(path, f"without a label in {listed(labels.tables)}"))
    layout.skipped = [skip for skip in layout.skipped if skip.path not in labels.tables]
    said = f"labels are from {listed(labels.tables)} (column {labels.column})"
    if layout.has_classes:
        said += f", not from the folders (--labels {FOLDERS} takes those)"
    layout.notes = [said, *notes]
    return items, skipped


def speaks_of_others(labels: Labels, layout: Layout) -> bool:
    """Return whether folders name classes, and a list labels only pictures that are in none."""
    return layout.has_classes and not any(
        place.folders and place.file.path in labels.classes for place in layout.places
    )


def by_both(labels: Labels, layout: Layout, notes: list[str]) -> tuple[list[Item], list[Skip]]:
    """Return the pictures by the classes of their folders, those in none by a list of labels."""
    names = padded(labels.classes)
    folders = {place.folders[0] for place in layout.places if place.folders}
    if all(map(str.isdecimal, [*folders, *names.values()])):  # the folder 00014 is class 14
        as_folder = {int(folder): folder for folder in folders}
        names = {path: as_folder.get(int(name), name) for path, name in names.items()}
    for place in layout.places:
        if place.file.path in names:
            place.folders = [names[place.file.path]]
    layout.places = [place for place in layout.places if place.file.path not in labels.tables]
    layout.skipped = [skip for skip in layout.skipped if skip.path not in labels.tables]
    layout.notes += [f"labels of what lies in no class folder are from {listed(labels.tables)}"]
    layout.notes += notes
    return by_folder(layout)


def folders_say_more(labels: Labels, layout: Layout) -> bool:
    """Return whether folders name classes, and a list only these again, or a single one."""
    if not layout.has_classes:
        return False
    pairs = {
        (place.folders[0], labels.classes[place.file.path])
        for place in layout.places
        if place.folders and place.file.path in labels.classes
    }
    folders, listed_classes = ({pair[side] for pair in pairs} for side in (0, 1))
    if len(folders) < 2:
        return False
    return len(listed_classes) == 1 or len(pairs) == len(folders) == len(listed_classes)


def unused(labels: Labels, layout: Layout) -> str:
    """Return that a list of labels was not used; "" where it says what the folders do."""
    if all(
        place.folders[:1] == [labels.classes[place.file.path]]
        for place in layout.places
        if place.file.path in labels.classes
    ):
        return ""
    return (
        f"labels are from the folders; {listed(labels.tables)} has others that were not used "
        f"(--labels column={labels.column} takes them)"
    )


def by_file_name(asked: Asked, layout: Layout) -> tuple[list[Item], list[Skip]]:
    """Return the pictures by what their names begin with, and those of which it is no class.

    Raises ValueError where all names begin alike.
    """
    places = [place for place in layout.places if is_picture(place.file)]
    classes, rule = name_classes(places)
    if len(set(classes.values())) < 2:
        raise ValueError(
            f"--labels {FILE_NAME}: the file names in {asked.text} do not begin with the names of "
            "classes, as in cat_001.png and dog_001.png"
        )
    layout.notes = [f"labels are from the file names: {rule}"]
    items, skipped = [], []
    for place in layout.places:
        if (name := classes.get(place.file.path)) is not None:
            items.append(item_of(place, name, place.split))
        else:
            skipped.append(Skip(place.file.path, "no class in its name"))
    return items, skipped


def name_classes(places: list[Place]) -> tuple[dict[str, str], str]:
    """Return by path what file names say before their number, or else before their first mark."""
    stems = {place.file.path: PurePosixPath(place.file.path).stem for place in places}
    numbered = {path: m[1] for path, stem in stems.items() if (m := NUMBERED.fullmatch(stem))}
    if len(numbered) >= SHARE_NUMBERED * len(stems):
        return {path: name for path, name in numbered.items() if name}, "all before the number"
    parts = {path: re.split(r"[-_ .]", stem, maxsplit=1) for path, stem in stems.items()}
    first = {path: part[0] for path, part in parts.items() if len(part) > 1 and part[0]}
    return first, "all before the first of - _ . and blank"


def file_name_hint(layout: Layout) -> str | None:
    """Return that file names may name classes, where they begin with a few words that repeat."""
    places = [place for place in deciding(layout) if is_picture(place.file)]
    classes, _ = name_classes(places)
    counts = Counter(classes.values())
    several = 2 <= len(counts) <= len(places) / MIN_REPEATED
    if not several or len(classes) < SHARE_NUMBERED * len(places) or any(map(is_plain, counts)):
        return None
    return f"file names begin with {listed(counts)}: --labels {FILE_NAME} makes classes of these"


def are_characters(names: set[str]) -> bool:
    """Return whether classes are digits or letters, which no mirror leaves what they are."""
    return len(names) >= MIN_REPEATED and all(len(name) == 1 and name.isalnum() for name in names)


def kind_of(layout: Layout) -> str:
    """Return what the layout is, for people."""
    if layout.has_splits:
        what = "class folders" if layout.has_classes else "pictures"
        return f"{what} in train and test"
    return "class folders" if layout.has_classes else "a folder of pictures"
