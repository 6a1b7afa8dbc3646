"""Tensor files: safetensors that carry a checksum of themselves and prove it when they are read.

The checksum lies in the metadata and covers names, shapes, other metadata and every byte of the
tensors. Files without one, of earlier versions and of others, are read as they are.
"""

import errno
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from latent_diffusion.run import write_atomic

if TYPE_CHECKING:  # imported where needed, for listing commands must not wait for torch
    from torch import Tensor, nn

METADATA = "__metadata__"  # safetensors' own name
# Either demands the proof, so that a damaged one of them cannot pass for a file without.
CHECKSUM, PROVED_BY = "sha256", "proved by"
BLOCK = 16 * 2**20  # bytes hashed at once


class Damaged(ValueError):
    """A tensor file is not what was written."""


def save_tensors(
    path: Path,
    tensors: Mapping[str, "Tensor"],
    metadata: Mapping[str, str] | None = None,
    former: Path | None = None,
) -> None:
    """Write tensors, and texts beside them, to a safetensors file with its checksum, atomically.

    former: where the file goes that was at `path`. It goes there, and is replaced, only once the
    new one is on the disk and was read back.
    """
    from safetensors.torch import save

    on_cpu = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
    content = sealed(save(on_cpu), metadata or {})
    write_atomic(path, content, check=prove if former else None, former=former)


def load_tensors(path: Path) -> tuple[dict[str, "Tensor"], dict[str, str]]:
    """Return the tensors of a safetensors file, and its metadata.

    Raise Damaged for a file that is not what was written.
    """
    from safetensors import SafetensorError, safe_open

    prove(path)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
            metadata = file.metadata() or {}
            own = (CHECKSUM, PROVED_BY)
            return tensors, {name: text for name, text in metadata.items() if name not in own}
    except SafetensorError as error:
        raise damaged(path, error) from None


def holds(path: Path, tensors: Mapping[str, "Tensor"]) -> bool:
    """Return whether a file is whole and has exactly these tensors."""
    import torch

    try:
        there = load_tensors(path)[0] if path.is_file() else {}
    except Damaged:
        return False
    return there.keys() == tensors.keys() and all(
        torch.equal(value, there[name].to(value.device)) for name, value in tensors.items()
    )


def prove(path: Path) -> bool:
    """Return whether a tensor file has a checksum, which then holds.

    Raise Damaged where it does not, or where the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if size > os.fstat(file.fileno()).st_size - 8:
                raise ValueError("it is cut short")
            header = json.loads(file.read(size))
            facts = header.pop(METADATA, {})
            if CHECKSUM not in facts and PROVED_BY not in facts:
                return False
            if facts.pop(CHECKSUM, None) != checksum(header, facts, blocks(file)):
                raise ValueError("its checksum does not hold")
            return True
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise damaged(path, error) from None
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        raise damaged(path, error) from None


def damaged(path: Path, error: Exception) -> Damaged:
    """Return what to say of a file that is damaged."""
    return Damaged(f"{path} is damaged or no safetensors file ({error}): copy or train it again")


def sealed(content: bytes, metadata: Mapping[str, str]) -> list[bytes | memoryview]:
    """Return safetensors content with metadata and its checksum, in pieces.

    safetensors itself writes metadata in an order of chance; sorted, equal tensors are equal files.
    """
    size = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + size]), memoryview(content)[8 + size :]
    facts = {**metadata, PROVED_BY: "latent-diffusion"}
    facts[CHECKSUM] = checksum(header, facts, [data])
    text = json.dumps({METADATA: dict(sorted(facts.items())), **header}).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8
    return [len(text).to_bytes(8, "little"), text, data]


def checksum(
    header: Mapping[str, Any], facts: Mapping[str, str], data: Iterable[bytes | memoryview]
) -> str:
    """Return the sha256 of a file's header, its other metadata and its data."""
    digest = hashlib.sha256(json.dumps([header, facts], sort_keys=True).encode())
    for block in data:
        digest.update(block)
    return digest.hexdigest()


def blocks(file: BinaryIO) -> Iterable[bytes]:
    """Yield what is left of a file."""
    while block := file.read(BLOCK):
        yield block


def load_weights(network: "nn.Module", tensors: Mapping[str, "Tensor"], path: Path) -> None:
    """Load a network's state; raise ValueError, in one line that names the file, if it misfits."""
    try:
        network.load_state_dict(dict(tensors))
    except RuntimeError as error:
        lines = str(error).splitlines()
        first = lines[1].strip() if len(lines) > 1 else str(error)
        raise ValueError(f"the weights in {path} do not fit its config.toml: {first}") from None
