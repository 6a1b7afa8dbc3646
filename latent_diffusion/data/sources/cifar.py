"""CIFAR-10 batches (Krizhevsky, 2009): the Python version (pickles) and the binary one, in a folder, .zip or .tar.gz.

The pickles are read by an unpickler that knows four names and calls none of NumPy's or Python's own functions for
them, so a batch file cannot execute code.
"""

import pickle
import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
from einops import rearrange

from latent_diffusion.data.decode import Unreadable
from latent_diffusion.data.layout import TEST, TRAIN, Item
from latent_diffusion.data.tree import File, Tree

NAME = re.compile(r"(?:^|/)(data_batch_\d+|test_batch)(\.bin)?$")
META = re.compile(r"(?:^|/)batches\.meta(\.txt)?$")
SIDE = 32
PIXELS = 3 * SIDE * SIDE
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


class Cifar:
    """The batches found in a tree, read once and held (180 MB in all). Their images come in the order of `items`."""

    def __init__(self, tree: Tree, files: list[File], meta: File | None):
        """Raises ValueError for damaged files."""
        self.tree, self.files = tree, files
        self.names = self._class_names(meta)
        self.parts = [self._read(file) for file in files]

    @classmethod
    def find(cls, tree: Tree, files: list[File]) -> "Cifar | None":
        """None when the tree holds no training batch. Training batches come before the test batch, by name."""
        batches = [file for file in files if NAME.search(file.path)]
        if not any("data_batch" in file.path for file in batches):
            return None
        suffix = NAME.search(batches[0].path)[2]  # one version, should both lie there
        batches = [file for file in batches if NAME.search(file.path)[2] == suffix]
        return cls(tree, batches, next((file for file in files if META.search(file.path)), None))

    def items(self) -> list[Item]:
        items = []
        for file, (labels, _) in zip(self.files, self.parts, strict=True):
            split = TEST if NAME.search(file.path)[1] == "test_batch" else TRAIN
            if labels.max(initial=0) >= len(self.names):
                raise ValueError(
                    f"{file.path} has the label {labels.max()}, but there are {len(self.names)} classes"
                )
            names = [self.names[label] for label in labels]
            items += [
                Item(f"{file.path} image {i}", i, name, split) for i, name in enumerate(names)
            ]
        return items

    def side(self) -> int:
        return SIDE

    def batches(self) -> Iterator[np.ndarray]:
        """uint8 (n, 32, 32, 3)."""
        for _, pixels in self.parts:
            yield rearrange(pixels, "n (c h w) -> n h w c", c=3, h=SIDE, w=SIDE)

    def _read(self, file: File) -> tuple[np.ndarray, np.ndarray]:
        """Labels uint8 (n,) and pixels uint8 (n, 3072): red, green, blue planes. Raises ValueError."""
        data = self._bytes(file)
        if file.path.endswith(".bin"):
            if not data or len(data) % (1 + PIXELS):
                raise ValueError(
                    f"{file.path} is truncated: {len(data)} bytes are not a multiple of {1 + PIXELS}"
                )
            rows = np.frombuffer(data, np.uint8).reshape(-1, 1 + PIXELS)
            return rows[:, 0], rows[:, 1:]
        batch = load_pickle(data, file.path)
        labels, pixels = (batch.get(key, batch.get(key.encode())) for key in ("labels", "data"))
        pixels = pixels.array(file.path) if isinstance(pixels, PickledArray) else None
        are_labels = isinstance(labels, list) and all(
            type(label) is int and 0 <= label < 256 for label in labels
        )
        if not are_labels or pixels is None or pixels.shape != (len(labels), PIXELS):
            raise ValueError(f"{file.path} is not a CIFAR-10 batch")
        return np.array(labels, np.uint8), pixels

    def _class_names(self, meta: File | None) -> list[str]:
        if meta is None:
            return CLASSES
        if meta.path.endswith(".txt"):
            names = self._bytes(meta).decode("utf-8", "replace").split()
        else:
            record = load_pickle(self._bytes(meta), meta.path)
            names = record.get("label_names", record.get(b"label_names"))
            names = [
                n.decode("utf-8", "replace") if isinstance(n, bytes) else n for n in names or []
            ]
        if (
            not names
            or not all(isinstance(name, str) for name in names)
            or len(set(names)) != len(names)
        ):
            raise ValueError(f"{meta.path} does not list the class names")
        return names

    def _bytes(self, file: File) -> bytes:
        try:
            return self.tree.read(file.place)
        except Unreadable as error:
            raise ValueError(f"{file.path}: {error}") from None


def load_pickle(data: bytes, path: str) -> dict:
    """The dictionary in a CIFAR-10 pickle. Raises ValueError for damage, and for any that asks for more."""
    try:
        record = Unpickler(BytesIO(data), encoding="bytes").load()
    except Exception as error:
        raise ValueError(
            f"{path} is not a plain CIFAR-10 pickle and was not loaded: {error}"
        ) from None
    if not isinstance(record, dict):
        raise ValueError(f"{path} is not a CIFAR-10 batch")
    return record


class PickledArray:
    """Stands in for numpy.ndarray while unpickling: keeps what the file says, to be checked before it is believed."""

    def __init__(self, *_):
        self.state: Any = None

    def __setstate__(self, state: Any):
        self.state = state

    def array(self, path: str) -> np.ndarray:
        """uint8, of the shape in the file. Raises ValueError for any other type or a wrong length."""
        try:
            _, shape, dtype, is_fortran, data = self.state
            if dtype.name not in ("u1", b"u1") or is_fortran:
                raise ValueError
            return np.frombuffer(data, np.uint8).reshape(shape)
        except (TypeError, ValueError, AttributeError):
            raise ValueError(f"{path} does not hold uint8 pixels") from None


class PickledType:
    """Stands in for numpy.dtype."""

    def __init__(self, name: Any = None, *_):
        self.name = name

    def __setstate__(self, state: Any):
        """Byte order and alignment, which uint8 has not."""


def reconstruct(*_) -> PickledArray:
    return PickledArray()


def encode(text: str, _: str) -> bytes:
    """How Python 3 writes bytes in the old pickle protocols."""
    return text.encode("latin1")


class Unpickler(pickle.Unpickler):
    KNOWN = {
        ("numpy.core.multiarray", "_reconstruct"): reconstruct,
        ("numpy._core.multiarray", "_reconstruct"): reconstruct,
        ("numpy", "ndarray"): PickledArray,
        ("numpy", "dtype"): PickledType,
        ("_codecs", "encode"): encode,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.KNOWN:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return self.KNOWN[module, name]
