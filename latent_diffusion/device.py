"""Where networks run, in which precision, and on how many rows at a time.

Trainings choose what pays; whoever loads a trained network uses what its run recorded.
"""

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

Precision = Literal["auto", "bfloat16", "float32"]
Network = TypeVar("Network", bound=nn.Module)
SHARE_OF_MEMORY = 0.4  # of a GPU's free memory, for a data set that stays there
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "storage size calculation overflowed")
WORTHWHILE = 1.2  # bf16 must be this much faster to be chosen


def available_devices() -> list[str]:
    """Return the kinds of devices that are here, the fastest first."""
    found = []
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of this name; "auto" is cuda, then mps, then cpu.

    Raise ValueError for a device that is not here.
    """
    available = available_devices()
    if name == "auto":
        name = available[0]
    if name.partition(":")[0] not in ("cpu", "cuda", "mps"):
        raise ValueError(f"--device {name} is none of auto, cuda, mps and cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):
        others = ", ".join(reversed(available))
        raise ValueError(f"device {name!r} is not available here: use {others} or auto") from None
    return device


def choose_precision(precision: str, device: torch.device) -> str:
    """Return the precision that "auto" stands for on this device; any other is returned as it is.

    It is bfloat16 on a GPU that has it (from compute capability 8.0 on), and on a CPU where a 3x3
    convolution, forward and backward, measures clearly faster in it.
    """
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.get_device_capability(device) >= (8, 0) else "float32"
    if device.type != "cpu":
        return "float32"
    seconds = {}
    convolution = place(nn.Conv2d(128, 128, 3, padding=1), device)
    images = torch.randn(16, 128, 16, 16).to(memory_format=torch.channels_last)
    for candidate in ("float32", "bfloat16"):
        times = []
        for _ in range(6):
            start = time.perf_counter()
            with autocast(device, candidate):
                convolution(images).float().sum().backward()
            times.append(time.perf_counter() - start)
        seconds[candidate] = min(times[1:])
    return "bfloat16" if seconds["float32"] > WORTHWHILE * seconds["bfloat16"] else "float32"


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Return the context in which networks compute in this precision, bfloat16 or float32."""
    assert precision in ("bfloat16", "float32")
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory is short.

    CUDA and MPS say so in words, a CPU's allocator in others, NumPy by its type.
    """
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(words in text for words in OUT_OF_MEMORY)


def place(network: Network, device: torch.device) -> Network:
    """Move a network to the device, with convolutions channels last.

    That is the faster order in float32 and on a GPU.
    """
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def in_compute_batches(network: Callable[..., Tensor], size: int) -> Callable[..., Tensor]:
    """Return the same function of any number of rows, run on exactly `size` rows at a time.

    The last rows are padded. Kernels change with the batch, and so do the last bits of what they
    give: on one fixed batch a row comes out the same in whatever company.
    """

    def run(*tensors: Tensor) -> Tensor:
        rows, outputs = len(tensors[0]), []
        for start in range(0, rows, size):
            chunk = [tensor[start : start + size] for tensor in tensors]
            missing = size - len(chunk[0])
            if missing:
                chunk = [padded(part, missing) for part in chunk]
            outputs.append(network(*chunk)[: size - missing])
        return torch.cat(outputs)

    return run


def padded(rows: Tensor, missing: int) -> Tensor:
    """Return rows (N, …) with the first one repeated behind them: (N + missing, …)."""
    return torch.cat([rows, rows[:1].expand(missing, *rows.shape[1:])])


class Vanished(ValueError):
    """A file of rows is gone, or shorter than it was."""


class FileRows:
    """Rows of a memory-mapped array (N, …), read from its file.

    Reading through the mapping would end the process where the file has shrunk, and brings along
    what lies around each row.
    """

    def __init__(self, array: np.memmap):
        whole = array
        while isinstance(whole.base, np.memmap):
            whole = whole.base  # whose offset is right: that of a part is not
        first = array.ctypes.data - whole.ctypes.data
        self.path, self.start = Path(str(array.filename)), whole.offset + first
        self.shape, self.dtype = array.shape[1:], array.dtype
        self.size = array[:1].nbytes  # of a row
        self.file = self.path.open("rb")

    @classmethod
    def of(cls, array: np.ndarray) -> "FileRows | None":
        """Return the rows of an array that maps a file without gaps, None for any other."""
        if not isinstance(array, np.memmap) or not array.flags.c_contiguous or not len(array):
            return None
        return cls(array) if Path(str(array.filename)).is_file() else None

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        found = np.empty((len(rows), *self.shape), self.dtype)
        for place, row in enumerate(rows.tolist()):
            try:
                content = os.pread(self.file.fileno(), self.size, self.start + row * self.size)
            except OSError as error:
                raise Vanished(f"{self.path} cannot be read any more: {error.strerror}") from None
            if len(content) < self.size:
                raise Vanished(f"{self.path} is shorter than it was: somebody writes to it")
            found[place] = np.frombuffer(content, self.dtype).reshape(self.shape)
        return found


def read_rows(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return some rows (n,) of an array (N, …); of a memory-mapped one they are read."""
    found: np.ndarray = (FileRows.of(array) or array)[rows]
    return found


class DeviceRows:
    """Rows of an array (N, …), also a memory-mapped one, as tensors on a device.

    A GPU with room for the whole array gets it once, and a step then copies only row numbers.
    """

    def __init__(self, array: np.ndarray, device: torch.device, room: int | None = None):
        """room: bytes that may be taken; by default a share of a GPU's free memory, 0 elsewhere."""
        if room is None and device.type == "cuda":
            room = int(SHARE_OF_MEMORY * torch.cuda.mem_get_info(device)[0])
        self.array, self.device = array, device
        resident = array.nbytes <= (room or 0)
        self.whole = torch.from_numpy(np.array(array)).to(device) if resident else None
        self.rows = FileRows.of(array) or array

    def __getitem__(self, rows: np.ndarray) -> Tensor:
        if self.whole is None:
            return torch.from_numpy(self.rows[rows]).to(self.device)
        numbers = torch.from_numpy(rows)
        if self.device.type == "cuda":
            numbers = numbers.pin_memory().to(self.device, non_blocking=True)
        return self.whole[numbers]


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has done what it was asked for, so that a clock can be read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
