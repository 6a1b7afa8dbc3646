"""Writes a prepared data set, for `prepare`.

A killed or failed `ldm prepare` leaves the old one, or none, but never half of one: everything is
written in DATA/.preparing and moved into place at the end, dataset.json last, without which nothing
opens.
"""

import fcntl
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TextIO

import numpy as np

from latent_diffusion.data.store import IMAGES, INFO, LABELS, SPLIT, DatasetInfo

WORK, LOCK = ".preparing", "lock"
DERIVED = {"latents", "statistics"}  # what others keep beside the images
BLOCK = 16 * 2**20  # bytes moved or hashed at once


class Writer:
    """A data set being written; use as a context. An exception inside leaves DATA as it was."""

    def __init__(self, folder: Path, capacity: int, size: int):
        """Make room for `capacity` images of (size, size, 3).

        Raises ValueError for a folder that is not ours to write, or that has not enough room.
        """
        self.folder = folder
        self.size = size
        self.row_bytes = size * size * 3
        self.work = folder / WORK
        self.is_new = not folder.exists()
        self.is_moving = False
        check_folder(folder)
        self._lock = self._locked()
        self.images = self.work / IMAGES
        self._file = os.open(self.images, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        self.offset = self._write_header(capacity)
        needed = capacity * self.row_bytes
        free = shutil.disk_usage(folder).free
        if needed > free:
            self._clean()
            raise ValueError(
                f"{folder} needs {needed / 1e9:.1f} GB and the disk has {free / 1e9:.1f} GB free"
            )

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._clean()

    def write(self, row: int, pixels: np.ndarray) -> None:
        """Write one image, uint8 (size, size, 3), or several (n, size, size, 3), from `row` on."""
        os.pwrite(self._file, pixels.tobytes(), self.offset + row * self.row_bytes)

    def keep(self, rows: np.ndarray) -> np.ndarray:
        """Leave only some of the images written (rows (N,), ascending), and return them.

        They are uint8 (N, size, size, 3), memory-mapped.
        """
        self._compact(rows)
        assert self._write_header(len(rows)) == self.offset
        os.truncate(self.images, self.offset + len(rows) * self.row_bytes)
        return np.load(self.images, mmap_mode="r", allow_pickle=False)

    def commit(self, labels: np.ndarray, split: np.ndarray, info: DatasetInfo) -> DatasetInfo:
        """Replace what DATA held by the images kept, with their labels and split.

        Returns `info` with the checksum.
        """
        np.save(self.work / LABELS, labels.astype(np.int64))
        np.save(self.work / SPLIT, split.astype(np.uint8))
        info = info.model_copy(update={"checksum": self._checksum(labels, split, info)})
        # Not model_dump_json: file names that are no valid Unicode must be escaped, not refused.
        (self.work / INFO).write_text(
            json.dumps(info.model_dump(), indent=1) + "\n", encoding="ascii"
        )
        self.is_moving = True
        (self.folder / INFO).unlink(missing_ok=True)
        for name in (IMAGES, LABELS, SPLIT, INFO):
            os.replace(self.work / name, self.folder / name)
        self.is_new = self.is_moving = False
        return info

    def _locked(self) -> TextIO:
        """The lock of the working folder, which dies with this process."""
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            lock = open(self.work / LOCK, "w")
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"another `ldm prepare` is writing to {self.folder}; wait for it, or choose another"
            ) from None
        except OSError as error:
            raise ValueError(f"cannot write to {self.folder}: {error.strerror}") from None
        return lock

    def _write_header(self, rows: int) -> int:
        """Write the header and return its length.

        That does not depend on the number of rows: NumPy leaves room for the first axis to grow.
        """
        header = {"descr": "|u1", "fortran_order": False, "shape": (rows, self.size, self.size, 3)}
        with open(self.images, "r+b") as file:
            np.lib.format.write_array_header_1_0(file, header)
            return file.tell()

    def _compact(self, keep: np.ndarray) -> None:
        """Move the kept rows to the front, run by run; the order stays, so no row moves up."""
        breaks = np.flatnonzero(np.diff(keep) != 1) + 1
        target = 0
        for run in np.split(keep, breaks):
            source = int(run[0]) * self.row_bytes
            length = len(run) * self.row_bytes
            if source != target:
                self._move(source, target, length)
            target += length

    def _move(self, source: int, target: int, length: int) -> None:
        """Copy bytes of the images to an earlier position."""
        for start in range(0, length, BLOCK):
            count = min(BLOCK, length - start)
            block = os.pread(self._file, count, self.offset + source + start)
            os.pwrite(self._file, block, self.offset + target + start)

    def _checksum(self, labels: np.ndarray, split: np.ndarray, info: DatasetInfo) -> str:
        digest = hashlib.sha256(json.dumps([info.class_names, info.image_size]).encode())
        digest.update(labels.astype("<i8").tobytes() + split.astype(np.uint8).tobytes())
        position = self.offset
        while block := os.pread(self._file, BLOCK, position):
            digest.update(block)
            position += len(block)
        return digest.hexdigest()

    def _clean(self) -> None:
        """Remove what was not moved into place, and the folders that were made for it."""
        os.close(self._file)
        if self.is_moving:
            # Some of it is in place already; what is left here tells the next one so.
            self._lock.close()
            return
        for name in (IMAGES, LABELS, SPLIT, INFO, LOCK):
            (self.work / name).unlink(missing_ok=True)
        self._lock.close()
        for folder in (self.work, self.folder) if self.is_new else (self.work,):
            try:
                folder.rmdir()
            except OSError:  # something of the user's lies there
                break


def check_folder(folder: Path) -> None:
    """Raise ValueError unless `folder` is ours to write.

    That is when it is absent, empty, a prepared data set, or what a killed prepare left.
    """
    if folder.is_dir():
        names = set(os.listdir(folder))
        # With WORK there, perhaps killed while it moved what it had made.
        left_behind = {WORK, IMAGES, LABELS, SPLIT, *DERIVED} if WORK in names else set()
        if names - left_behind and INFO not in names:
            raise ValueError(
                f"{folder} is not empty and not a prepared data set; choose a new folder for DATA"
            )
    elif folder.exists():
        raise ValueError(f"{folder} is a file; choose a folder for DATA")
