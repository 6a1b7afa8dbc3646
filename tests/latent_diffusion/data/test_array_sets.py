"""Array files as they lie about: other sets than MNIST and CIFAR-10, and several in one place."""

import gzip
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from latent_diffusion.data.prepare import prepare
from latent_diffusion.data.sources import open_source
from latent_diffusion.data.store import Dataset

RANDOM = np.random.default_rng(0)


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def idx(array: np.ndarray) -> bytes:
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype("u1").tobytes()


def write_idx(folder: Path, shade: int, prefix: str = "", test: str = "t10k") -> None:
    """Write a set whose pictures show their label: brightness 20 * label + shade."""
    for part, count in (("train", 40), (test, 20)):
        labels = np.arange(count) % 2
        images = np.broadcast_to((20 * labels + shade)[:, None, None], (count, 28, 28))
        write(folder / f"{prefix}{part}-images-idx3-ubyte", idx(images))
        write(folder / f"{prefix}{part}-labels-idx1-ubyte", idx(labels))


def labels_are_true(folder: Path, shade: int) -> bool:
    data = Dataset.open(folder)
    return bool((data.images[:, 5, 5, 0] == 20 * data.labels + shade).all())


def test_several_sets_are_refused_and_named(tmp_path):
    write_idx(tmp_path / "MNIST" / "raw", 0)
    write_idx(tmp_path / "FashionMNIST" / "raw", 7)
    with pytest.raises(ValueError, match=r"several data sets \(FashionMNIST/raw, MNIST/raw\)"):
        prepare(str(tmp_path), tmp_path.parent / "out")
    (tmp_path / "FashionMNIST" / "raw" / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(ValueError, match="several data sets"):
        prepare(str(tmp_path), tmp_path.parent / "out")


def test_images_never_meet_the_labels_of_another_folder(tmp_path):
    write_idx(tmp_path / "in" / "MNIST", 0)
    write_idx(tmp_path / "in" / "KMNIST", 7)
    for part in ("train", "t10k"):
        (tmp_path / "in" / "KMNIST" / f"{part}-labels-idx1-ubyte").unlink()
    (tmp_path / "in" / "MNIST" / "t10k-images-idx3-ubyte").unlink()
    info = prepare(str(tmp_path / "in"), tmp_path / "out")
    assert labels_are_true(tmp_path / "out", 0) and info.train + info.test == 40
    assert info.notes == ["MNIST/t10k-labels-idx1-ubyte is without its images and not read"]
    assert [skip.path for skip in info.skipped] == [
        "KMNIST/t10k-images-idx3-ubyte",
        "KMNIST/train-images-idx3-ubyte",
    ]


def test_images_without_any_labels_are_refused(tmp_path):
    write_idx(tmp_path, 0)
    for part in ("train", "t10k"):
        (tmp_path / f"{part}-labels-idx1-ubyte").unlink()
    with pytest.raises(ValueError, match=r"no images with their labels.*train-images-idx3-ubyte"):
        open_source(str(tmp_path))


def test_sets_of_different_kinds_are_refused_together(tmp_path):
    write_idx(tmp_path / "MNIST" / "raw", 0)
    write_cifar100(tmp_path / "cifar-100-binary")
    with pytest.raises(ValueError, match=r"\(MNIST/raw, cifar-100-binary\).*such as .*MNIST/raw"):
        open_source(str(tmp_path))


def test_sets_that_share_a_folder_are_named_by_a_file(tmp_path):
    write_idx(tmp_path / "in", 0, "emnist-digits-", test="test")
    write_idx(tmp_path / "in", 7, "emnist-letters-", test="test")
    with pytest.raises(ValueError, match=r"\(emnist-digits, emnist-letters\).*name a file of one"):
        open_source(str(tmp_path / "in"))
    one = tmp_path / "in" / "emnist-letters-test-labels-idx1-ubyte"
    info = prepare(str(one), tmp_path / "out")
    assert labels_are_true(tmp_path / "out", 7) and (info.train, info.test) == (40, 20)
    assert len(info.skipped) == 4 and all("digits" in skip.path for skip in info.skipped)
    (tmp_path / "in" / "notes.txt").write_text("x")
    with pytest.raises(ValueError, match="a single file of a kind that is not known"):
        open_source(str(tmp_path / "in" / "notes.txt"))


def test_emnist_is_upright_and_its_classes_are_letters(tmp_path):
    upright = RANDOM.integers(0, 256, (30, 28, 28), dtype=np.uint8)
    labels = np.arange(30) % 2 * 10 + 1
    for part in ("train", "test"):
        stem = tmp_path / "in" / f"emnist-letters-{part}"
        images = gzip.compress(idx(upright.swapaxes(1, 2)))
        write(Path(f"{stem}-images-idx3-ubyte.gz"), images)
        write(Path(f"{stem}-labels-idx1-ubyte.gz"), gzip.compress(idx(labels)))
    (tmp_path / "in" / "emnist-letters-mapping.txt").write_text("1 65 97\n11 75 107\n")
    info = prepare(str(tmp_path / "in"), tmp_path / "out")
    data = Dataset.open(tmp_path / "out")
    assert (info.class_names, info.flip) == (["Aa", "Kk"], False)
    assert (data.images[data.train, ..., 0] == upright).all()


@pytest.mark.parametrize(
    "folder, flip", [("FashionMNIST/raw", True), ("fashion/KMNIST/raw", False), ("mnist", False)]
)
def test_clothes_may_be_mirrored_and_digits_not(tmp_path, folder, flip):
    write_idx(tmp_path / folder, 0)
    assert open_source(str(tmp_path / folder.split("/")[0])).flip is flip
    assert open_source(str(tmp_path / folder)).flip is flip


def test_idx_files_each_in_a_folder_of_its_own_name(tmp_path):
    write_idx(tmp_path / "flat", 0)
    for path in (tmp_path / "flat").iterdir():
        write(tmp_path / "in" / path.name / path.name, path.read_bytes())
    prepare(str(tmp_path / "in"), tmp_path / "out")
    assert labels_are_true(tmp_path / "out", 0)


def cifar100(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
    return images, np.arange(60) % 4, np.arange(60) % 4 // 2


FINE, COARSE = ["apple", "bear", "cloud", "dolphin"], ["still", "moving"]


def write_cifar100(folder: Path) -> None:
    folder.mkdir(parents=True)
    for seed, part in enumerate(("train", "test")):
        images, fine, coarse = cifar100(seed)
        planes = images.transpose(0, 3, 1, 2).reshape(60, -1)
        rows = np.column_stack([coarse.astype("u1"), fine.astype("u1"), planes])
        (folder / f"{part}.bin").write_bytes(rows.tobytes())
    (folder / "fine_label_names.txt").write_text("\n".join(FINE))
    (folder / "coarse_label_names.txt").write_text("\n".join(COARSE))


def write_cifar100_python(folder: Path) -> None:
    folder.mkdir(parents=True)
    for seed, part in enumerate(("train", "test")):
        images, fine, coarse = cifar100(seed)
        planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2).reshape(60, -1))
        record = {
            b"fine_labels": fine.tolist(),
            b"coarse_labels": coarse.tolist(),
            b"data": planes,
        }
        (folder / part).write_bytes(pickle.dumps(record, protocol=2))
    names = {
        b"fine_label_names": [name.encode() for name in FINE],
        b"coarse_label_names": [name.encode() for name in COARSE],
    }
    (folder / "meta").write_bytes(pickle.dumps(names, protocol=2))


@pytest.mark.parametrize("make", [write_cifar100, write_cifar100_python])
def test_cifar100_by_fine_and_by_coarse_classes(tmp_path, make):
    make(tmp_path / "in" / "cifar-100")
    info = prepare(str(tmp_path / "in"), tmp_path / "out")
    data = Dataset.open(tmp_path / "out")
    assert (info.kind, info.class_names, info.flip) == ("CIFAR-100", FINE, True)
    assert "--labels column=coarse" in info.notes[0]
    assert (data.images[data.test] == cifar100(1)[0]).all()
    assert (data.labels[data.test] == cifar100(1)[1]).all()
    items = open_source(str(tmp_path / "in"), labels="column=coarse").items
    assert [item.class_name for item in items[:60]] == [COARSE[i] for i in cifar100(0)[2]]
    with pytest.raises(ValueError, match="column=fine and column=coarse"):
        open_source(str(tmp_path / "in"), labels="column=medium")


def test_labels_from_elsewhere_are_refused_where_a_set_has_its_own(tmp_path):
    write_idx(tmp_path, 0)
    with pytest.raises(ValueError, match="--labels file-name means nothing for MNIST idx files"):
        open_source(str(tmp_path), labels="file-name")


def test_svhn(tmp_path):
    (tmp_path / "in").mkdir()
    images = RANDOM.integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    labels = np.where(np.arange(40) % 2, 10, 3).astype(np.uint8)  # 10 is the digit 0
    for part in ("train", "test", "extra"):
        record = {"X": images.transpose(1, 2, 3, 0), "y": labels[:, None]}
        savemat(tmp_path / "in" / f"{part}_32x32.mat", record, do_compression=True)
    info = prepare(str(tmp_path / "in"), tmp_path / "out")
    data = Dataset.open(tmp_path / "out")
    assert (info.kind, info.class_names, info.flip) == ("SVHN", ["0", "3"], False)
    assert (info.train, info.test) == (40, 40) and "extra_32x32.mat" in info.notes[0]
    assert (data.images[data.train] == images).all()
    assert (data.labels[data.test] == (labels == 3)).all()
    (tmp_path / "in" / "test_32x32.mat").write_bytes(b"MATLAB 5.0")
    with pytest.raises(ValueError, match=r"test_32x32\.mat is not SVHN's, or damaged"):
        open_source(str(tmp_path / "in"))


def test_stl10(tmp_path):
    images = RANDOM.integers(0, 256, (30, 96, 96, 3), dtype=np.uint8)
    labels = (np.arange(30) % 2 + 4).astype(np.uint8)
    for part in ("train", "test"):
        stored = images.transpose(0, 3, 2, 1).tobytes()  # each plane column by column
        write(tmp_path / "in" / "stl10_binary" / f"{part}_X.bin", stored)
        write(tmp_path / "in" / "stl10_binary" / f"{part}_y.bin", labels.tobytes())
    folder = tmp_path / "in" / "stl10_binary"
    write(folder / "unlabeled_X.bin", images[:3].tobytes())
    info = prepare(str(tmp_path / "in"), tmp_path / "out")
    data = Dataset.open(tmp_path / "out")
    assert (info.kind, info.image_size, info.class_names) == ("STL-10", 96, ["cat", "deer"])
    assert (data.images[data.test] == images).all() and "unlabeled_X.bin" in info.notes[0]
    (folder / "class_names.txt").write_text("\n".join("abcdefghij"))
    assert {item.class_name for item in open_source(str(tmp_path / "in")).items} == {"d", "e"}
    (folder / "test_X.bin").write_bytes(images[:7].tobytes())
    with pytest.raises(ValueError, match=r"test_X\.bin holds .* truncated"):
        prepare(str(tmp_path / "in"), tmp_path / "out2")
