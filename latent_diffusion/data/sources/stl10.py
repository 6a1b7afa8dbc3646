"""STL-10 (Coates et al., 2011): images column by column and labels, as binary files."""

import re
from collections.abc import Iterator

import numpy as np
from einops import rearrange

from latent_diffusion.data.sources.array_sets import ArraySet, ArraySource, beside, grouped
from latent_diffusion.data.sources.cifar import class_names
from latent_diffusion.data.sources.source import Asked, Found, Item, read_file
from latent_diffusion.data.split import TEST, TRAIN
from latent_diffusion.data.tree import File, Tree

NAME = re.compile(r"(?P<split>train|test|unlabeled)_(?P<part>[Xy])\.bin")
SIDE = 96
PIXELS = 3 * SIDE * SIDE
SPLITS = {"train": TRAIN, "test": TEST}
CLASSES = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"]


class Stl10(ArraySource):
    """The labelled images; the 100,000 unlabelled ones have no class and are not taken."""

    accepts = "STL-10's .bin files"

    def sets(self, files: list[File]) -> list[ArraySet]:
        return grouped(files, NAME)

    def is_whole(self, found: ArraySet) -> bool:
        return bool(found.pairs("x", "y", list(SPLITS)))

    def open(self, asked: Asked, found: ArraySet) -> Found:
        listed = beside(asked.listing.files, found.folder, "class_names.txt")
        names = CLASSES if listed is None else class_names(asked.tree, listed, "")
        items: list[Item] = []
        parts = []
        for split in found.pairs("x", "y", list(SPLITS)):
            images = found.files[f"{split} x"]
            labels = read_labels(asked.tree, found.files[f"{split} y"], len(names))
            parts.append((images, len(labels)))
            items += [
                Item(f"{images.path} image {i}", i, names[label - 1], SPLITS[split])
                for i, label in enumerate(labels.tolist())
            ]
        unlabelled = found.files.get("unlabeled x")
        notes = [f"{unlabelled.path} has no labels and is not taken"] if unlabelled else []
        columns = Columns(asked.tree, parts)
        return Found("STL-10", items, columns, native_size=SIDE, notes=notes)


def read_labels(tree: Tree, file: File, classes: int) -> np.ndarray:
    """Return labels uint8 (n,) from 1 to `classes`; raise ValueError for any other."""
    labels = np.frombuffer(read_file(tree, file), np.uint8)
    if not len(labels) or labels.min() < 1 or labels.max() > classes:
        raise ValueError(f"{file.path} must hold labels from 1 to {classes}")
    return labels


class Columns:
    """Files of images whose planes are stored column by column, read one after the other."""

    def __init__(self, tree: Tree, parts: list[tuple[File, int]]):
        self.tree = tree
        self.parts = parts  # each with its number of labels

    def batches(self) -> Iterator[np.ndarray]:
        """Yield all images, uint8 (n, 96, 96, 3); raise ValueError for truncated files."""
        for file, count in self.parts:
            data = read_file(self.tree, file)
            if len(data) != count * PIXELS:
                raise ValueError(
                    f"{file.path} holds {len(data)} bytes, and its {count} labels want "
                    f"{count * PIXELS}: it is truncated, or of another set"
                )
            planes = np.frombuffer(data, np.uint8)
            yield rearrange(planes, "(n c w h) -> n h w c", c=3, w=SIDE, h=SIDE)
