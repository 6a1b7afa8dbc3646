"""Folders of parquet files, as Hugging Face's data sets are downloaded."""

from latent_diffusion.data.folder_names import is_plain, split_of
from latent_diffusion.data.labels import padded
from latent_diffusion.data.parquet import ParquetRows, RowKey, contents
from latent_diffusion.data.sources.layout import is_picture, listed
from latent_diffusion.data.sources.source import Asked, FileLoader, Found, Item, Source, class_of
from latent_diffusion.data.split import UNDECIDED
from latent_diffusion.data.tree import File, Folder, Skip

SUFFIX = ".parquet"


class Parquet(Source):
    """Pictures and labels as columns; the split is in the names: train-00000-of-00002.parquet."""

    accepts = "parquet files of pictures"
    labels = ("column",)

    def find(self, asked: Asked) -> Found | None:
        files = [file for file in asked.listing.files if file.path.lower().endswith(SUFFIX)]
        if not files or not asked.holds_pictures or any(map(is_picture, asked.listing.files)):
            return None
        if not isinstance(asked.tree, Folder):
            raise ValueError(f"{asked.text} holds parquet files: unpack it first")
        sets = sorted({set_of(file) for file in files})
        if len(sets) > 1:
            raise ValueError(
                f"{asked.text} holds several data sets ({listed(sets)}): give the folder of one"
            )
        wanted = asked.labels.partition("=")[2] or None
        items, skipped, notes = rows(asked.tree.root, files, wanted, asked.name)
        skipped += asked.listing.skipped
        for file in asked.listing.files:
            if file not in files:
                skipped.append(Skip(file.path, "no parquet file"))
        loader = FileLoader(ParquetRows(asked.tree.root))
        return Found("parquet files", items, loader, sorted(skipped), notes=notes)


def rows(
    root: str, files: list[File], wanted: str | None, name: str
) -> tuple[list[Item], list[Skip], list[str]]:
    """Return the pictures of all files, what of them has no label, and how they were labelled.

    Where no file has labels, all are of the class `name`.
    """
    splits = {file.path: split_in(file) for file in files}
    if any(split != UNDECIDED for split in splits.values()):
        beside = [path for path, split in splits.items() if split == UNDECIDED]
    else:
        beside = []
    held = {f.path: contents(root, f.path, wanted) for f in files if f.path not in beside}
    labels = {
        f"{path} row {row}": label
        for path, file in held.items()
        for row, label in enumerate(file.labels or [])
        if label is not None
    }
    names = padded(labels)
    items, skipped = [], [Skip(path, "outside train and test") for path in beside]
    for path, file in held.items():
        row = 0
        for group, count in enumerate(file.groups):
            for place in range(count):
                at = f"{path} row {row}"
                row += 1
                if labels and at not in names:
                    skipped.append(Skip(at, "without a label"))
                    continue
                key = RowKey(path, file.pictures, group, place)
                items.append(Item(at, key, class_of(names.get(at, name)), splits[path]))
    column = next((file.column for file in held.values() if file.column), None)
    notes = [f"labels are from the column {column}" if column else "no column is called label"]
    unused = sorted({name for file in held.values() for name in file.unused})
    if unused:
        notes.append(f"other columns may be labels ({listed(unused)}): --labels column=NAME")
    return items, skipped, notes


def split_in(file: File) -> int:
    """Return the split in the name of a file or else of its folder."""
    for part in reversed(file.path.removesuffix(SUFFIX).split("/")[-2:]):
        if (said := split_of(part)) is not None:
            return said.split
    return UNDECIDED


def set_of(file: File) -> str:
    """Return the folders that divide data sets, without those of splits."""
    return "/".join(f for f in file.path.split("/")[:-1] if not is_plain(f) and f != "default")
