"""SVHN's cropped digits (Netzer et al., 2011): MATLAB files of images and labels."""

import re
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO

import numpy as np
from einops import rearrange

from latent_diffusion.data.sources.array_sets import ArraySet, ArraySource, grouped
from latent_diffusion.data.sources.source import Asked, Found, Item, read_file
from latent_diffusion.data.split import TEST, TRAIN
from latent_diffusion.data.tree import File, Tree

NAME = re.compile(r"(?P<split>train|test|extra)_(?P<part>32x32)\.mat")
SIDE = 32
MAX_MAT_BYTES = 2**30  # also when unpacked; the training digits are 225 MB
PACKED, BLOCK = 15, 2**20  # type of an element of a .mat that is packed; bytes unpacked at once
NUMBERS = {"uint8", "uint16", "int16", "int32", "double", "single"}
SPLITS = {"train": TRAIN, "test": TEST}


class Svhn(ArraySource):
    """Digits of house numbers; never mirrored. The larger, easier "extra" set is not taken."""

    accepts = "SVHN's .mat files"

    def sets(self, files: list[File]) -> list[ArraySet]:
        return grouped(files, NAME)

    def is_whole(self, found: ArraySet) -> bool:
        return any(f"{split} 32x32" in found.files for split in SPLITS)

    def open(self, asked: Asked, found: ArraySet) -> Found:
        parts = [
            (found.files[f"{split} 32x32"], value)
            for split, value in SPLITS.items()
            if f"{split} 32x32" in found.files
        ]
        mats = MatFiles([(file.path, split, *read_mat(asked.tree, file)) for file, split in parts])
        extra = found.files.get("extra 32x32")
        notes = [f"{extra.path}, further and easier digits, is not taken"] if extra else []
        return Found("SVHN", mats.items(), mats, native_size=SIDE, flip=False, notes=notes)


class MatFiles:
    """Images and labels of some files, held (300 MB in all), in the order of `items`."""

    def __init__(self, parts: list[tuple[str, int, np.ndarray, np.ndarray]]):
        self.parts = parts  # path, split, images uint8 (32, 32, 3, n), labels (n,)

    def items(self) -> list[Item]:
        """Return one item an image."""
        return [
            Item(f"{path} image {i}", i, str(label % 10), split)  # 10 is the digit 0
            for path, split, _, labels in self.parts
            for i, label in enumerate(labels.tolist())
        ]

    def batches(self) -> Iterator[np.ndarray]:
        """Yield all images, uint8 (n, 32, 32, 3)."""
        for _, _, images, _ in self.parts:
            yield rearrange(images, "h w c n -> n h w c")


def check_unpacked(data: bytes) -> None:
    """Raise ValueError for a .mat whose packed elements would take more memory than they may.

    An element has its type and length before it, after a header of 128 bytes.
    """
    position, left = 128, MAX_MAT_BYTES
    order = ">" if data[126:128] == b"MI" else "<"
    while position + 8 <= len(data):
        kind, length = struct.unpack_from(f"{order}2I", data, position)
        if kind == PACKED:
            unpacker, rest = zlib.decompressobj(), data[position + 8 : position + 8 + length]
            while rest and not unpacker.eof:
                left -= len(unpacker.decompress(rest, BLOCK))
                rest = unpacker.unconsumed_tail
                if left < 0:
                    raise ValueError("it unpacks to more than it may")
        position += 8 + length


def read_mat(tree: Tree, file: File) -> tuple[np.ndarray, np.ndarray]:
    """Return images uint8 (32, 32, 3, n) and labels int64 (n,); raise ValueError for damage."""
    from scipy.io import loadmat, whosmat

    data = read_file(tree, file, limit=MAX_MAT_BYTES)
    try:
        check_unpacked(data)
        kinds = {name: kind for name, _, kind in whosmat(BytesIO(data))}
        if not {kinds["X"], kinds["y"]} <= NUMBERS:
            raise ValueError("no arrays of numbers")
        record = loadmat(BytesIO(data), variable_names=["X", "y"])
        images, labels = record["X"], np.asarray(record["y"], np.int64).ravel()
    except Exception:  # it is damaged in as many ways as there are types in MATLAB
        raise ValueError(f"{file.path} is not SVHN's, or damaged; fetch it again") from None
    right = (SIDE, SIDE, 3, len(labels))
    if images.dtype != np.uint8 or images.shape != right or not np.isin(labels, range(1, 11)).all():
        raise ValueError(f"{file.path} does not hold 32x32 digits with labels from 1 to 10")
    return images, labels
