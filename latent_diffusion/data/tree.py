"""Folders, zips and tars seen alike: which files they hold, and the bytes of any one of them.

Nothing is ever extracted to disk. A tree is small and picklable: each worker of `ldm prepare` gets a copy
and reads by `place`, so that no worker keeps a directory listing of its own.
"""

import os
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from itertools import islice
from typing import Any, NamedTuple

from latent_diffusion.data.decode import Unreadable

MAX_FILE_BYTES = 256 * 2**20  # of one picture file; larger ones are videos, archives or bombs
SYSTEM_FILES = {"__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "system volume information"}
LOCAL_HEADER = struct.Struct(
    "<4s22xHH"
)  # of a zip member: signature, then the lengths of its name and extra field


class File(NamedTuple):
    path: str  # relative to the tree, "/" between parts
    place: Any  # what the tree's read() needs


class Skip(NamedTuple):
    path: str
    reason: str


class Listing(NamedTuple):
    files: list[File]  # sorted by path
    skipped: list[Skip]


def is_hidden(name: str) -> bool:
    """Files of the operating system or a tool (.git, .DS_Store, __MACOSX), which are no part of any data set."""
    return name.startswith(".") or name.lower() in SYSTEM_FILES


def too_large(limit: int) -> Unreadable:
    return Unreadable(f"larger than {limit / 2**20:.0f} MiB")


class Folder:
    """A directory. Links are followed, each real directory once; pipes, sockets and devices are never opened."""

    def __init__(self, root: str):
        self.root = root

    def scan(self) -> Listing:
        files, skipped, seen = [], [], set()
        pending = [""]
        while pending:
            prefix = pending.pop()
            try:
                entries = sorted(
                    os.scandir(os.path.join(self.root, prefix)),
                    key=lambda e: (e.is_symlink(), e.name),
                )
                status = os.stat(os.path.join(self.root, prefix))
            except OSError as error:
                skipped.append(Skip(prefix.rstrip("/"), f"cannot be read ({error.strerror})"))
                continue
            if (status.st_dev, status.st_ino) in seen:
                skipped.append(Skip(prefix.rstrip("/"), "a link to a folder that was already read"))
                continue
            seen.add((status.st_dev, status.st_ino))
            folders = []
            for entry in entries:
                if is_hidden(entry.name):
                    continue
                path = prefix + entry.name
                try:
                    if entry.is_dir():
                        folders.append(path + "/")
                    elif entry.is_file():
                        files.append(File(path, path))
                    else:
                        skipped.append(
                            Skip(
                                path,
                                "a broken link" if entry.is_symlink() else "not a regular file",
                            )
                        )
                except OSError:  # a link to itself
                    skipped.append(Skip(path, "a broken link"))
            pending += reversed(folders)
        return Listing(sorted(files), sorted(skipped))

    def read(
        self, place: str, limit: int = MAX_FILE_BYTES, check: Callable[[bytes], Any] | None = None
    ) -> bytes:
        """All bytes of a file; `check` sees the first 32 before the rest is read and may raise. Raises Unreadable."""
        try:
            with open(os.path.join(self.root, place), "rb", buffering=0) as file:
                if os.fstat(file.fileno()).st_size > limit:
                    raise too_large(limit)
                if check is None:
                    return file.readall()
                head = file.read(32)
                check(head)
                return head + file.readall()
        except OSError as error:
            raise Unreadable(f"cannot be read ({error.strerror})") from None


class Zip:
    """A .zip file. `place` is (offset of the local header, compressed size, size, method, CRC-32)."""

    def __init__(self, path: str):
        self.path = path
        self._file = None

    def __getstate__(self) -> dict:
        return {"path": self.path, "_file": None}

    def scan(self) -> Listing:
        """Raises ValueError when it is not a zip file or its directory is damaged."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                members = archive.infolist()
        except (
            zipfile.BadZipFile,
            OSError,
            ValueError,
            NotImplementedError,
            struct.error,
        ) as error:
            raise ValueError(f"{self.path} cannot be read as a zip file: {error}") from None
        files, skipped = [], []
        for member in members:
            path = safe_path(member.filename)
            if path is None or member.is_dir():
                continue
            if member.flag_bits & 1:
                skipped.append(Skip(path, "encrypted"))
            elif member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                skipped.append(
                    Skip(path, f"unsupported zip compression (method {member.compress_type})")
                )
            else:
                sizes = member.compress_size, member.file_size
                place = (member.header_offset, *sizes, member.compress_type, member.CRC)
                files.append(File(path, place))
        return Listing(sorted(files), sorted(skipped))

    def read(
        self, place: tuple, limit: int = MAX_FILE_BYTES, check: Callable[[bytes], Any] | None = None
    ) -> bytes:
        """All bytes of a member, never more than its declared size. Raises Unreadable."""
        offset, compressed, size, method, checksum = place
        if max(size, compressed) > limit:
            raise too_large(limit)
        try:
            self._file = self._file or open(self.path, "rb")
            self._file.seek(offset)
            signature, name, extra = LOCAL_HEADER.unpack(self._file.read(LOCAL_HEADER.size))
            if signature != b"PK\x03\x04":
                raise Unreadable("damaged")
            self._file.seek(name + extra, os.SEEK_CUR)
            data = self._file.read(compressed)
            if method == zipfile.ZIP_DEFLATED:
                data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, size or 1)
        except OSError as error:
            raise Unreadable(f"cannot be read ({error.strerror})") from None
        except (struct.error, zlib.error):
            raise Unreadable("damaged") from None
        if len(data) != size:
            raise Unreadable("truncated")
        if zlib.crc32(data) != checksum:
            raise Unreadable("damaged")
        if check is not None:
            check(data[:32])
        return data


class Tar:
    """A .tar or .tar.gz file, which can only be read forwards: for the few files of CIFAR-10. `place` is the name."""

    MAX_MEMBERS = 100

    def __init__(self, path: str):
        self.path = path

    def scan(self) -> Listing:
        """The first members only. Raises ValueError when it is not a tar file or is damaged."""
        try:
            with tarfile.open(self.path) as archive:
                names = [
                    member.name for member in islice(archive, self.MAX_MEMBERS) if member.isreg()
                ]
        except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{self.path} cannot be read as a tar file: {error}") from None
        return Listing(sorted(File(path, name) for name in names if (path := safe_path(name))), [])

    def read(self, place: str, limit: int = MAX_FILE_BYTES) -> bytes:
        """All bytes of a member. Raises Unreadable."""
        try:
            with tarfile.open(self.path) as archive:
                for member in islice(archive, self.MAX_MEMBERS):
                    if member.name == place and member.isreg():
                        if member.size > limit:
                            raise too_large(limit)
                        return archive.extractfile(member).read()
        except (tarfile.TarError, OSError, EOFError, zlib.error):
            pass
        raise Unreadable("damaged")


Tree = Folder | Zip | Tar


def safe_path(name: str) -> str | None:
    """An archive's name for a member with "/" between plain parts; None for what is hidden."""
    parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".", "..")]
    return "/".join(parts) if parts and not any(is_hidden(part) for part in parts) else None
