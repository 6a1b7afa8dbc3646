"""TOML and JSON from files that people or a power cut may have changed: any damage is one line.

Every room reads its settings, records and lists here.
"""

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MOST_NESTED = 32  # tables and lists in each other


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file; raise ValueError where it is missing or not valid."""
    try:
        return parse_toml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"there is no config at {path}") from None
    except ValueError as error:
        raise ValueError(f"{path} is not valid TOML: {error}") from None


def parse_toml(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text; raise ValueError where it is none, or nested too deeply."""
    try:
        tree = tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    inner: list[Any] = [tree]
    for _ in range(MOST_NESTED):
        inner = [value for one in inner for value in children(one)]
        if not inner:
            return tree
    raise ValueError("it is nested too deeply")


def children(value: Any) -> Iterable[Any]:
    """Return what a table or a list holds; nothing for plain values."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; raise ValueError where it holds anything else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
        error: Exception = ValueError("it holds no object")
    except (ValueError, RecursionError) as caught:
        error = caught
    raise ValueError(f"{path} is damaged ({error}): copy it again, or delete it")


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the records of a metrics.jsonl, which say their step; none where there is no file.

    A power cut may leave half a line, which is none.
    """
    found = []
    for line in path.read_text(errors="replace").splitlines() if path.is_file() else ():
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict) and isinstance(record.get("step"), int):
            found.append(record)
    return found
