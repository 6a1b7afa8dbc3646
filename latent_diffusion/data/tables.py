"""Lists of files and labels, as they lie beside pictures, read into columns of text.

CSV and its kin, JSON lines, JSON as EDM and StyleGAN write it (dataset.json) and as most others do.
"""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".txt", ".lst")
FILE, LABEL = "file", "label"  # names of columns that have none in their file
DELIMITERS = ",\t;|"
MAX_CELLS = 50_000_000  # of a table, with those that its lines do not have

Cell = str | None  # None where there is nothing, or no plain value
IsName = Callable[[str], bool]  # whether a text names a file


@dataclass(frozen=True)
class Table:
    """Columns of equal length by name."""

    path: str  # of the file it was read from
    columns: dict[str, list[Cell]]

    @property
    def folder(self) -> str:
        """The folder that it lies in, "" or with "/" at its end."""
        return self.path[: self.path.rfind("/") + 1]

    @property
    def name(self) -> str:
        """Its name in that folder, in lower case."""
        return self.path[len(self.folder) :].lower()

    @property
    def is_metadata(self) -> bool:
        """Whether its name says that it is the labels of the pictures: EDM's or Hugging Face's."""
        return self.name == "dataset.json" or self.name.startswith("metadata.")


def read_table(path: str, data: bytes, is_name: IsName) -> Table | None:
    """Return the table in a file, None where it is none.

    `is_name` tells a first line of names from one of headings.
    """
    text = data.decode("utf-8-sig", "replace")
    suffix = path[path.rfind(".") :].lower()
    try:
        if suffix in (".jsonl", ".ndjson"):
            columns = of_records([json.loads(line) for line in text.splitlines() if line.strip()])
        elif suffix == ".json":
            columns = of_json(json.loads(text))
        else:
            columns = of_rows(split_rows(text, spaces=suffix in (".txt", ".lst")), is_name)
    except (ValueError, RecursionError, csv.Error):
        return None
    return Table(path, columns) if len(columns) > 1 and all(columns.values()) else None


def of_json(content: Any) -> dict[str, list[Cell]]:
    """Return the columns of a list of records or pairs, or of a mapping from file to label.

    EDM and StyleGAN write {"labels": [[file, label], ...]}, where a label may be a one-hot list.
    """
    if isinstance(content, dict) and len(content) <= 2 and "labels" in content:
        content = content["labels"]
    if isinstance(content, dict):
        content = list(content.items())
    if not isinstance(content, list) or not content:
        return {}
    if all(isinstance(entry, dict) for entry in content):
        return of_records(content)
    if all(isinstance(entry, list | tuple) and len(entry) == 2 for entry in content):
        return {FILE: [cell(e[0]) for e in content], LABEL: [cell(e[1]) for e in content]}
    return {}


def of_records(records: list[Any]) -> dict[str, list[Cell]]:
    """Return the columns of JSON objects, those of all of them."""
    if not all(isinstance(record, dict) for record in records):
        return {}
    names = dict.fromkeys(name for record in records for name in record)
    if len(names) * len(records) > MAX_CELLS:
        return {}
    return {name: [cell(record.get(name)) for record in records] for name in names}


def split_rows(text: str, spaces: bool) -> list[list[str]]:
    """Return the cells of each line.

    spaces: whether the last blank of a line divides name and label where nothing else does.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return []
    delimiter = max(DELIMITERS, key=lines[0].count)
    if lines[0].count(delimiter):
        return [row for row in csv.reader(lines, delimiter=delimiter) if row]
    return [line.rsplit(None, 1) for line in lines] if spaces else []


def of_rows(rows: list[list[str]], is_name: IsName) -> dict[str, list[Cell]]:
    """Return the columns of lines; where no headings stand above them they are called 1, 2, ..."""
    if not rows:
        return {}
    width = len(rows[0])
    if width * len(rows) > MAX_CELLS:
        return {}
    if any(is_name(text.strip()) for text in rows[0]):
        names = [str(number) for number in range(1, width + 1)]
    else:
        names = [text.strip() or str(number) for number, text in enumerate(rows.pop(0), 1)]
    full = [row + [""] * (width - len(row)) for row in rows]
    return {name: [cell(row[at]) for row in full] for at, name in enumerate(names)}


def cell(value: Any) -> Cell:
    """Return a plain value as text, a one-hot list as its position; None for all else."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(value)
    if isinstance(value, list) and len(value) > 1:
        ones = [at for at, entry in enumerate(value) if entry == 1]
        zeros = sum(entry == 0 for entry in value)
        return str(ones[0]) if len(ones) == 1 and zeros == len(value) - 1 else None
    return None
