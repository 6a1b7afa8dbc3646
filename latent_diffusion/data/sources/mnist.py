"""MNIST idx files, gzipped or not (LeCun et al., 1998).

Fashion-MNIST and KMNIST share names and format. 28x28 greys become 28x28 RGB; the split is kept.
"""

import gzip
import re
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO

import numpy as np

from latent_diffusion.data.sources.source import Asked, Found, Item, Source, read_file
from latent_diffusion.data.split import TEST, TRAIN
from latent_diffusion.data.tree import File, Tree

NAME = re.compile(
    r"(train|t10k|test)[-_.](images|labels)[-_.]idx[13][-_.]ubyte(\.gz)?$", re.IGNORECASE
)
MAX_IDX_BYTES = 2**31
BATCH = 4096

Part = tuple[int, str]  # TRAIN or TEST, "images" or "labels"
Stream = BytesIO | gzip.GzipFile


class Mnist(Source):
    """Digits, or whatever else comes as idx files; never mirrored."""

    accepts = "MNIST idx files"

    def find(self, asked: Asked) -> Found | None:
        files = idx_files(asked.listing.files)
        if not files:
            return None
        idx = IdxFiles(asked.tree, files)
        return Found("MNIST idx files", idx.items(), idx, native_size=idx.side(), flip=False)


def idx_files(files: list[File]) -> dict[Part, File]:
    """Return the images and labels of each split that has both; unpacked files go before .gz."""
    found: dict[Part, File] = {}
    for file in sorted(files, key=lambda file: (file.path.lower().endswith(".gz"), file.path)):
        match = NAME.search(file.path)
        if match:
            split = TRAIN if match[1].lower() == "train" else TEST
            found.setdefault((split, match[2].lower()), file)
    whole = [
        split for split in (TRAIN, TEST) if {(split, "images"), (split, "labels")} <= found.keys()
    ]
    return {part: file for part, file in found.items() if part[0] in whole}


class IdxFiles:
    """The idx files of a tree, whose images are read by `batches` in the order of `items`."""

    def __init__(self, tree: Tree, files: dict[Part, File]):
        self.tree = tree
        self.files = files
        self.splits = sorted({split for split, _ in files})

    def items(self) -> list[Item]:
        """Return one item an image, training ones first.

        Class names are the digits, padded to sort as numbers do.
        """
        labels = {split: self._labels(split) for split in self.splits}
        width = len(str(max(int(part.max(initial=0)) for part in labels.values())))
        items = []
        for split in self.splits:
            path = self.files[split, "images"].path
            for i, label in enumerate(labels[split].tolist()):
                items.append(Item(f"{path} image {i}", i, f"{label:0{width}d}", split))
        return items

    def side(self) -> int:
        """Return the native side of the images in pixels, the shorter one."""
        return min(min(self._open(split, "images", axes=3)[1][1:]) for split in self.splits)

    def batches(self) -> Iterator[np.ndarray]:
        """Yield all images, uint8 (n, h, w, 3); raise ValueError for truncated files."""
        for split in self.splits:
            stream, (count, height, width) = self._open(split, "images", axes=3)
            if count != len(self._labels(split)):
                path = self.files[split, "images"].path
                raise ValueError(f"{path} holds {count} images, but its labels are another number")
            for start in range(0, count, BATCH):
                n = min(BATCH, count - start)
                data = self._take(stream, n * height * width, split, "images")
                grey = np.frombuffer(data, np.uint8).reshape(n, height, width, 1)
                yield np.repeat(grey, 3, axis=3)

    def _labels(self, split: int) -> np.ndarray:
        stream, (count,) = self._open(split, "labels", axes=1)
        return np.frombuffer(self._take(stream, count, split, "labels"), np.uint8)

    def _open(self, split: int, part: str, axes: int) -> tuple[Stream, tuple[int, ...]]:
        """A stream behind the header, and the header's sizes."""
        file = self.files[split, part]
        stream: Stream = BytesIO(read_file(self.tree, file, limit=MAX_IDX_BYTES))
        if file.path.lower().endswith(".gz"):
            stream = gzip.GzipFile(fileobj=stream)
        header = self._take(stream, 4 * (1 + axes), split, part)
        magic, *sizes = struct.unpack(f">{1 + axes}I", header)
        if magic != 0x0800 | axes:
            raise ValueError(
                f"{file.path} is not an idx file of {part} (it begins with {magic:#010x})"
            )
        if np.prod(sizes, dtype=np.float64) > MAX_IDX_BYTES or min(sizes) == 0:
            raise ValueError(f"{file.path} declares the size {tuple(sizes)}; it is damaged")
        return stream, tuple(sizes)

    def _take(self, stream: Stream, count: int, split: int, part: str) -> bytes:
        try:
            data = stream.read(count)
        except (OSError, EOFError, zlib.error):
            data = b""
        if len(data) != count:
            path = self.files[split, part].path
            raise ValueError(f"{path} is truncated or damaged; fetch it again")
        return data
