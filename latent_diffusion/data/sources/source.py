"""What a data source is: the seam between `ldm prepare` and each kind of data set that it reads.

Every other file here is one source. `latent_diffusion.data.sources` lists them and says how to add
one.
"""

import hashlib
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from latent_diffusion.data.archives import Tar, open_tree
from latent_diffusion.data.decode import Fit, Unreadable, look, sniff
from latent_diffusion.data.tree import (
    MAX_FILE_BYTES,
    File,
    Folder,
    Listing,
    Nothing,
    Readable,
    Skip,
    Tree,
)

AUTO = "auto"  # of --labels: wherever the source says them
PREPARED = ("dataset.json", "images.npy")  # as `store` names them; workers do without its imports

# (class names, size, how many) -> images uint8 (N, size, size, 3) and labels int64 (N,).
DrawMore = Callable[[tuple[str, ...], int, int], tuple[np.ndarray, np.ndarray]]
# (class names, size, how many, dose) -> images with a fault, at a dose of 1 to 4, and labels.
DrawFaulty = Callable[[tuple[str, ...], int, int, int], tuple[np.ndarray, np.ndarray]]


class Item(NamedTuple):
    """One image of a source, before its pixels are read."""

    path: str  # what messages call it
    key: Any  # what the loader needs to find it
    class_name: str
    split: int  # TRAIN, VALIDATION, TEST, or UNDECIDED where the source has no split of its own


class Loaded(NamedTuple):
    """One image, read."""

    pixels: np.ndarray  # uint8 (size, size, 3)
    fingerprint: int  # see `fingerprint`
    enlarged: bool  # the picture was smaller than size
    cropped: float = 0.0  # share of the picture's area that is not in the image
    remarks: tuple[str, ...] = ()  # what people should know of it, each a short phrase


class Loader(Protocol):
    """Reads images one at a time, in several processes, each of which gets a pickled copy."""

    def load(self, key: Any, size: int) -> Loaded:
        """Return the image of an item; raise Unreadable, with the reason, where there is none."""


@runtime_checkable
class Batches(Protocol):
    """Holds images of one small size as arrays, which this process reads by itself."""

    def batches(self) -> Iterator[np.ndarray]:
        """Yield all images, uint8 (n, h, w, 3), in the order of the items."""


@dataclass(frozen=True)
class Found:
    """What a source found: one item an image, in the order of the prepared data set."""

    kind: str  # what it was recognised as, for people
    items: list[Item]
    loader: Loader | Batches
    skipped: list[Skip] = field(default_factory=list)  # sorted
    native_size: int | None = None  # side in pixels, unless the user names another
    flip: bool = True  # whether a mirrored image is still a good one
    notes: list[str] = field(default_factory=list)  # how it was read, a line each, for people


@dataclass(frozen=True)
class Asked:
    """SOURCE as the user gave it, and the files there, listed once for all sources."""

    text: str
    labels: str = AUTO  # where the labels come from: --labels

    @cached_property
    def path(self) -> Path:
        """The text read as a path, whether or not anything is there."""
        return Path(self.text).expanduser()

    @cached_property
    def tree(self) -> Tree:
        """The folder or archive of that path, a file's own folder; one without files for none."""
        return Folder(str(self.path.parent)) if self.one_file else open_tree(self.path)

    @cached_property
    def listing(self) -> Listing:
        """All files of `tree`; where one file was named, those beside it."""
        if self.one_file is None:
            return self.tree.scan()
        beside = [path.name for path in self.path.parent.iterdir() if path.is_file()]
        return Listing([File(name, name) for name in sorted(beside)], [])

    @cached_property
    def one_file(self) -> str | None:
        """The name of the file where the path is one that is no archive."""
        is_file = isinstance(open_tree(self.path), Nothing) and self.path.is_file()
        return self.path.name if is_file else None

    @property
    def is_prepared(self) -> bool:
        """Whether it is a data set that `ldm prepare` has written."""
        return all((self.path / name).is_file() for name in PREPARED)

    @property
    def holds_pictures(self) -> bool:
        """Whether it may be picture files: not a tar, which can only be read forwards."""
        is_tree = not isinstance(self.tree, Nothing | Tar) and self.one_file is None
        return is_tree and not self.is_prepared

    @property
    def name(self) -> str:
        """What the pictures are called where no folder names their class."""
        path = self.path.resolve()
        return path.stem if path.is_file() else path.name


class Source(ABC):
    """One kind of data set."""

    accepts: str  # how messages on SOURCE name it
    labels: tuple[str, ...] = ()  # what --labels may be for it, beside AUTO

    @abstractmethod
    def find(self, asked: Asked) -> Found | None:
        """Return the images of what was asked for, or None where it is of another kind.

        Whatever is returned is final, even without items: then `Found.skipped` tells the user why.
        Raises ValueError, in one line, for data of this kind that is damaged.
        """

    def more_images(self, text: str) -> DrawMore | None:
        """Return what draws further images like those of the data set once prepared from `text`.

        They are beyond all that the data set holds, so that no training has seen them.
        None, as for nearly every source, where there is nothing beyond.
        """
        return None

    def faults(self, text: str) -> dict[str, DrawFaulty]:
        """Return by name what draws images like those of `text` with a known fault, exactly.

        They are beyond those that `more_images` draws. Nearly every source can draw none.
        """
        return {}


@dataclass
class FileLoader:
    """Loads picture files of a tree, or of whatever holds such, by their `File.key`.

    The fingerprint is of the file's bytes, so it does not depend on the size asked for.
    """

    tree: Readable
    fit: Fit = "crop"  # how pictures that are no squares become images

    def load(self, key: Any, size: int) -> Loaded:
        data = self.tree.read(key, check=sniff)
        picture = look(data, size, self.fit)
        return Loaded(picture.pixels, fingerprint(data), *picture[1:])


def fingerprint(content: bytes) -> int:
    """Return 64 bits of the SHA-256 of an image's content, which decide whether it is held out."""
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big")


def class_of(name: str) -> str:
    """Return a class name that is valid Unicode and the same on every file system.

    macOS stores accents decomposed.
    """
    return unicodedata.normalize("NFC", name.encode("utf-8", "backslashreplace").decode())


def read_file(tree: Tree, file: File, limit: int = MAX_FILE_BYTES) -> bytes:
    """Return all bytes of a file that a source needs as a whole.

    Raises ValueError, with its name, where it cannot be read.
    """
    try:
        return tree.read(file.key, limit)
    except Unreadable as reason:
        raise ValueError(f"{file.path}: {reason}") from None
