"""Where networks run and in which precision. Training chooses what pays; sampling uses what the run recorded."""

import time
from contextlib import AbstractContextManager
from typing import Literal

import numpy as np
import torch
from torch import nn

Precision = Literal["auto", "bfloat16", "float32"]
SHARE_OF_MEMORY = 0.4  # of a GPU's free memory, for a data set that stays there
WORTHWHILE = 1.2  # bf16 must be this much faster to be chosen


def choose_device(name: str = "auto") -> torch.device:
    """cuda, then mps, then cpu for "auto"; ValueError for a device that is not there."""
    if name == "auto":
        name = (
            "cuda"
            if torch.cuda.is_available()
            else "mps"
            if torch.backends.mps.is_available()
            else "cpu"
        )
    if name.partition(":")[0] not in ("cpu", "cuda", "mps"):
        raise ValueError(f"--device {name} is none of auto, cuda, mps and cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):
        raise ValueError(
            f"device {name!r} is not available here: use cpu"
            + (", cuda" if torch.cuda.is_available() else "")
            + (", mps" if torch.backends.mps.is_available() else "")
            + " or auto"
        ) from None
    return device


def choose_precision(precision: str, device: torch.device) -> str:
    """ "auto" becomes bfloat16 on a GPU that has it (from compute capability 8.0 on), and on a CPU where a 3x3 convolution,
    forward and backward, measures clearly faster in it."""
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


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    assert precision in ("bfloat16", "float32")
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


def is_out_of_memory(error: Exception) -> bool:
    """Whatever the device: CUDA and MPS say so in words, a CPU's allocator in others, NumPy by its type."""
    text = str(error).lower()
    return (
        isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text
    )


def place(network: nn.Module, device: torch.device) -> nn.Module:
    """On the device, with convolutions channels last, which is the faster order in float32 and on a GPU."""
    return network.to(device, memory_format=torch.channels_last)


class DeviceRows:
    """Rows of an array (N, …), also a memory-mapped one, as tensors on a device.

    A GPU with room for the whole array gets it once, and a step then copies nothing but row numbers.
    """

    def __init__(self, array: np.ndarray, device: torch.device, room: int | None = None):
        """room: bytes that may be taken; by default a share of the free memory of a GPU, and none elsewhere."""
        if room is None:
            room = (
                int(SHARE_OF_MEMORY * torch.cuda.mem_get_info(device)[0])
                if device.type == "cuda"
                else 0
            )
        self.array, self.device = array, device
        self.whole = torch.from_numpy(np.array(array)).to(device) if array.nbytes <= room else None

    def __getitem__(self, rows: np.ndarray) -> torch.Tensor:
        if self.whole is None:
            return torch.from_numpy(self.array[rows]).to(self.device)
        numbers = torch.from_numpy(rows)
        return self.whole[
            numbers.pin_memory().to(self.device, non_blocking=True)
            if self.device.type == "cuda"
            else numbers
        ]


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
