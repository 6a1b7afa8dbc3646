"""Files of arrays, .npy and .npz, whose headers are believed only once the file has proved them.

NumPy takes memory for whatever a header says, and unpacks whatever a zip holds.
"""

import math
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np

# A packed array may be this much larger than its file, if it is larger than so many bytes at all.
MOST_RATIO, ALWAYS = 100, 2**28
READERS: dict[tuple[int, int], Callable] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_array(path: Path, mapped: bool = False) -> np.ndarray:
    """Return the array in an .npy file, read or memory-mapped.

    Raise ValueError, in one line, for a file that is damaged, cut short or holds objects.
    """
    with path.open("rb") as file:
        try:
            check_header(file, os.fstat(file.fileno()).st_size)
            found: np.ndarray = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
            return found
        except Exception as error:  # headers are parsed as Python, and fail in as many ways
            raise ValueError(f"{path} is no array, or damaged ({one_line(error)})") from None


def check_arrays(path: Path) -> None:
    """Raise ValueError for an .npz whose arrays are not as large as their headers say, or a bomb.

    It may still be damaged in other ways, which np.load finds.
    """
    with path.open("rb") as file:
        try:
            check_members(zipfile.ZipFile(file))
        except Exception as error:
            raise ValueError(f"{path} holds no arrays, or is damaged ({one_line(error)})") from None


def check_members(archive: zipfile.ZipFile) -> None:
    """Raise ValueError for a member that is no whole array, or a bomb."""
    for info in archive.infolist():
        if info.file_size > max(ALWAYS, MOST_RATIO * info.compress_size):
            raise ValueError(f"{info.filename} would unpack to {info.file_size} bytes")
        with archive.open(info) as file:
            check_header(file, info.file_size)


def check_header(file: IO[bytes], size: int) -> None:
    """Raise ValueError unless a file of so many bytes holds all of the array that it announces."""
    version = np.lib.format.read_magic(file)
    if version not in READERS:
        raise ValueError(f"its format is {version[0]}.{version[1]}")
    shape, _, dtype = READERS[version](file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are not loaded")
    if any(length < 0 for length in shape):
        raise ValueError(f"its shape is {shape}")
    needed = math.prod(shape) * dtype.itemsize
    if needed > size - file.tell():
        raise ValueError(f"it is cut short: {needed} bytes are announced")


def one_line(error: Exception) -> str:
    """Return what an error says, on one line."""
    return " ".join(str(error).split()) or type(error).__name__
