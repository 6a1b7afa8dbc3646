"""MNIST idx files, gzipped or not (LeCun et al., 1998).

Fashion-MNIST and KMNIST share names and format; EMNIST's names begin with the name of a set.
28x28 greys become 28x28 RGB; the split is kept.
"""

import gzip
import math
import re
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO

import numpy as np

from latent_diffusion.data.decode import MAX_PIXELS
from latent_diffusion.data.sources.array_sets import ArraySet, ArraySource, beside, grouped
from latent_diffusion.data.sources.source import Asked, Found, Item, read_file
from latent_diffusion.data.split import TEST, TRAIN
from latent_diffusion.data.tree import File, Tree

NAME = re.compile(
    r"(?P<prefix>.*?)[-_.]?(?P<split>train|t10k|test)[-_.](?P<part>images|labels)"
    r"[-_.]idx[13][-_.]ubyte(\.gz)?",
    re.IGNORECASE,
)
SPLITS = {"train": TRAIN, "t10k": TEST, "test": TEST}
MAX_IDX_BYTES = 2**31
MAX_IMAGES = 2_000_000
BATCH_BYTES = 2**24

Stream = BytesIO | gzip.GzipFile


class Mnist(ArraySource):
    """Digits, letters or clothes as idx files; only clothes may be mirrored."""

    accepts = "MNIST idx files (EMNIST, Fashion-MNIST and KMNIST, too)"

    def sets(self, files: list[File]) -> list[ArraySet]:
        return grouped(files, NAME)

    def is_whole(self, found: ArraySet) -> bool:
        return bool(found.pairs("images", "labels", list(SPLITS)))

    def open(self, asked: Asked, found: ArraySet) -> Found:
        whole = found.pairs("images", "labels", list(SPLITS))
        notes = [
            f"{file.path} is without its {'labels' if 'images' in role else 'images'} and not read"
            for role, file in sorted(found.files.items())
            if role.split()[0] not in whole
        ]
        idx = IdxFiles(asked.tree, found, whole)
        mapping = beside(asked.listing.files, found.folder, f"{found.prefix}-mapping.txt")
        names = None if mapping is None else letters(asked.tree, mapping)
        return Found(
            kind="MNIST idx files",
            items=idx.items(names),
            loader=idx,
            native_size=idx.side(),
            flip="fashion" in called(asked, found).lower(),
            notes=notes,
        )


def called(asked: Asked, found: ArraySet) -> str:
    """Return what a set is called: the innermost folder that is not for files of any set."""
    folders = [asked.name, *found.folder.split("/")]
    if asked.one_file:
        folders.insert(0, asked.path.resolve().parent.name)
    telling = [name for name in folders if name.lower() not in ("", "raw", "gzip", "data")]
    return telling[-1] if telling else asked.path.resolve().parent.name


def letters(tree: Tree, file: File) -> dict[int, str]:
    """Return the characters of EMNIST's labels by its mapping, lines of label and character codes.

    Where small and capital letters are one class it has both: "Aa".
    """
    names = {}
    try:
        for line in read_file(tree, file).decode("ascii").splitlines():
            label, *codes = map(int, line.split())
            names[label] = "".join(map(chr, codes))
    except (ValueError, OverflowError):
        raise ValueError(f"{file.path} does not list labels and character codes") from None
    return names


class IdxFiles:
    """The idx files of one set, whose images are read by `batches` in the order of `items`.

    `splits` are those to read, as the files are called. EMNIST's images lie on their side in the
    files and are set upright.
    """

    def __init__(self, tree: Tree, found: ArraySet, splits: list[str]):
        self.tree = tree
        self.files = found.files
        self.splits = splits
        self.lies_on_its_side = "emnist" in found.prefix.lower()

    def items(self, names: dict[int, str] | None = None) -> list[Item]:
        """Return one item an image, training ones first.

        Class names are those of `names`, or the digits, padded to sort as numbers do. Raises
        ValueError for a label without a name.
        """
        labels = {split: self._labels(split) for split in self.splits}
        highest = max(int(part.max(initial=0)) for part in labels.values())
        names = names or {label: f"{label:0{len(str(highest))}d}" for label in range(highest + 1)}
        items = []
        for split in self.splits:
            path = self.files[f"{split} images"].path
            for i, label in enumerate(labels[split].tolist()):
                if label not in names:
                    raise ValueError(
                        f"{path} has the label {label}, which the mapping does not name"
                    )
                items.append(Item(f"{path} image {i}", i, names[label], SPLITS[split]))
        return items

    def side(self) -> int:
        """Return the native side of the images in pixels, the shorter one."""
        return min(min(self._open(split, "images", axes=3)[1][1:]) for split in self.splits)

    def batches(self) -> Iterator[np.ndarray]:
        """Yield all images, uint8 (n, h, w, 3); raise ValueError for truncated files."""
        for split in self.splits:
            stream, (count, height, width) = self._open(split, "images", axes=3)
            if count != len(self._labels(split)):
                path = self.files[f"{split} images"].path
                raise ValueError(f"{path} holds {count} images, but its labels are another number")
            batch = max(1, BATCH_BYTES // (height * width))
            for start in range(0, count, batch):
                n = min(batch, count - start)
                data = self._take(stream, n * height * width, split, "images")
                grey = np.frombuffer(data, np.uint8).reshape(n, height, width)
                if self.lies_on_its_side:
                    grey = grey.swapaxes(1, 2)
                yield np.repeat(grey[..., None], 3, axis=3)

    def _labels(self, split: str) -> np.ndarray:
        stream, (count,) = self._open(split, "labels", axes=1)
        return np.frombuffer(self._take(stream, count, split, "labels"), np.uint8)

    def _open(self, split: str, part: str, axes: int) -> tuple[Stream, tuple[int, ...]]:
        """A stream behind the header, and the header's sizes."""
        file = self.files[f"{split} {part}"]
        stream: Stream = BytesIO(read_file(self.tree, file, limit=MAX_IDX_BYTES))
        if file.path.lower().endswith(".gz"):
            stream = gzip.GzipFile(fileobj=stream)
        header = self._take(stream, 4 * (1 + axes), split, part)
        magic, *sizes = struct.unpack(f">{1 + axes}I", header)
        if magic != 0x0800 | axes:
            raise ValueError(
                f"{file.path} is not an idx file of {part} (it begins with {magic:#010x})"
            )
        too_large = math.prod(sizes) > MAX_IDX_BYTES or sizes[0] > MAX_IMAGES
        if too_large or math.prod(sizes[1:]) > MAX_PIXELS or min(sizes) == 0:
            raise ValueError(f"{file.path} declares the size {tuple(sizes)}; it is damaged")
        return stream, tuple(sizes)

    def _take(self, stream: Stream, count: int, split: str, part: str) -> bytes:
        try:
            data = stream.read(count)
        except (OSError, EOFError, zlib.error):
            data = b""
        if len(data) != count:
            path = self.files[f"{split} {part}"].path
            raise ValueError(f"{path} is truncated or damaged; fetch it again")
        return data
