"""torch.compile for as long as a training lasts; the loop and the planner ask for it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def compiled(model: nn.Module, mode: str) -> Iterator[None]:
    """Run the model's parts as torch.compile makes them, for as long as the block lasts.

    mode: that of torch.compile, or "none". Names and weights stay as they are. Parts are the
    model's direct children, and what lies in lists of modules; single layers are left as they are.
    PyTorch keeps what it compiled for the next model of this shape, until torch.compiler.reset().
    """
    parts = [part for part in parts_of(model) if any(part.children())] if mode != "none" else []
    for part in parts:
        part.forward = torch.compile(part.forward, mode=mode)
    try:
        yield
    finally:
        for part in parts:
            del part.forward  # the class's own again


def parts_of(model: nn.Module) -> list[nn.Module]:
    """Return the direct children, those that are lists of modules taken apart."""
    parts: list[nn.Module] = []
    for child in model.children():
        parts += child if isinstance(child, nn.ModuleList) else [child]
    return parts
