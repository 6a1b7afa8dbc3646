"""MNIST idx files (LeCun et al., 1998; also Fashion-MNIST and KMNIST, which share names and format), gzipped or not.

28x28 greys become 28x28 RGB; the split of the files is kept.
"""

import gzip
import re
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO

import numpy as np

from latent_diffusion.data.decode import Unreadable
from latent_diffusion.data.layout import TEST, TRAIN, Item
from latent_diffusion.data.tree import File, Tree

NAME = re.compile(
    r"(train|t10k|test)[-_.](images|labels)[-_.]idx[13][-_.]ubyte(\.gz)?$", re.IGNORECASE
)
MAX_IDX_BYTES = 2**31
BATCH = 4096


class Mnist:
    """The idx files found in a tree. Read by `batches`, in the order of `items`."""

    def __init__(self, tree: Tree, files: dict[tuple[int, str], File]):
        self.tree, self.files = tree, files

    @classmethod
    def find(cls, tree: Tree, files: list[File]) -> "Mnist | None":
        """None when the tree holds no idx images with their labels. Unpacked files win over their .gz."""
        found = {}
        for file in sorted(files, key=lambda f: (f.path.lower().endswith(".gz"), f.path)):
            if match := NAME.search(file.path):
                split = TRAIN if match[1].lower() == "train" else TEST
                found.setdefault((split, match[2].lower()), file)
        splits = [
            split
            for split in (TRAIN, TEST)
            if (split, "images") in found and (split, "labels") in found
        ]
        return (
            cls(tree, {key: file for key, file in found.items() if key[0] in splits})
            if splits
            else None
        )

    def items(self) -> list[Item]:
        """One item an image, training ones first; class names are the digits, padded to sort as numbers do."""
        labels = {split: self._labels(split) for split, part in self.files if part == "labels"}
        width = len(str(max(int(part.max(initial=0)) for part in labels.values())))
        return [
            Item(f"{self.files[split, 'images'].path} image {i}", i, f"{label:0{width}d}", split)
            for split in sorted(labels)
            for i, label in enumerate(labels[split].tolist())
        ]

    def side(self) -> int:
        """Native image side, in pixels (the shorter one)."""
        return min(
            min(self._open(split, "images", 3)[1][1:])
            for split, part in self.files
            if part == "images"
        )

    def batches(self) -> Iterator[np.ndarray]:
        """uint8 (n, h, w, 3). Raises ValueError for truncated files."""
        for split in sorted({split for split, _ in self.files}):
            stream, (count, height, width) = self._open(split, "images", 3)
            if count != len(self._labels(split)):
                path = self.files[split, "images"].path
                raise ValueError(f"{path} holds {count} images, but its labels are another number")
            for start in range(0, count, BATCH):
                n = min(BATCH, count - start)
                grey = np.frombuffer(
                    self._take(stream, n * height * width, split, "images"), np.uint8
                )
                yield np.repeat(grey.reshape(n, height, width, 1), 3, axis=3)

    def _labels(self, split: int) -> np.ndarray:
        stream, (count,) = self._open(split, "labels", 1)
        return np.frombuffer(self._take(stream, count, split, "labels"), np.uint8)

    def _open(self, split: int, part: str, axes: int) -> tuple[BinaryIO, tuple[int, ...]]:
        """A stream behind the header, and the header's sizes."""
        file = self.files[split, part]
        try:
            stream = BytesIO(self.tree.read(file.place, limit=MAX_IDX_BYTES))
        except Unreadable as error:
            raise ValueError(f"{file.path}: {error}") from None
        if file.path.lower().endswith(".gz"):
            stream = gzip.GzipFile(fileobj=stream)
        magic, *sizes = struct.unpack(
            f">{1 + axes}I", self._take(stream, 4 * (1 + axes), split, part)
        )
        if magic != 0x0800 | axes:
            raise ValueError(
                f"{file.path} is not an idx file of {part} (it begins with {magic:#010x})"
            )
        if np.prod(sizes, dtype=np.float64) > MAX_IDX_BYTES or min(sizes) == 0:
            raise ValueError(f"{file.path} declares the size {tuple(sizes)}; it is damaged")
        return stream, tuple(sizes)

    def _take(self, stream: BinaryIO, count: int, split: int, part: str) -> bytes:
        try:
            data = stream.read(count)
        except (OSError, EOFError, zlib.error):
            data = b""
        if len(data) != count:
            raise ValueError(
                f"{self.files[split, part].path} is truncated or damaged; fetch it again"
            )
        return data
