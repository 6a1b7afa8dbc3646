"""Parquet files of pictures as Hugging Face writes them: the columns and the bytes of a picture.

pyarrow is an extra, imported only where there are such files.
"""

import json
import os
from dataclasses import dataclass
from typing import Any, NamedTuple

from latent_diffusion.data.decode import Unreadable
from latent_diffusion.data.labels import are_classes, label_column, plain
from latent_diffusion.data.tables import Cell, cell
from latent_diffusion.data.tree import HEAD_BYTES, MAX_FILE_BYTES, Check, too_large

MAX_ROWS = 20_000_000
MAX_COLUMNS = 1000  # beside the pictures
NAMED = 8  # columns in a message


class RowKey(NamedTuple):
    """What finds one picture."""

    file: str
    column: str
    group: int  # of rows
    row: int  # in its group


@dataclass
class ParquetRows:
    """The pictures of parquet files in a folder, read by their `RowKey`.

    The rows of the last group are held, in each process those of its own.
    """

    root: str

    def __post_init__(self) -> None:
        self.held: tuple[Any, Any] | None = None  # file and group, and the column of pictures

    def __getstate__(self) -> dict[str, Any]:
        return {"root": self.root, "held": None}

    def read(self, key: RowKey, limit: int = MAX_FILE_BYTES, check: Check | None = None) -> bytes:
        """Return all bytes of a picture; raise Unreadable where the file does not hold them."""
        place = (key.file, key.column, key.group)
        if self.held is None or self.held[0] != place:
            self.held = None  # two groups need not fit into memory
            self.held = place, self._group(key)
        value = self.held[1][key.row].as_py()
        data = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(data, bytes):
            raise Unreadable("its pixels are not in the parquet file")
        if len(data) > limit:
            raise too_large(limit)
        if check is not None:
            check(data[:HEAD_BYTES])
        return data

    def _group(self, key: RowKey) -> Any:
        pyarrow, parquet = import_pyarrow()
        try:
            with parquet.ParquetFile(os.path.join(self.root, key.file), memory_map=True) as file:
                return file.read_row_group(key.group, columns=[key.column]).column(0)
        except (OSError, pyarrow.ArrowException):
            raise Unreadable("damaged") from None


@dataclass
class Contents:
    """What a parquet file holds."""

    pictures: str  # name of the column
    groups: list[int]  # rows of each
    labels: list[Cell] | None  # None where there are none
    column: str  # of the labels
    unused: list[str]  # other columns that may be labels


def contents(root: str, path: str, wanted: str | None) -> Contents:
    """Return what the parquet file `path` in `root` holds, with labels from the column `wanted`.

    Without one they come from the column that is called so. Raises ValueError where pyarrow is
    missing, for damage, and for files without pictures or the column.
    """
    pyarrow, parquet = import_pyarrow(path)
    try:
        with parquet.ParquetFile(os.path.join(root, path)) as file:
            schema = file.schema_arrow
            pictures = picture_column(pyarrow, schema, path)
            if file.metadata.num_rows > MAX_ROWS:
                raise ValueError(f"{path} says that it holds {file.metadata.num_rows:,} rows")
            others = [field.name for field in schema if is_plain(pyarrow.types, field.type)]
            table = file.read(columns=others[:MAX_COLUMNS])
            groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    except (OSError, pyarrow.ArrowException) as error:
        raise ValueError(f"{path} cannot be read as a parquet file: {error}") from None
    names = class_names(schema.metadata or {})
    columns = {
        name: [named(value, names.get(name)) for value in table.column(name).to_pylist()]
        for name in table.column_names
    }
    chosen = choose(columns, names, wanted)
    if chosen is None and wanted is not None:
        raise ValueError(
            f"--labels column={wanted}: {path} has the columns {', '.join(list(columns)[:NAMED])}"
        )
    column, labels = chosen or ("", None)
    unused = [
        name
        for name, values in columns.items()
        if name != column and (name in names or (chosen is None and are_classes(values, 2)))
    ]
    return Contents(pictures, groups, labels, column, unused)


def choose(
    columns: dict[str, list[Cell]], names: dict[str, list[str]], wanted: str | None
) -> tuple[str, list[Cell]] | None:
    """Return the column of labels: the one wanted, called so, or the only one with class names."""
    found = label_column(columns, wanted)
    if found is None and wanted is None and len(names) == 1:
        (name,) = names
        return (name, columns[name]) if name in columns else None
    return found


def is_plain(types: Any, kind: Any) -> bool:
    """Return whether a column of this type may be labels: neither nested nor bytes."""
    is_bytes = types.is_binary(kind) or types.is_large_binary(kind)
    return not (is_bytes or types.is_nested(kind))


def picture_column(pyarrow: Any, schema: Any, path: str) -> str:
    """Return the column of pictures: one of encoded files, called image where there are several."""
    types = pyarrow.types
    could = []
    for field in schema:
        is_file = types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0
        if is_file or types.is_binary(field.type) or types.is_large_binary(field.type):
            could.append(field.name)
    called = [name for name in could if plain(name) in ("image", "img", "picture", "photo")]
    if not could:
        raise ValueError(
            f"{path} has no column of pictures (columns {', '.join(schema.names[:NAMED])})"
        )
    return (called or could)[0]


def class_names(metadata: dict[bytes, bytes]) -> dict[str, list[str]]:
    """Return by column the names of classes that Hugging Face's `datasets` wrote into a file."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {
            name: list(map(str, feature["names"]))
            for name, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def named(value: Any, names: list[str] | None) -> Cell:
    """Return a label as text, by the names of its column; None for none, which may be -1."""
    if names is None:
        return cell(value)
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else None


def import_pyarrow(path: str = "") -> tuple[Any, Any]:
    """Return pyarrow and its parquet module; raise ValueError that says how to install them."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise ValueError(f"{path} can be read with pyarrow alone: pip install pyarrow") from None
    return pyarrow, parquet
