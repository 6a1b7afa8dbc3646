"""Faults of data sets, archives, pictures and other sources."""

import gzip
import io
import os
import pickle
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from fault_places import DEEP, Place, fifo, header_of, png, spoilt, zipped

from latent_diffusion.data.sources import svhn


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def huge_png(side: int) -> bytes:
    header = struct.pack(">2I5B", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def two_classes(more: dict[str, bytes]) -> dict[str, bytes]:
    """Good pictures of two classes, and more files."""
    return {f"{('cat', 'dog')[n % 2]}/{n}.png": png(n) for n in range(24)} | more


def edited(path: Path, change: Callable[[bytes], bytes]) -> Path:
    path.write_bytes(change(path.read_bytes()))
    return path


def cifar(place: Place, content: bytes) -> list:
    spoilt(place.folder / "cifar" / "data_batch_1", content)
    return place.prepare(place.folder / "cifar")


def idx(place: Place, images: bytes, labels: bytes, ending: str = "") -> list:
    for name, content in (("images-idx3", images), ("labels-idx1", labels)):
        packed = gzip.compress(content) if ending else content
        spoilt(place.folder / "idx" / f"train-{name}-ubyte{ending}", packed)
    return place.prepare(place.folder / "idx")


def matlab(place: Place, content: bytes) -> list:
    for name in ("train", "test"):
        spoilt(place.folder / "svhn" / f"{name}_32x32.mat", content)
    return place.prepare(place.folder / "svhn")


def cells() -> bytes:
    """A .mat whose X is a cell of cells."""
    from scipy.io import savemat

    stream, inner = io.BytesIO(), np.zeros(1, object)
    for _ in range(30):
        outer = np.zeros(1, object)
        outer[0] = inner
        inner = outer
    savemat(stream, {"X": inner, "y": np.ones(3)})
    return stream.getvalue()


def packed_mat(size: int) -> bytes:
    """A .mat with an element that unpacks to so many bytes of nothing."""
    body = zlib.compress(bytes(size))
    return b" " * 124 + b"\0\1IM" + struct.pack("<2I", 15, len(body)) + body


def huge_name_tar(path: Path) -> Path:
    """A .tar.gz with a name that claims to be of 4 GiB."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2**32
    with gzip.open(path, "wb") as file:
        file.write(info.tobuf() + bytes(2**20))
    return path


def deep_pickle() -> bytes:
    return b"\x80\x02}" + b")" + b"\x85" * 200_000 + b"K\x01s."


class Harm:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def loop_of_links(place: Place) -> Path:
    source = place.pictures()
    (source / "cat" / "again").symlink_to(source, target_is_directory=True)
    (source / "itself").symlink_to(source / "itself")
    return source


def odd_names(place: Place) -> Path:
    source = place.pictures()
    for name in (b"two\nlines.png", b"no \xff utf-8.png", b"bad \xfe.png"):
        content = b"no picture" if b"bad" in name else png(len(name))
        (source / "cat" / os.fsdecode(name)).write_bytes(content)
    return source


def csv_bomb(place: Place) -> Path:
    source = place.pictures()
    (source / "labels.csv").write_text("," * 10**6 + "\n" + "x\n" * 10**5)
    return source


def good_zip(place: Place) -> Path:
    return zipped(place.folder / "s.zip", two_classes({}))


def claims_more(place: Place) -> Path:
    """A zip whose member unpacks to more than it says."""
    path = zipped(place.folder / "s.zip", two_classes({"cat/0.png": png(0) + bytes(10**6)}))
    old, new = (struct.pack("<I", size) for size in (len(png(0)) + 10**6, len(png(0))))
    return edited(path, lambda content: content.replace(old, new))


# What happens: how, the exit status, and words of what is said.
FAULTS: dict[str, tuple[Callable[[Place], list], int, str]] = {
    "`dataset.json` nested 10,000 deep": (
        lambda p: p.train(spoilt(p.data() / "dataset.json", b"[" * DEEP).parent),
        *(2, "is damaged"),
    ),
    "`images.npy` claims more than it has": (
        lambda p: p.train(spoilt(p.data() / "images.npy", header_of((10**15, 9))).parent),
        *(2, "cut short"),
    ),
    "`labels.npy` with labels of no class": (
        lambda p: p.train(edited(p.data() / "labels.npy", lambda b: b[:-8] + b"\x63" * 8).parent),
        *(2, "do not agree"),
    ),
    "one changed pixel, and `--check-data`": (
        lambda p: p.train(
            edited(p.data() / "images.npy", lambda b: b[:-9] + b"\x01" + b[-8:]).parent,
            "--check-data",
        ),
        *(2, "checksum does not hold"),
    ),
    "a zip that is cut short": (
        lambda p: p.prepare(edited(good_zip(p), lambda content: content[:-2000])),
        *(2, "zip file"),
    ),
    "a zip of which a piece is missing": (
        lambda p: p.prepare(edited(good_zip(p), lambda content: content[:2000] + content[2100:])),
        *(0, "21 images"),
    ),
    "a zip whose names lead out of it": (
        lambda p: p.prepare(zipped(p.folder / "s.zip", two_classes({"../../cat/up.png": png(99)}))),
        *(0, "25 images"),
    ),
    "a zip whose member unpacks to more than it says": (
        lambda p: p.prepare(claims_more(p)),
        *(0, "23 images"),
    ),
    "folders in a zip, 3,000 deep": (
        lambda p: p.prepare(
            zipped(p.folder / "s.zip", two_classes({"a/" * 3000 + "x.png": png(99)}))
        ),
        *(0, "24 images"),
    ),
    "a `.tar.gz` with a name of 4 GiB": (
        lambda p: p.prepare(huge_name_tar(p.folder / "s.tar.gz")),
        *(2, "tar file"),
    ),
    "a picture that claims 50,000 x 50,000": (
        lambda p: p.prepare(spoilt(p.pictures() / "cat" / "b.png", huge_png(50_000)).parents[1]),
        *(0, "megapixels"),
    ),
    "links that loop": (lambda p: p.prepare(loop_of_links(p)), 0, "24 images"),
    "a pipe among pictures": (
        lambda p: p.prepare(fifo(p.pictures() / "cat" / "p.png").parents[1]),
        *(0, "24 images"),
    ),
    "names with line ends, and of no alphabet": (
        lambda p: p.prepare(odd_names(p)),
        *(0, "26 images"),
    ),
    "a folder of which the name is of no alphabet": (
        lambda p: p.prepare(p.pictures().rename(p.folder / os.fsdecode(b"in \xff"))),
        *(0, "24 images"),
    ),
    "a list of labels with 10^11 cells": (lambda p: p.prepare(csv_bomb(p)), 0, "24 images"),
    "a CIFAR pickle that runs a command": (
        lambda p: cifar(p, pickle.dumps({"data": Harm(p.folder / "harmed")})),
        *(2, "not a plain CIFAR pickle"),
    ),
    "a CIFAR pickle that asks for 32 GB of memo": (
        lambda p: cifar(p, b"\x80\x02}r\xff\xff\xff\x7f."),
        *(2, "not a plain CIFAR pickle"),
    ),
    "a CIFAR pickle of 200,000 tuples in each other": (
        lambda p: cifar(p, deep_pickle()),
        *(2, "not a plain CIFAR pickle"),
    ),
    "idx files whose header claims gigabytes": (
        lambda p: idx(p, struct.pack(">4I", 0x803, 1, 2**16, 2**14), struct.pack(">2Ix", 0x801, 1)),
        *(2, "declares the size"),
    ),
    "packed idx files of 2,000,000,000 labels": (
        lambda p: idx(
            p,
            struct.pack(">4I", 0x803, 2 * 10**9, 1, 1),
            struct.pack(">2I", 0x801, 2 * 10**9) + bytes(10**6),
            ".gz",
        ),
        *(2, "declares the size"),
    ),
    "a `.mat` of cells in cells": (lambda p: matlab(p, cells()), 2, "is not SVHN's"),
    "a `.mat` that would unpack to gigabytes": (
        lambda p: matlab(p, packed_mat(2 * svhn.BLOCK)),
        *(2, "is not SVHN's"),
    ),
}
