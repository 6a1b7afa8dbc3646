"""One process or several (torchrun): which one am I, who writes, how gradients are shared."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import nn

from latent_diffusion.progress import say


@dataclass(frozen=True)
class World:
    """This process among all: `rank` of `size`. The first one writes files and speaks."""

    rank: int
    size: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Return whether this is the process that writes and speaks."""
        return self.rank == 0

    def say(self, text: str) -> None:
        """Tell the user, once: only the first process speaks."""
        if self.first:
            say(text)

    def wrap(self, module: nn.Module) -> nn.Module:
        """Return the module whose gradients are shared among the processes."""
        if self.size == 1:
            return module
        return nn.parallel.DistributedDataParallel(module, broadcast_buffers=False)

    def barrier(self) -> None:
        """Wait for the others."""
        if self.size > 1:
            torch.distributed.barrier()

    def agree(self, value: str) -> str:
        """Return the first process's value, in all of them."""
        values = [value]
        if self.size > 1:
            torch.distributed.broadcast_object_list(values, src=0)
        return values[0]

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set in any process, so that all stop at the same step."""
        if self.size == 1:
            return flag
        tensor = torch.tensor(float(flag), device=self.device)
        torch.distributed.all_reduce(tensor)
        return bool(tensor.item())

    def any_on_device(self, flag: torch.Tensor) -> torch.Tensor:
        """Return whether a flag, () bool on the device, is set in any process, without waiting."""
        if self.size == 1:
            return flag
        counted = flag.float()
        torch.distributed.all_reduce(counted)
        return counted > 0


def is_first() -> bool:
    """Return whether this process will be the one that writes, before it joins the others."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def world(device: torch.device) -> Iterator[World]:
    """Give the World of this process; it joins the group that torchrun announces."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World(0, 1, device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    backend = "nccl" if device.type == "cuda" else "gloo"
    patience = timedelta(hours=2)  # one process may prepare for all
    torch.distributed.init_process_group(backend, timeout=patience)
    try:
        yield World(torch.distributed.get_rank(), size, device)
    finally:
        torch.distributed.destroy_process_group()
