"""Which files of a tree are pictures of which class, and of which split: class folders, a flat folder, synth-cute.

Pure decisions on paths (for synth-cute also on the JSON beside each picture); nothing is decoded here. File names only
help to recognise the layout: whatever lies where pictures belong is tried, and its content decides.
"""

import json
import re
import unicodedata
from collections import Counter
from typing import Any, NamedTuple

from latent_diffusion.data.decode import Unreadable
from latent_diffusion.data.tree import File, Skip, Tree

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif")
TRAIN, TEST, UNDECIDED = 0, 1, -1
TRAIN_NAMES = {"train", "training"}
# Everything that an author held out of training stays out of training.
TEST_NAMES = {"test", "testing", "val", "valid", "validation"}
SYNTH_CUTE = re.compile(r"([0-9a-f]{2})/(\1[0-9a-f]{62})\.(png|json)")
CLASS_WORD = re.compile(r"\bcartoon\s+(\w+)", re.IGNORECASE)
MAX_JSON_BYTES = 2**20


class Item(NamedTuple):
    path: str
    place: Any
    class_name: str
    split: int  # TRAIN, TEST, or UNDECIDED where the source has no split of its own


class Layout(NamedTuple):
    kind: str
    items: list[Item]  # sorted by path
    skipped: list[Skip]


def recognise(tree: Tree, files: list[File], name: str) -> Layout:
    """The layout of `files` (sorted by path); `name` is the class of a flat tree that no folder names.

    Single enclosing folders are stepped into: `photos/photos/cat/1.png` is the class cat.
    """
    prefix = ""
    while True:
        inside = [file for file in files if file.path.startswith(prefix)]
        outside = [
            Skip(file.path, "outside the picture folders")
            for file in files
            if not file.path.startswith(prefix)
        ]
        loose, folders = census(inside, prefix)
        if any(
            SYNTH_CUTE.fullmatch(file.path, len(prefix)) and file.path.endswith(".json")
            for file in inside
        ):
            kind, items, skipped = synth_cute(tree, inside, prefix)
        elif is_split(folders):
            kind, items, skipped = split_folders(inside, prefix, name)
        elif len(folders) == 1 and not loose:
            name = next(iter(folders))
            prefix += name + "/"
            continue
        elif folders and loose <= folders.total():
            kind, items, skipped = class_folders(inside, prefix)
        else:
            kind, items, skipped = flat(inside, prefix, name)
        return Layout(kind, sorted(items), sorted(outside + skipped))


def census(files: list[File], prefix: str) -> tuple[int, Counter]:
    """How many pictures, going by their names, lie loose after `prefix`, and how many in each folder there.

    Where no name looks like a picture's, every file counts as one.
    """
    counts = Counter()
    for only_images in (True, False):
        for file in files:
            if not only_images or file.path.lower().endswith(IMAGE_SUFFIXES):
                folder, slash, _ = file.path[len(prefix) :].partition("/")
                counts[folder if slash else ""] += 1
        if counts:
            break
    return counts.pop("", 0), counts


def is_split(folders: Counter) -> bool:
    """True for train/ with test/ or val/ beside it (a lone folder "train" may be a class, of vehicles)."""
    names = {folder.lower() for folder in folders}
    return bool(names & TRAIN_NAMES and names & TEST_NAMES)


def flat(files: list[File], prefix: str, name: str) -> Layout:
    items, skipped = [], []
    for file in files:
        if "/" in file.path[len(prefix) :]:
            skipped.append(Skip(file.path, "in a folder beside many loose pictures"))
        else:
            items.append(Item(file.path, file.place, class_of(name), UNDECIDED))
    return Layout("a folder of pictures", items, skipped)


def class_folders(files: list[File], prefix: str, split: int = UNDECIDED) -> Layout:
    items, skipped = [], []
    for file in files:
        folder, slash, _ = file.path[len(prefix) :].partition("/")
        if slash:
            items.append(Item(file.path, file.place, class_of(folder), split))
        else:
            skipped.append(Skip(file.path, "outside the class folders"))
    return Layout("class folders", items, skipped)


def split_folders(files: list[File], prefix: str, name: str) -> Layout:
    """train/ and test/ (val/ counts as test/), each holding class folders, or pictures of the one class `name`."""
    parts: dict[str, list[File]] = {}
    for file in files:
        folder, slash, _ = file.path[len(prefix) :].partition("/")
        parts.setdefault(folder if slash else "", []).append(file)
    in_train = [
        file for folder, part in parts.items() if folder.lower() in TRAIN_NAMES for file in part
    ]
    in_classes = sum("/" in file.path[len(prefix) :].split("/", 1)[1] for file in in_train)
    classes = 2 * in_classes > len(in_train)
    items, skipped = [], []
    for folder, part in parts.items():
        inner = f"{prefix}{folder}/"
        if folder.lower() not in TRAIN_NAMES | TEST_NAMES:
            skipped += [Skip(file.path, "outside train and test") for file in part]
            continue
        split = TRAIN if folder.lower() in TRAIN_NAMES else TEST
        found = class_folders(part, inner, split) if classes else flat(part, inner, name)
        items += [item._replace(split=split) for item in found.items]
        skipped += found.skipped
    kind = "class folders in train and test" if classes else "pictures in train and test"
    return Layout(kind, items, skipped)


def synth_cute(tree: Tree, files: list[File], prefix: str) -> Layout:
    """`ab/<64 hex>.png` beside `ab/<64 hex>.json`; the class is the word after "cartoon" in the JSON's "inputs"."""
    pictures, prompts, skipped = {}, {}, []
    for file in files:
        match = SYNTH_CUTE.fullmatch(file.path, len(prefix))
        if match is None:
            skipped.append(Skip(file.path, "not part of the synth-cute layout"))
        else:
            (pictures if match[3] == "png" else prompts)[match[2]] = file
    items = []
    for stem, file in pictures.items():
        if stem not in prompts:
            skipped.append(Skip(file.path, "no JSON beside it"))
            continue
        try:
            items.append(Item(file.path, file.place, prompt_class(tree, prompts[stem]), UNDECIDED))
        except Unreadable as error:
            skipped.append(Skip(file.path, str(error)))
    skipped += [
        Skip(file.path, "JSON without a picture")
        for stem, file in prompts.items()
        if stem not in pictures
    ]
    return Layout("synth-cute", items, skipped)


def prompt_class(tree: Tree, file: File) -> str:
    """The class word of one synth-cute JSON. Raises Unreadable."""
    try:
        record = json.loads(tree.read(file.place, limit=MAX_JSON_BYTES))
    except (Unreadable, ValueError, RecursionError):
        raise Unreadable("broken JSON beside it") from None
    inputs = record.get("inputs") if isinstance(record, dict) else None
    match = CLASS_WORD.search(inputs) if isinstance(inputs, str) else None
    if match is None:
        raise Unreadable("no class in the JSON beside it")
    return class_of(match[1].lower())


def class_of(name: str) -> str:
    """A class name that is the same on every file system (macOS stores accents decomposed) and valid Unicode."""
    return unicodedata.normalize("NFC", name.encode("utf-8", "backslashreplace").decode())
