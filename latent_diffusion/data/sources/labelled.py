"""Lists of labels that lie beside pictures: which are used, and what is said of the rest."""

from pathlib import PurePosixPath

from latent_diffusion.data.decode import Unreadable
from latent_diffusion.data.labels import Labels, Pictures, labels_in
from latent_diffusion.data.sources.layout import Layout, is_picture, listed
from latent_diffusion.data.sources.source import Asked
from latent_diffusion.data.tables import SUFFIXES, Table, read_table
from latent_diffusion.data.tree import File

MAX_TABLES = 100  # more are one a picture, and no lists
MAX_TABLE_BYTES = 128 * 2**20
MAX_NOTES = 3
# Beside the tables, what labels come in that is not read here.
TEXT_SUFFIXES = (".txt", ".lst")  # a licence or notes, unless it is a list
OTHER_SUFFIXES = (".xml", ".mat", ".parquet", ".arrow", ".h5", ".hdf5", ".pkl", ".npy", ".npz")


def find_labels(
    asked: Asked, layout: Layout, column: str | None = None
) -> tuple[Labels | None, list[str]]:
    """Return what the lists beside the pictures say, and what people should know of the others.

    column: the one that labels are wanted from; None for the one that is called so.
    """
    places = layout.places
    named = [place for place in places if is_picture(place.file)] or places
    pictures = Pictures({place.file.path: place.split for place in named})
    found: list[Labels] = []
    notes: list[str] = []
    lists, silent = tables(asked, pictures)
    for table in lists:
        said = labels_in(table, pictures, column)
        if isinstance(said, Labels):
            found.append(said)
        elif said is not None:
            notes.append(said)
        else:
            silent.append(table.path)
    notes = notes[:MAX_NOTES]
    silent += [f.path for f in asked.listing.files if f.path.lower().endswith(OTHER_SUFFIXES)]
    silent = [path for path in silent if not path.lower().endswith(TEXT_SUFFIXES)]
    if silent:
        notes.append(
            f"{len(silent):,} files that may hold labels were not used: {listed(silent)}"
            if len(silent) > 1
            else f"{silent[0]} may hold labels and was not used"
        )
    labels, beside = merged(found)
    return labels, beside + notes


def tables(asked: Asked, pictures: Pictures) -> tuple[list[Table], list[str]]:
    """Return the tables in the source: those called metadata first, then the outer ones.

    And the paths of the files that could have been tables and are none.
    """
    files = [file for file in asked.listing.files if is_list(file, pictures)]
    if len(files) > MAX_TABLES:
        files = sorted(files, key=lambda file: file.path.count("/"))[:MAX_TABLES]
    found, others = [], []
    for file in files:
        try:
            data = asked.tree.read(file.key, MAX_TABLE_BYTES)
        except Unreadable:
            table = None
        else:
            table = read_table(file.path, data, pictures.is_name)
        if table is None:
            others.append(file.path)
        else:
            found.append(table)
    return sorted(found, key=lambda t: (not t.is_metadata, t.path.count("/"), t.path)), others


def is_list(file: File, pictures: Pictures) -> bool:
    """Return whether a file may be a list of labels: not one beside each picture of its name."""
    path = PurePosixPath(file.path)
    return path.suffix.lower() in SUFFIXES and path.stem not in pictures.by_stem


def merged(found: list[Labels]) -> tuple[Labels | None, list[str]]:
    """Return lists of labels as one, and a note on those that label the same pictures otherwise.

    Lists go together where they speak of different pictures, as those of train/ and of test/ do.
    """
    if not found:
        return None, []
    first, *others = found
    notes = []
    for other in others:
        common = first.classes.keys() & other.classes.keys()
        if not common:
            first.tables += other.tables
            first.classes |= other.classes
            first.splits |= other.splits
        elif any(first.classes[path] != other.classes[path] for path in common):
            notes.append(f"{listed(other.tables)} labels the same pictures and was not used")
    return first, notes
