"""Whatever `ldm prepare SOURCE` is given, recognised and listed: the only file that knows all kinds of sources."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from latent_diffusion.data.cifar import Cifar
from latent_diffusion.data.decode import decode, sniff
from latent_diffusion.data.layout import UNDECIDED, Item, recognise
from latent_diffusion.data.mnist import Mnist
from latent_diffusion.data.tree import Folder, Listing, Skip, Tar, Tree, Zip

DEFAULT_CARTOONS = 11_000
ACCEPTED = (
    "a folder or .zip of pictures (class folders, with or without train/ and test/; a synth-cute clone), "
    "MNIST idx files, CIFAR-10 batches, or cartoons[:COUNT]"
)


class Loaded(NamedTuple):
    pixels: np.ndarray  # uint8 (size, size, 3)
    fingerprint: int  # 64 bits of the SHA-256 of the content, which decide the hold-out
    enlarged: bool  # the picture was smaller than size


@dataclass(frozen=True)
class Source:
    """What was found: one item an image, in the order of the prepared data set."""

    kind: str
    items: list[Item]
    loader: "Files | Cartoons | Mnist | Cifar"
    skipped: list[Skip] = field(default_factory=list)
    native_size: int | None = None
    flip: bool = True  # whether a mirrored image is still a good one


@dataclass
class Files:
    """Loads picture files; the fingerprint is of the file's bytes, so it does not depend on the size asked for."""

    tree: Tree

    def load(self, place: Any, size: int) -> Loaded:
        """Raises Unreadable."""
        data = self.tree.read(place, check=sniff)
        pixels, enlarged = decode(data, size)
        return Loaded(pixels, fingerprint(data), enlarged)


@dataclass
class Cartoons:
    """Draws cartoons by their index."""

    def load(self, index: int, size: int) -> Loaded:
        from latent_diffusion.data.cartoons import draw, species_and_seed

        pixels = draw(*species_and_seed(index), size=size)
        return Loaded(pixels, fingerprint(pixels.tobytes()), False)


def fingerprint(content: bytes) -> int:
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big")


def open_source(text: str) -> Source:
    """Raises ValueError when there is no such source, or nothing in it that could be an image."""
    if text == "cartoons" or text.startswith("cartoons:"):
        return cartoons(text)
    path = Path(text).expanduser()
    if not path.exists():
        raise ValueError(f"no such file or folder: {text}. SOURCE is {ACCEPTED}")
    if (path / "dataset.json").is_file() and (path / "images.npy").is_file():
        raise ValueError(f"{text} is a prepared data set already; give its original source")
    tree = open_tree(path)
    listing = tree.scan()
    arrays = Mnist.find(tree, listing.files) or Cifar.find(tree, listing.files)
    if arrays is not None:
        is_cifar = isinstance(arrays, Cifar)
        kind = "CIFAR-10" if is_cifar else "MNIST idx files"
        return Source(kind, arrays.items(), arrays, native_size=arrays.side(), flip=is_cifar)
    if isinstance(tree, Tar):
        raise ValueError(
            f"{text} holds no CIFAR-10 batches; unpack other .tar files into a folder first"
        )
    layout = recognise(
        tree, listing.files, path.resolve().stem if path.is_file() else path.resolve().name
    )
    if not layout.items:
        raise ValueError(
            f"no pictures in {text}: {what_is_there(listing, layout.skipped)}. SOURCE is {ACCEPTED}"
        )
    return Source(layout.kind, layout.items, Files(tree), sorted(listing.skipped + layout.skipped))


def open_tree(path: Path) -> Tree:
    if path.is_dir():
        return Folder(str(path))
    name = path.name.lower()
    if name.endswith(".zip"):
        return Zip(str(path))
    if name.endswith((".tar.gz", ".tgz", ".tar")):
        return Tar(str(path))
    raise ValueError(f"{path} is a single file of a kind that is not known. SOURCE is {ACCEPTED}")


def cartoons(text: str) -> Source:
    from latent_diffusion.data.cartoons import species_and_seed

    species = [species_and_seed(index)[0] for index in range(cartoon_count(text))]
    items = [Item(f"cartoon {index}", index, name, UNDECIDED) for index, name in enumerate(species)]
    return Source("cartoons", items, Cartoons())


def cartoon_count(text: str) -> int:
    """The COUNT of "cartoons[:COUNT]"; ValueError for anything else."""
    name, colon, count = text.partition(":")
    if name != "cartoons":
        raise ValueError(
            f"--files is for cartoons:COUNT, whose pictures it writes, and the source is {text}"
        )
    if colon and not (count.isdecimal() and int(count) > 0):
        raise ValueError(
            f"{text}: COUNT must be a whole number above 0, as in cartoons:{DEFAULT_CARTOONS}"
        )
    return int(count) if colon else DEFAULT_CARTOONS


def write_cartoons(
    text: str, folder: Path, size: int, on_progress: Callable[[int, int], None]
) -> None:
    """Write the pictures of "cartoons[:COUNT]" as synth-cute's own files, so that `folder` is itself a source."""
    from latent_diffusion.data.cartoons import write_files

    total = cartoon_count(text)
    write_files(folder, total, size, lambda done: on_progress(done, total))


def what_is_there(listing: Listing, skipped: list[Skip]) -> str:
    """For the user whose source holds nothing usable: what it does hold, in a few words."""
    if not listing.files and not listing.skipped:
        return "it is empty"
    reasons = sorted({skip.reason for skip in listing.skipped + skipped})
    examples = ", ".join(file.path for file in listing.files[:3])
    found = f"{len(listing.files)} files ({examples}{', ...' if len(listing.files) > 3 else ''})"
    return found + (f"; {', '.join(reasons[:3])}" if reasons else "")
