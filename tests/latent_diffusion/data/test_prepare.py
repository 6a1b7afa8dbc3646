"""`prepare` from end to end on small folders: what is kept, what is named, what is held out."""

import os
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latent_diffusion.data.archives import Zip
from latent_diffusion.data.cartoons import SPECIES, draw, species_and_seed, write_files
from latent_diffusion.data.decode import Unreadable
from latent_diffusion.data.prepare import prepare
from latent_diffusion.data.store import Dataset
from latent_diffusion.data.summary import summary

SIZE = 8


def picture(seed: int) -> Image.Image:
    return Image.fromarray(
        np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    )


def png(seed: int) -> bytes:
    stream = BytesIO()
    picture(seed).save(stream, "PNG")
    return stream.getvalue()


def fill(folder: Path, seeds: range, name: str = "{}.png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        (folder / name.format(seed)).write_bytes(png(seed))


def stored(data: Dataset) -> set[bytes]:
    return {image.tobytes() for image in data.images}


def wanted(seeds: range) -> set[bytes]:
    return {np.asarray(picture(seed)).tobytes() for seed in seeds}


def held_out(data: Dataset) -> set[bytes]:
    return {data.images[index].tobytes() for index in data.test}


def broken_png(kind: str) -> bytes:
    """A PNG header of a given kind of trouble."""
    data = bytearray(png(0))
    if kind == "checksum":
        data[len(data) // 2] ^= 0xFF
    elif kind == "header":
        data[16:24] = b"\0" * 8
    return bytes(data)


def bad_files() -> dict[str, bytes]:
    """Kinds of files that are no good pictures, by name."""
    whole = {}
    for form in ("JPEG", "GIF", "WEBP", "BMP", "ICO", "PDF"):
        stream = BytesIO()
        picture(0).resize((64, 64)).save(stream, form)
        whole[form] = stream.getvalue()
    return {
        "empty.png": b"",
        "cut.png": png(0)[:120],
        "cut.jpg": whole["JPEG"][: len(whole["JPEG"]) // 2],
        "cut.gif": whole["GIF"][: len(whole["GIF"]) // 2],
        "cut.webp": whole["WEBP"][: len(whole["WEBP"]) // 2],
        "cut.bmp": whole["BMP"][: len(whole["BMP"]) // 2],
        "only_signature.png": png(0)[:8],
        "checksum.png": broken_png("checksum"),
        "zero_size.png": broken_png("header"),
        "text.png": b"this is no picture\n",
        "page.jpg": b"<!DOCTYPE html><html>404</html>",
        "pointer.png": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "zeros.jpg": bytes(5000),
        "noise.bin": np.random.default_rng(0).bytes(5000),
        "mislabelled_icon.png": whole["ICO"],
        "icon.ico": whole["ICO"],
        "paper.pdf": whole["PDF"],
        "photo.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99),
        "bmp_text.txt": b"BMW is a make of cars\n",
        "labels.csv": b"name,label\n1,cat\n",
        "archive.zip": b"PK\x03\x04" + bytes(100),
    }


def test_every_good_image_is_kept_and_every_bad_file_named(tmp_path):
    for name in ("cat", "dog"):
        fill(tmp_path / "in" / name, range(20) if name == "cat" else range(20, 40))
    for name, content in bad_files().items():
        (tmp_path / "in" / "cat" / name).write_bytes(content)
    Image.new("RGB", (3, 3)).save(tmp_path / "in" / "cat" / "pixel.png")
    (tmp_path / "in" / "cat" / "nowhere.png").symlink_to("gone.png")
    (tmp_path / "in" / "cat" / "itself.png").symlink_to("itself.png")
    (tmp_path / "in" / "cat" / "round").symlink_to("..")
    os.mkfifo(tmp_path / "in" / "cat" / "pipe.png")
    (tmp_path / "in" / "cat" / ".hidden.png").write_bytes(b"")

    info = prepare(str(tmp_path / "in"), tmp_path / "out", size=SIZE, processes=2)

    data = Dataset.open(tmp_path / "out")
    assert stored(data) == wanted(range(40)) and len(data) == 40
    names = {*bad_files(), "pixel.png", "nowhere.png", "itself.png", "round", "pipe.png"}
    assert {skip.path for skip in info.skipped} == {f"cat/{name}" for name in names}
    reasons = {skip.path.removeprefix("cat/"): skip.reason for skip in info.skipped}
    assert reasons["empty.png"] == "empty file"
    assert reasons["text.png"] == reasons["bmp_text.txt"] == "not an image"
    assert reasons["cut.png"] == reasons["cut.jpg"] == "truncated"
    assert reasons["mislabelled_icon.png"] == "unsupported format (ICO)"
    assert reasons["pixel.png"] == "smaller than 8 pixels"
    assert sum(info.skipped_by_reason.values()) == len(names)
    text = "\n".join(summary(info))
    assert "not an image: cat/" in text and f"{len(names)} files skipped" in text


def test_mislabelled_pictures_are_decoded_by_their_content(tmp_path):
    fill(tmp_path / "in", range(11), name="{}.jpg")
    (tmp_path / "in" / "readme.txt").write_bytes(png(11))
    prepare(str(tmp_path / "in"), tmp_path / "out", size=SIZE, processes=1)
    assert stored(Dataset.open(tmp_path / "out")) == wanted(range(12))


def test_hold_out_does_not_move_when_files_are_added_or_renamed(tmp_path):
    fill(tmp_path / "in" / "a", range(100))
    fill(tmp_path / "in" / "b", range(100, 110))
    prepare(str(tmp_path / "in"), tmp_path / "out", size=SIZE, processes=1)
    before = Dataset.open(tmp_path / "out")
    old, old_test = stored(before), held_out(before)
    assert (
        all(counts.test >= 1 for counts in before.info.counts.values())
        and 3 <= before.info.counts["a"].test <= 20
    )

    fill(tmp_path / "in" / "a", range(200, 300), name="added {}.png")
    (tmp_path / "in" / "a" / "0.png").rename(tmp_path / "in" / "a" / "zzz.png")
    prepare(str(tmp_path / "in"), tmp_path / "out", size=SIZE, processes=1)
    after = Dataset.open(tmp_path / "out")
    assert held_out(after) & old == old_test and len(after) == 210


def test_equal_pictures_are_never_on_both_sides(tmp_path):
    for copy in range(5):
        fill(tmp_path / "in" / "a", range(30), name=f"{{}} copy {copy}.png")
        fill(tmp_path / "in" / "b", range(30), name=f"{{}} copy {copy}.png")
    info = prepare(str(tmp_path / "in"), tmp_path / "out", size=SIZE, processes=1)
    data = Dataset.open(tmp_path / "out")
    assert info.leaks == 0 and not held_out(data) & {data.images[i].tobytes() for i in data.train}


def test_an_existing_split_is_kept_and_its_leaks_counted(tmp_path):
    for name, seeds in {"cat": range(12), "dog": range(12, 24)}.items():
        fill(tmp_path / "in" / "train" / name, seeds)
        fill(tmp_path / "in" / "val" / name, range(seeds.start + 100, seeds.start + 103))
    fill(tmp_path / "in" / "val" / "dog", range(12, 13), name="leak.png")
    fill(tmp_path / "in" / "val" / "owl", range(200, 212))
    (tmp_path / "in" / "README.md").write_text("a split")
    info = prepare(str(tmp_path / "in"), tmp_path / "out", size=SIZE, processes=1)
    data = Dataset.open(tmp_path / "out")
    assert info.class_names == ["cat", "dog"] and info.left_out == {"owl": "no training images"}
    assert (info.counts["cat"].train, info.counts["cat"].test) == (12, 3)
    assert held_out(data) == wanted(range(100, 103)) | wanted(range(112, 115)) | wanted(
        range(12, 13)
    )
    assert info.leaks == 1 and info.holdout is None
    assert [skip.path for skip in info.skipped] == ["README.md"]


@pytest.mark.parametrize("top", ["", "wrapped/inside/"])
def test_a_zip_equals_its_folder(tmp_path, top):
    fill(tmp_path / "in" / "cat", range(15))
    fill(tmp_path / "in" / "dog", range(15, 30))
    (tmp_path / "in" / "dog" / "bad.png").write_bytes(b"bad")
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for index, path in enumerate(sorted((tmp_path / "in").rglob("*.png"))):
            method = zipfile.ZIP_DEFLATED if index % 2 else zipfile.ZIP_STORED
            archive.write(path, top + str(path.relative_to(tmp_path / "in")), method)
        archive.writestr("__MACOSX/cat/._1.png", b"x")
        archive.writestr(top + "cat/.DS_Store", b"x")
    folder = prepare(str(tmp_path / "in"), tmp_path / "a", size=SIZE, processes=1)
    packed = prepare(str(tmp_path / "in.zip"), tmp_path / "b", size=SIZE, processes=2)
    assert packed.checksum == folder.checksum and packed.skipped_by_reason == {"not an image": 1}
    assert (tmp_path / "a" / "images.npy").read_bytes() == (
        tmp_path / "b" / "images.npy"
    ).read_bytes()


def test_hostile_and_damaged_zips(tmp_path):
    with zipfile.ZipFile(tmp_path / "in.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for seed in range(12):
            archive.writestr(f"../../cat/{seed}.png", png(seed))
        archive.writestr("cat/lzma.png", png(1), zipfile.ZIP_LZMA)
        archive.writestr("cat/spoilt.png", png(50), zipfile.ZIP_STORED)
    data = (tmp_path / "in.zip").read_bytes()
    (tmp_path / "in.zip").write_bytes(data.replace(png(50), png(50)[:-20] + bytes(20)))
    info = prepare(str(tmp_path / "in.zip"), tmp_path / "out", size=SIZE, processes=1)
    assert stored(Dataset.open(tmp_path / "out")) == wanted(range(12))
    assert {(skip.path, skip.reason) for skip in info.skipped} == {
        ("cat/lzma.png", "unsupported zip compression (method 14)"),
        ("cat/spoilt.png", "damaged"),
    }
    (tmp_path / "cut.zip").write_bytes(data[:1000])
    with pytest.raises(ValueError, match=r"cut\.zip cannot be read as a zip file"):
        prepare(str(tmp_path / "cut.zip"), tmp_path / "out")


def test_zip_bombs(tmp_path):
    """A member is read up to the size it declares, and not at all above the limit."""
    with zipfile.ZipFile(tmp_path / "in.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", bytes(2**20))
    tree = Zip(str(tmp_path / "in.zip"))
    member = tree.scan().files[0].key
    assert tree.read(member) == bytes(2**20)
    with pytest.raises(Unreadable, match="larger than 0 MiB"):
        tree.read(member, limit=2**19)
    with pytest.raises(Unreadable, match="damaged"):
        tree.read(member._replace(size=100), limit=2**19)


def test_cartoons(tmp_path):
    """Drawn straight into a data set, or written as a synth-cute clone and read back."""
    info = prepare("cartoons:132", tmp_path / "drawn", size=16, processes=2)
    drawn = Dataset.open(tmp_path / "drawn")
    assert info.class_names == sorted(SPECIES) and info.train + info.test == 132 and info.flip
    for index in (0, 57, 131):
        species, seed = species_and_seed(index)
        assert (drawn.images[index] == draw(species, seed, size=16)).all()
        assert info.class_names[drawn.labels[index]] == species
    write_files(tmp_path / "clone", 132, size=32)
    read = prepare(str(tmp_path / "clone"), tmp_path / "read", size=16, processes=2)
    assert read.kind == "synth-cute" and not read.skipped
    totals = [{name: c.train + c.test for name, c in each.counts.items()} for each in (info, read)]
    assert totals[0] == totals[1]


def test_the_number_of_processes_changes_nothing(tmp_path):
    fill(tmp_path / "in" / "a", range(90))
    fill(tmp_path / "in" / "b", range(90, 101))
    (tmp_path / "in" / "a" / "5.png").write_bytes(b"bad")
    done = []
    sums = [
        prepare(
            str(tmp_path / "in"),
            tmp_path / str(n),
            SIZE,
            processes=n,
            on_progress=lambda *d: done.append(d),
        )
        for n in (1, 2)
    ]
    assert len({info.checksum for info in sums}) == 1 and sums[0].skipped == sums[1].skipped
    assert done[-1] == (101, 101)


def test_small_classes_are_left_out_and_labels_stay_sorted(tmp_path):
    for name, seeds in {"b few": range(9), "a": range(10, 22), "c": range(30, 45)}.items():
        fill(tmp_path / "in" / name, seeds)
    info = prepare(str(tmp_path / "in"), tmp_path / "out", size=SIZE, processes=1)
    data = Dataset.open(tmp_path / "out")
    assert info.class_names == ["a", "c"]
    assert info.left_out == {"b few": "9 usable images, at least 10 are needed"}
    assert {data.images[i].tobytes() for i in np.flatnonzero(data.labels == 1)} == wanted(
        range(30, 45)
    )
    assert data.histogram.sum() == len(data.train) == info.train


def test_odd_names(tmp_path):
    odd = ["größe 写真 🐱", "-rf *", "new\nline", "a.b.c", "percent%20"]
    for index, name in enumerate(odd):
        fill(tmp_path / "in" / name, range(12 * index, 12 * index + 12), name="{} ü'\".PNG")
    raw = os.fsencode(tmp_path / "in" / "a.b.c") + b"/\xff\xfe.png"
    if sys.platform != "linux":  # macOS refuses such names
        raw = raw[:-6] + b"x.png"
    with open(raw, "wb") as file:
        file.write(b"not valid UTF-8, and no picture")
    info = prepare(str(tmp_path / "in"), tmp_path / "out", size=SIZE, processes=2)
    assert sorted(info.class_names) == sorted(odd) and info.train + info.test == 60
    assert Dataset.open(tmp_path / "out").info == info
    assert all(line.isprintable() for line in summary(info))


def test_a_flat_folder_is_one_class(tmp_path):
    fill(tmp_path / "flowers", range(15))
    info = prepare(str(tmp_path / "flowers"), tmp_path / "out", size=SIZE, processes=1)
    assert info.class_names == ["flowers"] and "unconditional" in "\n".join(summary(info))
