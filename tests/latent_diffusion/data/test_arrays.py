"""MNIST idx files and CIFAR-10 batches, made byte by byte; and pickles that try to do more."""

import gzip
import io
import os
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from latent_diffusion.data.prepare import prepare
from latent_diffusion.data.sources.cifar import CLASSES
from latent_diffusion.data.store import Dataset

SHARED_MNIST = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "mnist"


def write_mnist(folder: Path, packed: bool, counts=(60, 20)) -> dict[str, np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    rng, arrays = np.random.default_rng(0), {}
    for name, count in zip(("train", "t10k"), counts, strict=True):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 2 * 7
        for part, header, array in [
            ("images-idx3", struct.pack(">4I", 0x803, count, 28, 28), images),
            ("labels-idx1", struct.pack(">2I", 0x801, count), labels),
        ]:
            content = header + array.tobytes()
            path = folder / f"{name}-{part}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(content) if packed else content)
        arrays[name], arrays[name + " labels"] = images, labels
    return arrays


@pytest.mark.parametrize("packed", [False, True])
def test_mnist(tmp_path, packed):
    arrays = write_mnist(tmp_path / "MNIST" / "raw", packed)
    info = prepare(str(tmp_path / "MNIST"), tmp_path / "out")
    data = Dataset.open(tmp_path / "out")
    assert (info.image_size, info.flip, info.class_names, info.holdout) == (
        28,
        False,
        ["0", "7"],
        None,
    )
    for part, name in ((data.train, "train"), (data.test, "t10k")):
        assert (data.images[part] == arrays[name][..., None]).all()
        assert (data.labels[part] == arrays[name + " labels"] // 7).all()


def test_mnist_at_another_size_and_flip(tmp_path):
    arrays = write_mnist(tmp_path / "in", False)
    info = prepare(str(tmp_path / "in"), tmp_path / "out", size=14, flip=True)
    blocks = arrays["train"].reshape(60, 14, 2, 14, 2).mean((2, 4))
    images = Dataset.open(tmp_path / "out").images[:60, ..., 0]
    assert info.flip and np.corrcoef(images.ravel(), blocks.ravel())[0, 1] > 0.9


def test_mnist_damage_is_one_line(tmp_path):
    for number, (name, damage) in enumerate(
        [
            ("train-images-idx3-ubyte.gz", lambda b: b[:300]),
            ("train-labels-idx1-ubyte.gz", lambda b: gzip.compress(gzip.decompress(b)[:20])),
            ("t10k-images-idx3-ubyte.gz", lambda b: b"not gzip"),
            (
                "t10k-images-idx3-ubyte.gz",
                lambda b: gzip.compress(struct.pack(">4I", 0x803, 2**31, 28, 28)),
            ),
            (
                "t10k-images-idx3-ubyte.gz",
                lambda b: gzip.compress(struct.pack(">4I", 0x801, 9, 28, 28)),
            ),
        ]
    ):
        folder = tmp_path / str(number)
        write_mnist(folder, True)
        (folder / name).write_bytes(damage((folder / name).read_bytes()))
        with pytest.raises(ValueError, match=name) as error:
            prepare(str(folder), tmp_path / "out")
        assert "\n" not in str(error.value) and not (tmp_path / "out").exists()


@pytest.mark.skipif(not SHARED_MNIST.is_dir(), reason=f"the real MNIST is not at {SHARED_MNIST}")
def test_the_real_mnist(tmp_path):
    info = prepare(str(SHARED_MNIST), tmp_path / "out")
    assert (info.train, info.test, len(info.class_names)) == (60_000, 10_000, 10)
    assert (info.counts["1"].train, info.counts["1"].test) == (6742, 1135)  # as published
    data = Dataset.open(tmp_path / "out")
    raw = gzip.decompress((SHARED_MNIST / "t10k-images-idx3-ubyte.gz").read_bytes())[16:]
    assert data.images[data.test, ..., 2].tobytes() == raw
    assert (
        bytes(data.labels[data.train].astype(np.uint8))
        == (gzip.decompress((SHARED_MNIST / "train-labels-idx1-ubyte.gz").read_bytes())[8:])
    )


def cifar_batch(seed: int, count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (count, 32, 32, 3) and labels: every class."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8), np.arange(count) % 10


BATCHES = {"data_batch_1": 1, "data_batch_2": 2, "test_batch": 3}


def write_cifar_python(folder: Path, protocol: int = 2) -> None:
    folder.mkdir(parents=True)
    for name, seed in BATCHES.items():
        images, labels = cifar_batch(seed)
        planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2).reshape(len(images), -1))
        record = {
            b"batch_label": b"x",
            b"labels": labels.tolist(),
            b"data": planes,
            b"filenames": [b"a.png"] * 40,
        }
        (folder / name).write_bytes(pickle.dumps(record, protocol=protocol))
    (folder / "batches.meta").write_bytes(
        pickle.dumps({b"label_names": [c.encode() for c in CLASSES]}, protocol=2)
    )


def write_cifar_binary(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, seed in BATCHES.items():
        images, labels = cifar_batch(seed)
        planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
        (folder / f"{name}.bin").write_bytes(
            np.column_stack([labels.astype(np.uint8), planes]).tobytes()
        )
    (folder / "batches.meta.txt").write_text("\n".join(CLASSES) + "\n\n")


def check_cifar(source: Path, out: Path) -> None:
    info = prepare(str(source), out)
    data = Dataset.open(out)
    assert (info.image_size, info.flip, info.class_names, info.train, info.test) == (
        32,
        True,
        CLASSES,
        80,
        40,
    )
    images, labels = cifar_batch(2)
    assert (data.images[40:80] == images).all() and (data.labels[40:80] == labels).all()
    assert (data.images[data.test] == cifar_batch(3)[0]).all()


@pytest.mark.parametrize("protocol", [2, 4])
def test_cifar_python(tmp_path, protocol):
    write_cifar_python(tmp_path / "in" / "cifar-10-batches-py", protocol)
    check_cifar(tmp_path / "in", tmp_path / "out")
    with tarfile.open(tmp_path / "c.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "in" / "cifar-10-batches-py", "cifar-10-batches-py")
    check_cifar(tmp_path / "c.tar.gz", tmp_path / "out")


def test_cifar_as_python_2_wrote_it(tmp_path):
    """Text strings and an array as Python 2 wrote them in 2009, put together by hand."""
    images, labels = cifar_batch(1)
    data = images.transpose(0, 3, 1, 2).tobytes()
    array = (
        # _reconstruct(ndarray, (0,), "b"), with the state (1, (40, 3072),
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
        b"(K\x01(K\x28M\x00\x0ct"
        # dtype("u1", 0, 1) with its own state,
        b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        # False, bytes)
        b"\x89T" + struct.pack("<i", len(data)) + data + b"tb"
    )
    numbers = b"".join(b"K" + bytes([label]) for label in labels)
    record = b"\x80\x02}(U\x06labels](" + numbers + b"eU\x04data" + array + b"u."
    # The hand-made file is a right one.
    assert pickle.loads(record, encoding="latin1")["data"].tobytes() == data
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(1, 6):
        (folder / f"data_batch_{number}").write_bytes(record)
    info = prepare(str(folder), tmp_path / "out")
    assert info.class_names == CLASSES and info.train + info.test == 200
    assert (Dataset.open(tmp_path / "out").images[:40] == images).all()


def test_cifar_binary_in_a_folder_and_a_zip(tmp_path):
    write_cifar_binary(tmp_path / "in" / "cifar-10-batches-bin")
    check_cifar(tmp_path / "in", tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for path in (tmp_path / "in").rglob("*.*"):
            archive.write(path, path.relative_to(tmp_path))
    check_cifar(tmp_path / "in.zip", tmp_path / "out")
    path = tmp_path / "in" / "cifar-10-batches-bin" / "data_batch_2.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"data_batch_2\.bin is truncated"):
        prepare(str(tmp_path / "in"), tmp_path / "out")


class Evil:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "function, argument",
    [(os.system, "touch {}"), (eval, "open('{}', 'w')"), (np.save, "{}"), (os.mkdir, "{}")],
)
@pytest.mark.parametrize("name", ["data_batch_1", "batches.meta"])
def test_a_malicious_pickle_is_refused_and_not_executed(tmp_path, name, function, argument):
    write_cifar_python(tmp_path / "in")
    mark = tmp_path / "executed"
    arguments = [argument.format(mark)] + [np.zeros(1)] * (function is np.save)
    evil = pickle.dumps({b"labels": [0], b"data": Evil(function, *arguments)}, protocol=2)
    (tmp_path / "in" / name).write_bytes(evil)
    with pytest.raises(
        ValueError, match=f"{name} is not a plain CIFAR pickle and was not loaded: it asks for"
    ):
        prepare(str(tmp_path / "in"), tmp_path / "out")
    assert not mark.exists()
    pickle.loads(evil)
    assert list(tmp_path.glob("executed*"))  # the attack itself works


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x02]q\x00.",
        pickle.dumps({b"labels": [0], b"data": np.zeros((1, 9), np.uint8)}),
        pickle.dumps({b"labels": ["x"], b"data": 3}),
        pickle.dumps({b"labels": [0], b"data": np.zeros((1, 3072))}),
    ],
)
def test_pickles_that_are_no_batches(tmp_path, content):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "data_batch_1").write_bytes(content)
    with pytest.raises(ValueError, match="data_batch_1"):
        prepare(str(tmp_path / "in"), tmp_path / "out")


def test_other_tar_files_are_refused(tmp_path):
    with tarfile.open(tmp_path / "photos.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("cat/1.png"), io.BytesIO(b""))
    with pytest.raises(ValueError, match="holds no CIFAR-10 batches"):
        prepare(str(tmp_path / "photos.tar.gz"), tmp_path / "out")
