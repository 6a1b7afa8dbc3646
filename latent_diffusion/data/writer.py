"""Writes a prepared data set: a killed or failed `ldm prepare` leaves the old one, or none, but never half of one.

Everything is written in DATA/.preparing and moved into place at the end, dataset.json last: without it nothing opens.
"""

import fcntl
import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np

from latent_diffusion.data.store import IMAGES, INFO, LABELS, SPLIT, DatasetInfo

WORK, LOCK = ".preparing", "lock"
DERIVED = {"latents", "statistics"}  # what others keep beside the images
BLOCK = 16 * 2**20  # bytes moved or hashed at once


class Writer:
    """Use as a context: an exception inside leaves DATA as it was."""

    def __init__(self, folder: Path, capacity: int, size: int):
        """Room for `capacity` images of (size, size, 3). Raises ValueError for a folder that is not ours to write."""
        self.folder, self.size, self.row_bytes = folder, size, size * size * 3
        self.work = folder / WORK
        self.is_new, self.moving = not folder.exists(), False
        check_folder(folder)
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            self._lock = open(self.work / LOCK, "w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"another `ldm prepare` is writing to {folder}; wait for it, or choose another"
            ) from None
        except OSError as error:
            raise ValueError(f"cannot write to {folder}: {error.strerror}") from None
        self.images = self.work / IMAGES
        self._file = os.open(self.images, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        self.offset = self._write_header(capacity)
        needed, free = capacity * self.row_bytes, shutil.disk_usage(folder).free
        if needed > free:
            self._clean()
            raise ValueError(
                f"{folder} needs {needed / 1e9:.1f} GB and the disk has {free / 1e9:.1f} GB free"
            )

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_) -> None:
        self._clean()

    def write(self, row: int, pixels: np.ndarray) -> None:
        """pixels: uint8 (size, size, 3) or (n, size, size, 3), the images from `row` on."""
        os.pwrite(self._file, pixels.tobytes(), self.offset + row * self.row_bytes)

    def commit(
        self, keep: np.ndarray, labels: np.ndarray, split: np.ndarray, info: DatasetInfo
    ) -> DatasetInfo:
        """Replaces what DATA held by the rows `keep` (ascending) with their labels and split. Sets the checksum."""
        self._compact(keep)
        assert self._write_header(len(keep)) == self.offset
        os.truncate(self.images, self.offset + len(keep) * self.row_bytes)
        np.save(self.work / LABELS, labels.astype(np.int64))
        np.save(self.work / SPLIT, split.astype(np.uint8))
        info = info.model_copy(update={"checksum": self._checksum(labels, split, info)})
        # Not model_dump_json: file names that are no valid Unicode must be escaped, not refused.
        (self.work / INFO).write_text(
            json.dumps(info.model_dump(), indent=1) + "\n", encoding="ascii"
        )
        self.moving = True
        (self.folder / INFO).unlink(missing_ok=True)
        for name in (IMAGES, LABELS, SPLIT, INFO):
            os.replace(self.work / name, self.folder / name)
        self.is_new = self.moving = False
        return info

    def _write_header(self, rows: int) -> int:
        """Its length, which does not depend on the number of rows: NumPy leaves room for the first axis to grow."""
        header = {"descr": "|u1", "fortran_order": False, "shape": (rows, self.size, self.size, 3)}
        with open(self.images, "r+b") as file:
            np.lib.format.write_array_header_1_0(file, header)
            return file.tell()

    def _compact(self, keep: np.ndarray) -> None:
        """Moves the kept rows to the front, run by run; the order stays, so a row never moves up."""
        breaks = np.flatnonzero(np.diff(keep) != 1) + 1
        target = 0
        for run in np.split(keep, breaks):
            source, length = int(run[0]) * self.row_bytes, len(run) * self.row_bytes
            for start in range(0, length if source != target else 0, BLOCK):
                block = os.pread(
                    self._file, min(BLOCK, length - start), self.offset + source + start
                )
                os.pwrite(self._file, block, self.offset + target + start)
            target += length

    def _checksum(self, labels: np.ndarray, split: np.ndarray, info: DatasetInfo) -> str:
        digest = hashlib.sha256(json.dumps([info.class_names, info.image_size]).encode())
        digest.update(labels.astype("<i8").tobytes() + split.astype(np.uint8).tobytes())
        position = self.offset
        while block := os.pread(self._file, BLOCK, position):
            digest.update(block)
            position += len(block)
        return digest.hexdigest()

    def _clean(self) -> None:
        os.close(self._file)
        if self.moving:  # some of it is in place already; what is left here tells the next one so
            return self._lock.close()
        for name in (IMAGES, LABELS, SPLIT, INFO, LOCK):
            (self.work / name).unlink(missing_ok=True)
        self._lock.close()
        for folder in (self.work, self.folder) if self.is_new else (self.work,):
            try:
                folder.rmdir()
            except OSError:  # something of the user's lies there
                break


def check_folder(folder: Path) -> None:
    """Raises ValueError unless `folder` is absent, empty, a prepared data set, or what a killed prepare left."""
    if folder.is_dir():
        names = set(os.listdir(folder))
        killed = (
            {WORK, IMAGES, LABELS, SPLIT, *DERIVED} if WORK in names else set()
        )  # perhaps while it moved what it had made
        if names - killed and INFO not in names:
            raise ValueError(
                f"{folder} is not empty and not a prepared data set; choose a new folder for DATA"
            )
    elif folder.exists():
        raise ValueError(f"{folder} is a file; choose a folder for DATA")
