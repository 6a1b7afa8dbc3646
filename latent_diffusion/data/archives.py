"""Zip and tar files as trees. Nothing is ever extracted to disk."""

import gzip
import io
import os
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from latent_diffusion.data.decode import Unreadable
from latent_diffusion.data.tree import (
    HEAD_BYTES,
    MAX_FILE_BYTES,
    Check,
    File,
    Folder,
    Listing,
    Nothing,
    Skip,
    Tree,
    is_hidden,
    too_large,
)
from latent_diffusion.progress import say

# Of a zip member: signature, then the lengths of its name and extra field.
LOCAL_HEADER = struct.Struct("<4s22xHH")
UTF8 = 0x800  # the flag of a member whose name is UTF-8
UNICODE_PATH = 0x7075  # the extra field of Info-ZIP: version, CRC of the plain name, name in UTF-8


def open_tree(path: Path) -> Tree:
    """Return the folder or archive at `path`; `Nothing` where there is none."""
    if path.is_dir():
        return Folder(str(path))
    name = path.name.lower() if path.is_file() else ""  # nobody waits at a pipe
    if name.endswith(".zip"):
        return Zip(str(path))
    if name.endswith((".tar.gz", ".tgz", ".tar")):
        return Tar(str(path))
    return Nothing()


class Member(NamedTuple):
    """What reads one member of a zip file: where it begins, and what its bytes must prove to be."""

    offset: int  # of the local header
    compressed: int  # bytes
    size: int  # bytes
    method: int
    checksum: int  # CRC-32


class Zip:
    """A .zip file, whose keys are `Member`s."""

    def __init__(self, path: str):
        self.path = path
        self._file: BinaryIO | None = None  # opened at the first read, in each process its own

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_file": None}

    def scan(self) -> Listing:
        damage = (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error)
        try:
            with zipfile.ZipFile(self.path) as archive:
                members = archive.infolist()
        except damage as error:
            raise ValueError(
                f"{self.path} cannot be read as a zip file, and may be cut off: get it again "
                f"({error})"
            ) from None
        names, doubtful = member_names(members)
        files, skipped = [], []
        for info, name in zip(members, names, strict=True):
            path = safe_path(name)
            if path is None or info.is_dir():
                continue
            method = info.compress_type
            if info.flag_bits & 1:
                skipped.append(Skip(path, "encrypted"))
            elif method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                skipped.append(Skip(path, f"unsupported zip compression (method {method})"))
            else:
                sizes = info.compress_size, info.file_size
                files.append(File(path, Member(info.header_offset, *sizes, method, info.CRC)))
        if doubtful:
            say(
                f"{self.path}: {len(doubtful)} names are not UTF-8 and may be misread (as "
                f"{min(doubtful)}): pack it again with a program that writes UTF-8 names"
            )
        return Listing(sorted(files), sorted(skipped))

    def read(self, key: Member, limit: int = MAX_FILE_BYTES, check: Check | None = None) -> bytes:
        """Return all bytes of a member, never more than its declared size."""
        if max(key.size, key.compressed) > limit:
            raise too_large(limit)
        try:
            data = self._raw(key)
            if key.method == zipfile.ZIP_DEFLATED:
                data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, key.size or 1)
        except OSError as error:
            raise Unreadable(f"cannot be read ({error.strerror})") from None
        except (struct.error, zlib.error, ValueError, OverflowError):
            raise Unreadable("damaged") from None
        if len(data) != key.size:
            raise Unreadable("truncated")
        if zlib.crc32(data) != key.checksum:
            raise Unreadable("damaged")
        if check is not None:
            check(data[:HEAD_BYTES])
        return data

    def _raw(self, member: Member) -> bytes:
        """The member's bytes as they are stored."""
        if self._file is None:
            self._file = open(self.path, "rb")
        self._file.seek(member.offset)
        signature, name, extra = LOCAL_HEADER.unpack(self._file.read(LOCAL_HEADER.size))
        if signature != b"PK\x03\x04":
            raise Unreadable("damaged")
        self._file.seek(name + extra, os.SEEK_CUR)
        return self._file.read(member.compressed)


class Tar:
    """A .tar or .tar.gz file, whose keys are names.

    It can only be read forwards: for the few files of CIFAR-10, not for thousands of pictures.
    """

    MAX_MEMBERS = 100
    MAX_BYTES = 2**30  # of all of them, unpacked
    DAMAGE = (tarfile.TarError, OSError, EOFError, zlib.error)

    def __init__(self, path: str):
        self.path = path

    def scan(self) -> Listing:
        """Return the first MAX_MEMBERS files only, and none beyond MAX_BYTES."""
        try:
            with self._opened() as archive:
                members = list(self._first(archive))
        except self.DAMAGE as error:
            raise ValueError(f"{self.path} cannot be read as a tar file: {error}") from None
        files = []
        for member in members:
            path = safe_path(member.name)
            if member.isreg() and path:
                files.append(File(path, member.name))
        return Listing(sorted(files), [])

    def read(self, key: str, limit: int = MAX_FILE_BYTES, check: Check | None = None) -> bytes:
        try:
            with self._opened() as archive:
                for member in self._first(archive):
                    if member.name != key or not member.isreg():
                        continue
                    if member.size > limit:
                        raise too_large(limit)
                    stream = archive.extractfile(member)
                    assert stream is not None  # as it is a regular file
                    data = stream.read()
                    if check is not None:
                        check(data[:HEAD_BYTES])
                    return data
        except self.DAMAGE:
            pass
        raise Unreadable("damaged")

    def _first(self, archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
        """Yield the members that can be reached without unpacking gigabytes."""
        left = self.MAX_BYTES
        for member in islice(archive, self.MAX_MEMBERS):
            left -= member.size
            if left < 0:
                return
            yield member

    @contextmanager
    def _opened(self) -> Iterator[tarfile.TarFile]:
        """Open it as a stream that takes no more memory at once than a file may have bytes."""
        with open(self.path, "rb") as packed:
            is_packed = packed.read(2) == b"\x1f\x8b"
            packed.seek(0)
            stream = Bounded(gzip.GzipFile(fileobj=packed) if is_packed else packed)
            with tarfile.open(fileobj=stream, mode="r:") as archive:
                yield archive


class Bounded(io.RawIOBase):
    """A file of which a name or a header that claims to be huge is not read."""

    def __init__(self, file: Any):
        self.file = file

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        position: int = self.file.seek(offset, whence)
        return position

    def tell(self) -> int:
        position: int = self.file.tell()
        return position

    def read(self, count: int = -1) -> bytes:
        """Return the next bytes; raise tarfile.ReadError for more than a file may have."""
        if not 0 <= count <= MAX_FILE_BYTES + tarfile.RECORDSIZE:
            raise tarfile.ReadError("it claims to hold a huge file")
        data: bytes = self.file.read(count)
        return data


def member_names(members: list[zipfile.ZipInfo]) -> tuple[list[str], set[str]]:
    """Return the names of a zip's members, and those of which the letters are doubtful.

    A name that is not marked as UTF-8 is by the standard in the letters of MS-DOS, but macOS and
    others write UTF-8 without the mark (APPNOTE.TXT, 4.4.4 and 4.6.9). One name that is no UTF-8
    tells that none of its zip is.
    """
    unmarked = {info.filename: raw_name(info) for info in members if not info.flag_bits & UTF8}
    try:
        utf8 = {name: raw.decode() for name, raw in unmarked.items()}
        return [utf8.get(info.filename, info.filename) for info in members], set()
    except UnicodeDecodeError:
        # In Japanese and Chinese letters a back slash can be half of one.
        read = {name: name.replace("\\", "_") if "/" in name else name for name in unmarked}
        doubtful = {read[name] for name in unmarked if not name.isascii()}
        return [read.get(info.filename, info.filename) for info in members], doubtful


def raw_name(info: zipfile.ZipInfo) -> bytes:
    """Return the bytes of a name that is not marked as UTF-8, or its UTF-8 in an extra field."""
    raw = info.orig_filename.encode("cp437")
    unicode_path = dict(extra_fields(info.extra)).get(UNICODE_PATH, b"")
    is_of_this_name = unicode_path[1:5] == struct.pack("<I", zlib.crc32(raw))
    return unicode_path[5:] if is_of_this_name else raw


def extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the kind and content of each extra field of a zip's member."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        yield kind, extra[4 : 4 + length]
        extra = extra[4 + length :]


def safe_path(name: str) -> str | None:
    """Return a member's name with "/" between plain parts; None for what is hidden."""
    parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".", "..")]
    if not parts or any(is_hidden(part) for part in parts):
        return None
    return "/".join(parts)
