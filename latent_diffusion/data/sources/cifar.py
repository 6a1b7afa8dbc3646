"""CIFAR-10 batches (Krizhevsky, 2009): pickles or binaries, in a folder, .zip or .tar.gz."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from einops import rearrange

from latent_diffusion.data.pickles import PickledArray, entry, load_pickle
from latent_diffusion.data.sources.array_sets import ArraySet, ArraySource, beside
from latent_diffusion.data.sources.source import Asked, Found, Item, read_file
from latent_diffusion.data.split import TEST, TRAIN
from latent_diffusion.data.tree import File, Tree

NAME = re.compile(r"(?P<folder>(?:.*/)?)(?:data_batch_\d+|test_batch)(?P<form>\.bin)?")
SIDE = 32
PIXELS = 3 * SIDE * SIDE
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


class Cifar(ArraySource):
    """The Python version (pickles) and the binary one, with the split of the batches."""

    accepts = "CIFAR-10 batches"

    def sets(self, files: list[File]) -> list[ArraySet]:
        found: dict[tuple[str, str], dict[str, File]] = {}
        for file in files:
            if match := NAME.fullmatch(file.path):
                key = match["folder"], match["form"] or ""
                found.setdefault(key, {})[file.path.removeprefix(match["folder"])] = file
        for (folder, form), parts in found.items():
            meta = beside(files, folder, "batches.meta.txt" if form else "batches.meta")
            if meta is not None:
                parts["meta"] = meta
        return [ArraySet(folder, "", parts) for (folder, _), parts in sorted(found.items())]

    def is_whole(self, found: ArraySet) -> bool:
        return any(name.startswith("data_batch") for name in found.files)

    def open(self, asked: Asked, found: ArraySet) -> Found:
        meta = found.files.get("meta")
        names = CLASSES if meta is None else class_names(asked.tree, meta, "label_names")
        files = [file for name, file in sorted(found.files.items()) if name != "meta"]
        batches = CifarBatches([read_batch(asked.tree, file) for file in files])
        return Found("CIFAR-10", batches.items(names), batches, native_size=SIDE)


class Batch(NamedTuple):
    """One file of images."""

    path: str
    split: int  # TRAIN or TEST
    labels: np.ndarray  # uint8 (n,)
    pixels: np.ndarray  # uint8 (n, 3072): red, green, blue planes


class CifarBatches:
    """The batches, read once and held (180 MB in all), in the order of `items`."""

    def __init__(self, parts: list[Batch]):
        self.parts = parts

    def items(self, names: list[str]) -> list[Item]:
        """Return one item an image; raise ValueError for a label without a name."""
        items = []
        for path, split, labels, _ in self.parts:
            if labels.max(initial=0) >= len(names):
                raise ValueError(
                    f"{path} has the label {labels.max()}, but there are {len(names)} classes"
                )
            for i, label in enumerate(labels):
                items.append(Item(f"{path} image {i}", i, names[label], split))
        return items

    def batches(self) -> Iterator[np.ndarray]:
        """Yield all images, uint8 (n, 32, 32, 3)."""
        for part in self.parts:
            yield rearrange(part.pixels, "n (c h w) -> n h w c", c=3, h=SIDE, w=SIDE)


def read_batch(
    tree: Tree, file: File, key: str = "labels", label_bytes: int = 1, label_at: int = 0
) -> Batch:
    """Return the labels and pixels of one file; raise ValueError for damage.

    key: what a pickle calls the labels. label_bytes, label_at: how many labels stand before the
    pixels of each image of a binary file, and which of them counts.
    """
    data = read_file(tree, file)
    split = TEST if "test" in file.path.rpartition("/")[2] else TRAIN
    if file.path.endswith(".bin"):
        length = label_bytes + PIXELS
        if not data or len(data) % length:
            raise ValueError(
                f"{file.path} is truncated: {len(data)} bytes are not a multiple of {length}"
            )
        rows = np.frombuffer(data, np.uint8).reshape(-1, length)
        return Batch(file.path, split, rows[:, label_at], rows[:, label_bytes:])
    record = load_pickle(data, file.path)
    labels = entry(record, key)
    pixels = entry(record, "data")
    if not are_labels(labels) or not isinstance(pixels, PickledArray):
        raise ValueError(f"{file.path} is not a CIFAR batch")
    array = pixels.array(file.path)
    if array.shape != (len(labels), PIXELS):
        raise ValueError(f"{file.path} is not a CIFAR batch")
    return Batch(file.path, split, np.array(labels, np.uint8), array)


def class_names(tree: Tree, meta: File, key: str) -> list[str]:
    """Return the class names that a .txt file, or `key` of a pickle, lists.

    Raises ValueError for damage.
    """
    data = read_file(tree, meta)
    if meta.path.endswith(".txt"):
        names = data.decode("utf-8", "replace").split()
    else:
        listed = entry(load_pickle(data, meta.path), key) or []
        names = [n.decode("utf-8", "replace") if isinstance(n, bytes) else n for n in listed]
    are_names = bool(names) and all(isinstance(name, str) for name in names)
    if not are_names or len(set(names)) != len(names):
        raise ValueError(f"{meta.path} does not list the class names")
    return names


def are_labels(labels: Any) -> bool:
    """Return whether this is a list of whole numbers that fit into a byte."""
    return isinstance(labels, list) and all(
        type(label) is int and 0 <= label < 256 for label in labels
    )
