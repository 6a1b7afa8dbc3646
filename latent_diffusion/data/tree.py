"""Folders and archives seen alike: which files they hold, and the bytes of any one of them.

A tree is small and picklable: each worker of `ldm prepare` gets a copy and reads by `File.key`, so
that no worker keeps a directory listing of its own. Archives lie in `archives`.
"""

import os
import stat
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from latent_diffusion.data.decode import Unreadable

MAX_FILE_BYTES = 256 * 2**20  # of one picture file; larger ones are videos, archives or bombs
SYSTEM_FILES = {"__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "system volume information"}
HEAD_BYTES = 32  # of a file, enough to tell its format

Check = Callable[[bytes], Any]  # sees the first HEAD_BYTES of a file and may raise


class File(NamedTuple):
    """One file of a tree."""

    path: str  # relative to the tree, "/" between parts
    key: Any  # what the tree's read() needs


class Skip(NamedTuple):
    """A file that is not taken, and why."""

    path: str
    reason: str


class Listing(NamedTuple):
    """All files of a tree but hidden ones."""

    files: list[File]  # sorted by path
    skipped: list[Skip]


class Readable(Protocol):
    """What holds the bytes of files."""

    def read(self, key: Any, limit: int = MAX_FILE_BYTES, check: Check | None = None) -> bytes:
        """Return all bytes of the file with this key.

        `check` sees the head of it first and may raise, to spare the reading of the rest.
        Raises Unreadable for damage, and for files above `limit` bytes.
        """


class Tree(Readable, Protocol):
    """A folder or an archive."""

    def scan(self) -> Listing:
        """Return all files; raise ValueError for an archive that cannot be read."""


class Nothing:
    """Neither a folder nor an archive: it holds no files."""

    def scan(self) -> Listing:
        return Listing([], [])

    def read(self, key: Any, limit: int = MAX_FILE_BYTES, check: Check | None = None) -> bytes:
        raise Unreadable("no such file")


class Folder:
    """A directory, whose keys are paths.

    Links are followed, each real directory once; pipes, sockets and devices are never opened.
    """

    def __init__(self, root: str):
        self.root = root

    def scan(self) -> Listing:
        files: list[File] = []
        skipped: list[Skip] = []
        seen: set[tuple[int, int]] = set()  # device and inode of each directory
        pending = [""]
        while pending:
            prefix = pending.pop()
            try:
                entries = self._entries(prefix)
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
                path = prefix + entry.name
                what = kind_of(entry)
                if what == "folder":
                    folders.append(path + "/")
                elif what == "file":
                    files.append(File(path, path))
                else:
                    skipped.append(Skip(path, what))
            pending += reversed(folders)
        return Listing(sorted(files), sorted(skipped))

    def _entries(self, prefix: str) -> list[os.DirEntry[str]]:
        """What a directory holds but hidden files; links last, so that real folders come first."""
        with os.scandir(os.path.join(self.root, prefix)) as entries:
            visible = [entry for entry in entries if not is_hidden(entry.name)]
        return sorted(visible, key=lambda entry: (entry.is_symlink(), entry.name))

    def read(self, key: str, limit: int = MAX_FILE_BYTES, check: Check | None = None) -> bytes:
        try:
            with open(
                os.path.join(self.root, key), "rb", buffering=0, opener=without_waiting
            ) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise Unreadable("not a regular file")
                if os.fstat(file.fileno()).st_size > limit:
                    raise too_large(limit)
                if check is None:
                    return file.readall()
                head = file.read(HEAD_BYTES)
                check(head)
                return head + file.readall()
        except OSError as error:
            raise Unreadable(f"cannot be read ({error.strerror})") from None


def without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe, too, though nobody writes to it."""
    return os.open(path, flags | os.O_NONBLOCK)


def kind_of(entry: os.DirEntry[str]) -> str:
    """Return "folder", "file", or the reason why it is neither."""
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
        return "a broken link" if entry.is_symlink() else "not a regular file"
    except OSError:  # a link to itself
        return "a broken link"


def is_hidden(name: str) -> bool:
    """Return whether a file is the system's or a tool's (.git, .DS_Store, __MACOSX), no data."""
    return name.startswith(".") or name.lower() in SYSTEM_FILES


def too_large(limit: int) -> Unreadable:
    """Return the refusal of a file above `limit` bytes."""
    return Unreadable(f"larger than {limit / 2**20:.0f} MiB")
