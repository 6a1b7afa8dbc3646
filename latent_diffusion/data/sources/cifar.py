"""CIFAR-10 batches (Krizhevsky, 2009): pickles or binaries, in a folder, .zip or .tar.gz.

The pickles are read by an unpickler that knows four names and calls none of NumPy's or Python's own
functions for them, so a batch file cannot execute code.
"""

import pickle
import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any, ClassVar, NamedTuple

import numpy as np
from einops import rearrange

from latent_diffusion.data.sources.source import Asked, Found, Item, Source, read_file
from latent_diffusion.data.split import TEST, TRAIN
from latent_diffusion.data.tree import File, Tree

NAME = re.compile(r"(?:^|/)(data_batch_\d+|test_batch)(\.bin)?$")
META = re.compile(r"(?:^|/)batches\.meta(\.txt)?$")
SIDE = 32
PIXELS = 3 * SIDE * SIDE
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


class Cifar(Source):
    """The Python version (pickles) and the binary one, with the split of the batches."""

    accepts = "CIFAR-10 batches"

    def find(self, asked: Asked) -> Found | None:
        files = batch_files(asked.listing.files)
        if not files:
            return None
        meta = next((file for file in asked.listing.files if META.search(file.path)), None)
        names = CLASSES if meta is None else class_names(asked.tree, meta)
        batches = CifarBatches([read_batch(asked.tree, file) for file in files])
        return Found("CIFAR-10", batches.items(names), batches, native_size=SIDE)


def batch_files(files: list[File]) -> list[File]:
    """Return the batches of one version, training ones first; none without a training batch."""
    versions: dict[str | None, list[File]] = {}  # by suffix
    for file in files:
        match = NAME.search(file.path)
        if match:
            versions.setdefault(match[2], []).append(file)
    for batches in versions.values():
        if any("data_batch" in file.path for file in batches):
            return batches
    return []


class Batch(NamedTuple):
    """One file of images."""

    path: str
    labels: np.ndarray  # uint8 (n,)
    pixels: np.ndarray  # uint8 (n, 3072): red, green, blue planes


class CifarBatches:
    """The batches, read once and held (180 MB in all), in the order of `items`."""

    def __init__(self, parts: list[Batch]):
        self.parts = parts

    def items(self, names: list[str]) -> list[Item]:
        """Return one item an image; raise ValueError for a label without a name."""
        items = []
        for path, labels, _ in self.parts:
            split = TEST if path.removesuffix(".bin").endswith("test_batch") else TRAIN
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


def read_batch(tree: Tree, file: File) -> Batch:
    """Return the labels and pixels of one file; raise ValueError for damage."""
    data = read_file(tree, file)
    if file.path.endswith(".bin"):
        if not data or len(data) % (1 + PIXELS):
            raise ValueError(
                f"{file.path} is truncated: {len(data)} bytes are not a multiple of {1 + PIXELS}"
            )
        rows = np.frombuffer(data, np.uint8).reshape(-1, 1 + PIXELS)
        return Batch(file.path, rows[:, 0], rows[:, 1:])
    record = load_pickle(data, file.path)
    labels = entry(record, "labels")
    pixels = entry(record, "data")
    if not are_labels(labels) or not isinstance(pixels, PickledArray):
        raise ValueError(f"{file.path} is not a CIFAR-10 batch")
    array = pixels.array(file.path)
    if array.shape != (len(labels), PIXELS):
        raise ValueError(f"{file.path} is not a CIFAR-10 batch")
    return Batch(file.path, np.array(labels, np.uint8), array)


def class_names(tree: Tree, meta: File) -> list[str]:
    """Return the names that batches.meta or batches.meta.txt lists; raise ValueError for damage."""
    data = read_file(tree, meta)
    if meta.path.endswith(".txt"):
        names = data.decode("utf-8", "replace").split()
    else:
        listed = entry(load_pickle(data, meta.path), "label_names") or []
        names = [n.decode("utf-8", "replace") if isinstance(n, bytes) else n for n in listed]
    are_names = bool(names) and all(isinstance(name, str) for name in names)
    if not are_names or len(set(names)) != len(names):
        raise ValueError(f"{meta.path} does not list the class names")
    return names


def entry(record: dict[Any, Any], name: str) -> Any:
    """Return an entry of a pickle, whose names are text or, as Python 2 wrote it, bytes."""
    return record.get(name, record.get(name.encode()))


def are_labels(labels: Any) -> bool:
    """Return whether this is a list of whole numbers that fit into a byte."""
    return isinstance(labels, list) and all(
        type(label) is int and 0 <= label < 256 for label in labels
    )


def load_pickle(data: bytes, path: str) -> dict[Any, Any]:
    """Return the dictionary in a CIFAR-10 pickle.

    Raises ValueError for damage, and for a pickle that asks for anything more.
    """
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
    """Stands in for numpy.ndarray while unpickling.

    It keeps what the file says, to be checked before it is believed.
    """

    def __init__(self, *_: Any):
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def array(self, path: str) -> np.ndarray:
        """Return uint8 of the shape in the file; raise ValueError for another type or length."""
        try:
            _, shape, dtype, is_fortran, data = self.state
            if dtype.name not in ("u1", b"u1") or is_fortran:
                raise ValueError
            return np.frombuffer(data, np.uint8).reshape(shape)
        except (TypeError, ValueError, AttributeError):
            raise ValueError(f"{path} does not hold uint8 pixels") from None


class PickledType:
    """Stands in for numpy.dtype."""

    def __init__(self, name: Any = None, *_: Any):
        self.name = name

    def __setstate__(self, state: Any) -> None:
        """Drop byte order and alignment, which uint8 has not."""


def reconstruct(*_: Any) -> PickledArray:
    """Stand in for NumPy's function of that name, which makes an empty array."""
    return PickledArray()


def encode(text: str, _: str) -> bytes:
    """Return the bytes that Python 3 wrote as text in the old pickle protocols."""
    return text.encode("latin1")


class Unpickler(pickle.Unpickler):
    """Knows what CIFAR-10's pickles name, and refuses everything else."""

    KNOWN: ClassVar[dict[tuple[str, str], Any]] = {
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
