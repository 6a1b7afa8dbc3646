"""One process or several (torchrun): which one am I, who writes, how work is shared.

Trainings share gradients through a World; encoding, sampling and scoring take turns (`in_turns`).
"""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TypeVar

import torch
from torch import Tensor, nn

from latent_diffusion.progress import hushed, say

LOST = ("connection closed by peer", "connection reset by peer", "broken pipe", "ncclremoteerror")
Value = TypeVar("Value")
Item = TypeVar("Item")


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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # an old name
            return nn.parallel.DistributedDataParallel(module, broadcast_buffers=False)

    def gathering(self, module: nn.Module, now: bool) -> AbstractContextManager[object]:
        """Return the context in which a wrapped module shares its gradients, or keeps them yet."""
        if now or not isinstance(module, nn.parallel.DistributedDataParallel):
            return nullcontext()
        return module.no_sync()

    def barrier(self) -> None:
        """Wait for the others."""
        if self.size > 1:
            torch.distributed.barrier()

    def agree(self, value: Value) -> Value:
        """Return the first process's value, in all of them."""
        values = [value]
        if self.size > 1:
            torch.distributed.broadcast_object_list(values, src=0)
        return values[0]

    def gather(self, value: Value) -> list[Value]:
        """Return the values of all processes, by rank, in all of them."""
        if self.size == 1:
            return [value]
        values: list[Value | None] = [None] * self.size
        torch.distributed.all_gather_object(values, value)
        return values  # type: ignore[return-value]  # all are filled

    def mean(self, values: Tensor) -> Tensor:
        """Return the means of the processes' values, of one shape on the device, in all of them."""
        if self.size == 1:
            return values
        summed = values.clone()
        torch.distributed.all_reduce(summed)
        return summed / self.size

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set in any process, so that all stop at the same step."""
        if self.size == 1:
            return flag
        tensor = torch.tensor(float(flag), device=self.device)
        torch.distributed.all_reduce(tensor)
        return bool(tensor.item())

    def any_on_device(self, flag: Tensor) -> Tensor:
        """Return whether a flag, () bool on the device, is set in any process, without waiting."""
        if self.size == 1:
            return flag
        counted = flag.float()
        torch.distributed.all_reduce(counted)
        return counted > 0

    def deviation(self, x: Tensor) -> Tensor:
        """Return the standard deviation of each channel of x over the rows of all processes.

        (N, C, h, w), with the same N in each process -> (1, C, 1, 1).
        """
        if self.size == 1:
            return x.std(dim=(0, 2, 3), keepdim=True)
        own_mean = x.double().mean(dim=(0, 2, 3), keepdim=True)
        own_square = x.double().square().mean(dim=(0, 2, 3), keepdim=True)
        mean, square = self.mean(torch.stack([own_mean, own_square]))
        count = self.size * x[:, 0].numel()
        return ((square - mean.square()) * count / (count - 1)).clamp(min=0).sqrt().to(x.dtype)


ALONE = World(0, 1, torch.device("cpu"))
sharing = ALONE  # the processes that take turns, within `shared_work`


def is_first() -> bool:
    """Return whether this process will be the one that writes, before it joins the others."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def world(device: torch.device) -> Iterator[World]:
    """Give the World of this process; it joins the group that torchrun announces.

    Raise ValueError in one line where another process has ended before its time.
    """
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
    except RuntimeError as error:
        if not any(words in str(error).lower() for words in LOST):
            raise
        raise ValueError(
            "another process of this command has ended, and so does this one: its own line says why"
        ) from error
    finally:
        torch.distributed.destroy_process_group()


def together() -> World:
    """Return the World within `shared_work`, and elsewhere one of this process alone."""
    return sharing


@contextmanager
def shared_work(group: World) -> Iterator[None]:
    """Share among these processes what is done `in_turns`; only the first one speaks.

    All of them must do the same calls in the block, in the same order.
    """
    global sharing
    before, sharing = sharing, group
    try:
        with nullcontext() if group.first else hushed():
            yield
    finally:
        sharing = before


def in_turns(work: Callable[[Item], Value], items: Iterable[Item]) -> Iterator[Value]:
    """Yield work(item) for all items, in their order, in every process.

    Within `shared_work` every process does its own share of them and is handed the others'.
    """
    left = iter(items)
    while turns := list(islice(left, sharing.size)):
        own = work(turns[sharing.rank]) if sharing.rank < len(turns) else None
        yield from sharing.gather(own)[: len(turns)]  # type: ignore[misc]  # those are no None
