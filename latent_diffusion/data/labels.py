"""Which classes a table beside pictures gives them: its column of files, of labels, of splits.

A label is only taken where the table says one: a column that is called so, or the only one beside
the files. Whatever else could be labels is named, so that people can ask for it.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from latent_diffusion.data.decode import IMAGE_SUFFIXES
from latent_diffusion.data.folder_names import split_of
from latent_diffusion.data.split import TRAIN, UNDECIDED
from latent_diffusion.data.tables import Cell, Table

# What columns of labels are called, the clearest first: names before numbers.
LABEL_NAMES = (
    "label_name class_name category_name classname labelname label labels class classes category "
    "target tag y class_label label_id class_id category_id label_idx class_idx target_id"
).split()
SPLIT_NAMES = {"split", "subset", "partition", "set", "usage", "phase", "dataset", "data_set"}
# Columns that are no classes even where they repeat.
OTHER_NAMES = set(
    "text caption prompt description url width height size channels date time author user license "
    "md5 sha256 hash x y1 y2 x1 x2 xmin ymin xmax ymax".split()
)
MIN_SHARE = 0.5  # of the pictures in the folders that a table speaks of, and of its lines
TRIED = 200  # lines of a column, to see whether it names pictures
NAMED = 6  # columns in a message


@dataclass
class Labels:
    """What one table says of pictures, or several together, by their paths."""

    tables: list[str]  # paths of their files
    column: str
    classes: dict[str, str]
    splits: dict[str, int] = field(default_factory=dict)  # where the table says them


class Pictures:
    """The pictures that tables may speak of, found by whatever they are called in them."""

    def __init__(self, splits: Mapping[str, int]):
        self.splits = splits  # path: what its folder says
        self.by_name: dict[str, list[str]] = defaultdict(list)
        self.by_stem: dict[str, list[str]] = defaultdict(list)
        for path in splits:
            name = path.rpartition("/")[2]
            self.by_name[name].append(path)
            self.by_stem[stem_of(name)].append(path)
        self.in_folder = Counter(path.rpartition("/")[0] for path in splits)

    def is_name(self, text: str) -> bool:
        """Return whether a text is the name of a picture, with its ending."""
        return text.replace("\\", "/").rpartition("/")[2] in self.by_name

    def find(self, text: str, folder: str = "", split: int = UNDECIDED) -> str | None:
        """Return the path of the picture that a table in `folder` calls so; None for no one.

        `split` is that of the table, where its name says one.
        """
        parts = [part for part in text.replace("\\", "/").split("/") if part not in ("", ".")]
        if not parts or ".." in parts:
            return None
        for path in (folder + "/".join(parts), "/".join(parts)):
            if path in self.splits:
                return path
        found = self.by_name.get(parts[-1]) or self.by_stem.get(stem_of(parts[-1]), [])
        found = longest_match(found, parts[:-1])
        named = split_of(parts[-2]) if len(parts) > 1 else None
        if named is not None:  # "test/7.png" is not the 7.png of train/
            found = [path for path in found if self.splits[path] in (named.split, UNDECIDED)]
        elif split not in (UNDECIDED, TRAIN):  # nor is the 7 of test.csv
            found = [path for path in found if self.splits[path] != TRAIN]
        if len(found) > 1:
            found = [p for p in found if self.splits[p] == split] or found
        if len(found) > 1:
            found = [path for path in found if path.startswith(folder)]
        return found[0] if len(found) == 1 else None

    def share(self, paths: Iterable[str]) -> float:
        """Return which share of the pictures in the folders of these `paths` they are."""
        counts = Counter(path.rpartition("/")[0] for path in paths)
        return counts.total() / max(1, sum(self.in_folder[folder] for folder in counts))


def stem_of(name: str) -> str:
    """Return a file name without the ending of a picture."""
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and f".{suffix.lower()}" in IMAGE_SUFFIXES else name


def longest_match(paths: list[str], folders: list[str]) -> list[str]:
    """Return those paths that lie in most of these innermost folders."""
    for start in range(len(folders)):
        suffix = "/".join(folders[start:])
        found = [p for p in paths if f"/{p.rpartition('/')[0]}".endswith(f"/{suffix}")]
        if found:
            return found
    return paths


def labels_in(table: Table, pictures: Pictures, wanted: str | None = None) -> Labels | str | None:
    """Return the labels that a table gives to pictures.

    A text where it speaks of pictures but its labels are not taken: why. None where it speaks of
    none. wanted: the column that labels are wanted from.
    """
    said = split_of(stem_of(table.name).partition(".")[0])
    found = file_column(table, pictures, UNDECIDED if said is None else said.split)
    if found is None:
        return None
    file, paths = found
    there = [path for path in paths if path is not None]
    if pictures.share(set(there)) < MIN_SHARE:
        return f"{table.path} names only {len(set(there)):,} of the pictures beside it"
    splits = split_column(table, file)
    others = {
        name: [value if path else None for value, path in zip(values, paths, strict=True)]
        for name, values in table.columns.items()
        if name not in (file, splits)
    }
    column = label_column(others, wanted)
    if column is None:
        return why_none(table, others)
    name, values = column
    labels = Labels([table.path], name, {})
    for path, value in zip(paths, values, strict=True):
        if path is not None and value is not None:
            labels.classes[path] = value
    if splits is not None:
        for path, value in zip(paths, table.columns[splits], strict=True):
            if path is not None and (split := split_of(value or "")):
                labels.splits[path] = split.split
    elif said is not None:
        labels.splits = dict.fromkeys(labels.classes, said.split)
    return labels


def file_column(
    table: Table, pictures: Pictures, split: int
) -> tuple[str, list[str | None]] | None:
    """Return the column that names most pictures, and their paths, None where there is none."""
    best: tuple[str, list[str | None]] | None = None
    most = 0
    for name, values in table.columns.items():
        few = values[:: max(1, len(values) // TRIED)]
        if not any(value and pictures.find(value, table.folder, split) for value in few):
            continue
        paths = [pictures.find(value, table.folder, split) if value else None for value in values]
        different = len(set(paths) - {None})
        if different > most:
            best, most = (name, paths), different
    return best


def split_column(table: Table, file: str) -> str | None:
    """Return the column that says of each line whether it trains or tests, if there is one."""
    for name, values in table.columns.items():
        if plain(name) in SPLIT_NAMES and name != file:
            said = [split_of(value) for value in values if value]
            if said and all(said):
                return name
    return None


def label_column(
    columns: dict[str, list[Cell]], wanted: str | None
) -> tuple[str, list[Cell]] | None:
    """Return the column of the labels, or several of 0 and 1 as one of their names."""
    if wanted is not None:
        same = [name for name in columns if plain(name) == plain(wanted)]
        return (same[0], columns[same[0]]) if same else None
    usual = {plain(name): name for name, values in columns.items() if are_classes(values, 1)}
    for name in LABEL_NAMES:
        if name in usual:
            return usual[name], columns[usual[name]]
    one_hot = of_one_hot(columns)
    if one_hot is not None:
        return ", ".join(list(columns)[:NAMED]), one_hot
    if len(columns) == 1:
        ((name, values),) = columns.items()
        if are_classes(values, 2) and plain(name) not in OTHER_NAMES:
            return name, values
    return None


def are_classes(values: list[Cell], least: int) -> bool:
    """Return whether values repeat as classes do: at least so many, each seen twice on average."""
    there = [value for value in values if value is not None]
    different = set(there)
    if any(re.fullmatch(r"-?\d*\.\d*[1-9]\d*", value) for value in different):
        return False  # measurements
    return least <= len(different) <= len(there) / 2


def of_one_hot(columns: dict[str, list[Cell]]) -> list[Cell] | None:
    """Return the name of the one column that is 1 in each line; None where it is not so."""
    numbers = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}
    names = list(columns)
    found: list[Cell] = []
    for line in zip(*columns.values(), strict=True):
        if all(value is None for value in line):
            found.append(None)
            continue
        bits = [numbers.get((value or "").lower()) for value in line]
        if None in bits or bits.count(1) != 1:
            return None
        found.append(names[bits.index(1)])
    return found if len(names) > 1 and any(found) else None


def why_none(table: Table, columns: dict[str, list[Cell]]) -> str:
    """Return why no column was taken for labels, and which could be asked for."""
    could = [name for name, values in columns.items() if are_classes(values, 2)]
    if not could:
        return f"{table.path} holds no classes (columns {', '.join(list(table.columns)[:NAMED])})"
    more = ", ..." if len(could) > NAMED else ""
    return (
        f"{table.path} may hold classes, none of them called label: --labels column=NAME takes one "
        f"of {', '.join(could[:NAMED])}{more}"
    )


def plain(name: str) -> str:
    """Return the name of a column as LABEL_NAMES has it: "Class Name" is class_name."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()).strip("_")


def padded(classes: dict[str, str]) -> dict[str, str]:
    """Return class names by path, whole numbers padded so that they sort as numbers do."""
    values = set(classes.values())
    if not all(re.fullmatch(r"\d+(\.0)?", value) for value in values):
        return classes
    whole = {value: value.removesuffix(".0").lstrip("0") or "0" for value in values}
    width = max(map(len, whole.values()), default=0)
    return {path: whole[value].zfill(width) for path, value in classes.items()}
