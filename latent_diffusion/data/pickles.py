"""CIFAR's pickles (Krizhevsky, 2009), read by an unpickler that cannot execute code.

It knows four names and calls none of NumPy's or Python's own functions for them.
"""

import pickle
import pickletools
from io import BytesIO
from typing import Any, ClassVar

import numpy as np

MOST_TUPLES = 100  # a batch has a few, around its array


def entry(record: dict[Any, Any], name: str) -> Any:
    """Return an entry of a pickle, whose names are text or, as Python 2 wrote it, bytes."""
    return record.get(name, record.get(name.encode()))


def are_labels(labels: Any) -> bool:
    """Return whether this is a list of whole numbers that fit into a byte."""
    return isinstance(labels, list) and all(
        type(label) is int and 0 <= label < 256 for label in labels
    )


def load_pickle(data: bytes, path: str) -> dict[Any, Any]:
    """Return the dictionary in a CIFAR pickle.

    Raises ValueError for damage, and for a pickle that asks for anything more.
    """
    try:
        check_opcodes(data)
        record = Unpickler(BytesIO(data), encoding="bytes").load()
    except Exception as error:
        raise ValueError(
            f"{path} is not a plain CIFAR pickle and was not loaded: {error}"
        ) from None
    if not isinstance(record, dict):
        raise ValueError(f"{path} is not a CIFAR batch")
    return record


def check_opcodes(data: bytes) -> None:
    """Raise ValueError for a pickle that would take memory or the stack beyond its own size.

    A memo may be asked for at any number, and tuples in tuples are hashed by recursion.
    """
    tuples = number = 0
    for number, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        tuples += "TUPLE" in opcode.name or opcode.name == "FROZENSET"
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and (argument or 0) > number:
            raise ValueError("its memo has gaps")
    if tuples > MOST_TUPLES:
        raise ValueError(f"it holds {tuples} tuples")


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
    """Knows what CIFAR's pickles name, and refuses everything else."""

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
