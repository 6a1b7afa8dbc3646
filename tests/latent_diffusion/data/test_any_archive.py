"""Archives and arrays with any damage: what is read is right, and all else is refused.

Good files are changed at a few places, or cut, as a bad disk or a bad mind does.
"""

import gzip
import io
import pickle
import struct
import tarfile
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latent_diffusion.data.archives import Tar, Zip, safe_path
from latent_diffusion.data.arrays import check_arrays, read_array
from latent_diffusion.data.decode import Unreadable
from latent_diffusion.data.pickles import load_pickle
from latent_diffusion.data.sources.mnist import Mnist
from latent_diffusion.data.sources.source import Asked
from latent_diffusion.data.sources.svhn import read_mat
from latent_diffusion.data.tree import File, Folder
from latent_diffusion.evaluation.references import ReferenceStatistics
from latent_diffusion.evaluation.sources import open_images
from latent_diffusion.tensors import Damaged, load_tensors

quick = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
MOST = 16 * 2**20  # bytes that reading a small file may take
places = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)))
harms = st.tuples(places, st.none() | st.floats(0, 1))


def harmed(content: bytes, harm) -> bytes:
    """Content with a few bytes changed, and perhaps cut."""
    changed, length = bytearray(content), harm[1]
    for share, new in harm[0]:
        start = int(share * len(changed))
        changed[start : start + len(new)] = new
    return bytes(changed[: int(length * len(changed))] if length is not None else changed)


def zip_bytes(method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name in ("a/1.txt", "a/2.txt", "../3.txt"):
            archive.writestr(name, name * 20)
    return stream.getvalue()


def tar_bytes() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name in ("a/1.txt", "x" * 150 + ".txt"):
            info = tarfile.TarInfo(name)
            info.size = 40
            archive.addfile(info, io.BytesIO(b"y" * 40))
    return gzip.decompress(stream.getvalue())


def npy_bytes(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npz_bytes(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def batch_bytes() -> bytes:
    return pickle.dumps({b"labels": [1, 2], b"data": np.zeros((2, 3072), np.uint8)}, 2)


def mat_bytes() -> bytes:
    from scipy.io import savemat

    stream = io.BytesIO()
    savemat(stream, {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": [1, 2]}, do_compression=True)
    return stream.getvalue()


def idx_bytes() -> tuple[bytes, bytes]:
    return (
        struct.pack(">4I", 0x803, 3, 8, 8) + bytes(192),
        struct.pack(">2I", 0x801, 3) + bytes([0, 1, 2]),
    )


@quick
@given(harms, st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
def test_any_zip(tmp_path, harm, method):
    """What is read of it are the bytes that went in, for their checksum says so."""
    path = tmp_path / "a.zip"
    path.write_bytes(harmed(zip_bytes(method), harm))
    try:
        tree = Zip(str(path))
        for file in tree.scan().files:
            try:
                assert tree.read(file.key) in {
                    (name * 20).encode() for name in ("a/1.txt", "a/2.txt", "../3.txt")
                }
            except Unreadable:
                pass
    except ValueError as error:
        assert str(path) in str(error)


@quick
@given(harms, st.booleans())
def test_any_tar(tmp_path, harm, packed):
    path = tmp_path / "a.tar"
    content = harmed(tar_bytes(), harm)
    path.write_bytes(gzip.compress(content) if packed else content)
    try:
        tree = Tar(str(path))
        for file in tree.scan().files:
            try:
                assert isinstance(tree.read(file.key), bytes)
            except Unreadable:
                pass
    except ValueError as error:
        assert str(path) in str(error)


@quick
@given(st.text("abc./\\\0\n:é~ ", max_size=30))
def test_a_path_in_an_archive_stays_in_it(name):
    found = safe_path(name)
    assert found is None or (not {"", ".", ".."} & set(found.split("/")) and found[0] != "/")


@quick
@given(harms)
def test_any_array(tmp_path, harm):
    path, whole = tmp_path / "a.npy", np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    path.write_bytes(harmed(npy_bytes(whole), harm))
    for mapped in (False, True):
        try:
            found = read_array(path, mapped)
            assert found.nbytes <= path.stat().st_size
        except (ValueError, OSError) as error:
            assert "\n" not in str(error)


@quick
@given(harms)
def test_any_arrays(tmp_path, harm):
    path = tmp_path / "a.npz"
    path.write_bytes(harmed(npz_bytes(arr_0=np.zeros((2, 8, 8, 3), np.uint8)), harm))
    for read in (check_arrays, open_images):
        try:
            read(path)
        except ValueError as error:
            assert str(path) in str(error)


@quick
@given(harms)
def test_any_statistics(tmp_path, harm):
    path = tmp_path / "a.npz"
    path.write_bytes(harmed(npz_bytes(mu=np.zeros(4), sigma=np.eye(4), n=np.array(9)), harm))
    try:
        assert ReferenceStatistics.load(path).statistics.mean.shape == (4,)
    except ValueError as error:
        assert str(path) in str(error)


@quick
@given(harms)
def test_any_cifar_pickle(harm):
    try:
        assert isinstance(load_pickle(harmed(batch_bytes(), harm), "data_batch_1"), dict)
    except ValueError as error:
        assert "data_batch_1" in str(error)


@quick
@given(st.binary(max_size=60))
def test_any_bytes_as_a_pickle(content):
    try:
        load_pickle(b"\x80\x02}" + content + b".", "data_batch_1")
    except ValueError as error:
        assert "data_batch_1" in str(error)


@quick
@given(harms)
def test_any_mat(tmp_path, harm):
    (tmp_path / "train_32x32.mat").write_bytes(harmed(mat_bytes(), harm))
    name = "train_32x32.mat"
    try:
        images, labels = read_mat(Folder(str(tmp_path)), File(name, name))
        assert images.shape == (32, 32, 3, len(labels))
    except ValueError as error:
        assert name in str(error)


@quick
@given(harms, harms, st.booleans())
def test_any_idx(tmp_path, harm, other, packed):
    for name, content in zip(
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        map(harmed, idx_bytes(), (harm, other)),
        strict=True,
    ):
        for stale in tmp_path.glob(f"{name}*"):
            stale.unlink()
        path = tmp_path / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(content) if packed else content)
    try:
        found = Mnist().find(Asked(str(tmp_path)))
        assert found is not None
        assert sum(len(batch) for batch in found.loader.batches()) == len(found.items)
    except ValueError as error:
        assert "train-" in str(error)


@quick
@given(harms)
def test_any_tensor_file(tmp_path, harm):
    """A file of ours that reads is the one that was written."""
    import torch

    from latent_diffusion.tensors import save_tensors

    path, tensors = tmp_path / "a.safetensors", {"a": torch.arange(6.0), "b": torch.ones(2, 2)}
    save_tensors(path, tensors, {"step": "5"})
    whole = path.read_bytes()
    path.write_bytes(harmed(whole, harm))
    try:
        found, _ = load_tensors(path)
        assert path.read_bytes() == whole and found["a"].equal(tensors["a"])
    except Damaged as error:
        assert str(path) in str(error)


def announced(shape: tuple) -> bytes:
    """An .npy that says it has this shape, and has little of it."""
    stream = io.BytesIO()
    described = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, described)
    return stream.getvalue() + bytes(100)


def long_name() -> bytes:
    """A packed .tar whose first name is of 300 MiB."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 300 * 2**20
    return gzip.compress(info.tobuf() + bytes(300 * 2**20), 1)


def zip_of(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("a.npy", content)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "read"),
    [
        (lambda: announced((10**12,)), read_array),
        (lambda: announced((10**6, 10**6)), lambda path: read_array(path, mapped=True)),
        (lambda: zip_of(announced((10**12,))), check_arrays),
        (lambda: zip_of(bytes(2**29)), check_arrays),
        (long_name, lambda path: Tar(str(path)).scan()),
        (lambda: b"\x80\x02}r\xff\xff\xff\x7f.", lambda path: load_pickle(path.read_bytes(), "x")),
    ],
)
def test_what_a_file_claims_takes_no_memory(tmp_path, content, read):
    path = tmp_path / "file"
    path.write_bytes(content())
    tracemalloc.start()
    try:
        with pytest.raises(ValueError):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()
