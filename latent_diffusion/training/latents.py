"""The data set as latents: posterior moments of every train image, encoded once and cached.

The cache lies beside the data set, or where there is room, and is keyed by what encodes, so that a
retrained autoencoder never meets old latents. Stage two reads it.
"""

import atexit
import io
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from autoencoder import Autoencoder
from latent_diffusion.data.arrays import read_array
from latent_diffusion.data.rows import ImageRows
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import DeviceRows, autocast
from latent_diffusion.distributed import World
from latent_diffusion.progress import Progress, say
from latent_diffusion.run import Run, remove_leftovers
from latent_diffusion.training.room import free_bytes, in_words

ENCODE_BATCH = 128
MOST_IN_MEMORY = 2**30  # bytes
LEFT_ALONE = 600  # seconds without a write after which a dead process's half of a cache is deleted
Shape = tuple[int, int, int, int, int]
Piece = tuple[int, int, np.ndarray]  # of moments: view, first row, float16 (n, 2C, h, w)


class MomentRows:
    """Cached moments (views, N, 2C, h, w) and labels (N,) as one set of views * N rows.

    `rows(indices)` gives some of both on the device.
    """

    def __init__(self, moments: np.ndarray, labels: np.ndarray, device: torch.device):
        self.moments = DeviceRows(moments.reshape(-1, *moments.shape[2:]), device)
        self.labels = DeviceRows(np.tile(labels, len(moments)), device)

    def __len__(self) -> int:
        return len(self.labels.array)

    def __call__(self, indices: np.ndarray) -> tuple[Tensor, Tensor]:
        return self.moments[indices].float(), self.labels[indices]


def cached_moments(
    data: Dataset, run: Run, autoencoder: Autoencoder, checksum: str, precision: str, world: World
) -> np.ndarray:
    """Return float16 (views, N, 2C, h, w), memory-mapped; `checksum` names what encodes.

    A data set that may be flipped has a second, mirrored view. The cache lies beside the data set;
    where that cannot be written to, in the run, else in a temporary folder, else in memory. Raise
    ValueError where none of them has room.
    """
    views = 2 if data.info.flip else 1
    name = f"{data.info.checksum[:16]}-{checksum[:16]}-{views}-{precision}.npy"
    size, channels = autoencoder.latent_size, 2 * autoencoder.config.latent_channels
    shape = (views, len(data.train), channels, size, size)
    path, found = None, False
    if world.first:
        there = [folder / name for folder in folders(data, run) if is_whole(folder / name, shape)]
        found = bool(there)
        place = None if found else place_for(shape, data, run)
        path = there[0] if found else place / name if place else None
    path, found = world.agree((path, found))
    if path is None:
        moments = np.empty(shape, np.float16)
        alone = World(0, 1, world.device)  # in memory, each process has all
        for view, start, chunk in encode_all(shape, data, autoencoder, precision, alone):
            moments[view, start : start + len(chunk)] = chunk
        return moments
    if not found:
        write(path, shape, encode_all(shape, data, autoencoder, precision, world), world)
    return read_array(path, mapped=True)


def folders(data: Dataset, run: Run) -> tuple[Path, Path]:
    """Return where latents may be cached for good, the first choice first."""
    return data.folder / "latents", run.folder / "latents"


def forget_moments(data: Dataset, run: Run, checksum: str) -> None:
    """Delete what was cached for an autoencoder that is no more, where that can be."""
    for folder in folders(data, run):
        for path in folder.glob(f"*-{checksum[:16]}-*.npy"):
            with suppress(OSError):
                path.unlink()


def is_whole(path: Path, shape: Shape) -> bool:
    """Return whether a cache is there and has all its bytes."""
    try:
        return read_array(path, mapped=True).shape == shape
    except (OSError, ValueError):
        return False


def place_for(shape: Shape, data: Dataset, run: Run) -> Path | None:
    """Return a folder that can take a cache of this shape; None where that is memory.

    Raise ValueError where it is too large for that.
    """
    needed, first = 2 * math.prod(shape), folders(data, run)[0]
    for folder in folders(data, run):
        remove_leftovers(folder, LEFT_ALONE)
        if takes(folder, needed):
            if folder != first:
                say(f"latents go to {folder}, as {first} cannot take {in_words(needed)}")
            return folder
    if takes(Path(tempfile.gettempdir()), needed):
        temporary = tempfile.mkdtemp(prefix="ldm-latents-")
        atexit.register(shutil.rmtree, temporary, ignore_errors=True)
        say(f"latents go to {temporary} until this ends, as {first} cannot take them")
        return Path(temporary)
    if needed > MOST_IN_MEMORY:
        raise ValueError(
            f"there is no place for {in_words(needed)} of latents: free as much in {data.folder}, "
            f"in {run.folder} or in {tempfile.gettempdir()} (TMPDIR)"
        )
    say(f"latents stay in memory, as no folder can take {in_words(needed)}")
    return None


def takes(folder: Path, needed: int) -> bool:
    """Return whether a folder can be written to and has this room; it is made where it can be."""
    try:
        if free_bytes(folder) < needed:
            return False
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def write(path: Path, shape: Shape, encoded: Iterator[Piece], world: World) -> None:
    """Write a cache when it is whole, each process its own pieces.

    Not through a mapping: on a disk that fills up, that would end the process.
    """
    beside = world.agree(path.with_name(f".{path.name}.{os.getpid()}"))
    row = 2 * math.prod(shape[2:])
    header = io.BytesIO()
    what = {"descr": "<f2", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, what)
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT, 0o666), "wb") as file:
            file.write(header.getvalue())
            for view, start, chunk in encoded:
                file.seek(header.tell() + (view * shape[1] + start) * row)
                file.write(chunk.tobytes())
            file.flush()
            os.fsync(file.fileno())
        world.barrier()
        if world.first:
            os.replace(beside, path)
        world.barrier()
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def encode_all(
    shape: Shape, data: Dataset, autoencoder: Autoencoder, precision: str, world: World
) -> Iterator[Piece]:
    """Yield the moments of the train split in pieces, those of them that are this process's."""
    images, views = ImageRows(data, data.train, world.device), shape[0]
    total, apart = views * len(images), ENCODE_BATCH * world.size
    with Progress("encoding", total, quiet=not world.first) as progress:
        for start in range(ENCODE_BATCH * world.rank, len(images), apart):
            indices = np.arange(start, min(start + ENCODE_BATCH, len(images)))
            batch, _ = images(indices)
            for view in range(views):
                yield view, start, encode(batch.flip(-1) if view else batch, autoencoder, precision)
                progress.advance(min(len(indices) * world.size, total - progress.done))


@torch.inference_mode()
def encode(images: Tensor, autoencoder: Autoencoder, precision: str) -> np.ndarray:
    """Return the moments of images (N, 3, H, W), float16 (N, 2C, h, w)."""
    with autocast(images.device, precision):
        moments = autoencoder.encode(images).moments
    return moments.cpu().numpy().astype(np.float16)


def moments_of(
    data: Dataset,
    rows: np.ndarray,
    autoencoder: Autoencoder,
    precision: str,
    device: torch.device,
) -> np.ndarray:
    """Return the moments of some rows of a data set, float16 (N, 2C, h, w); nothing is cached."""
    images = ImageRows(data, rows, device)
    parts = np.array_split(np.arange(len(rows)), -(-len(rows) // ENCODE_BATCH))
    return np.concatenate([encode(images(part)[0], autoencoder, precision) for part in parts])
