"""Names in zip files, in the letters of whoever packed them."""

import struct
import unicodedata
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latent_diffusion.data.archives import Zip
from latent_diffusion.data.prepare import prepare


def packed(path: Path, names: list[bytes], extra: bool = False) -> Path:
    """A zip whose members have these names, byte for byte, and no mark of UTF-8.

    extra: the names are cp437 and the members have them in UTF-8 as well, as Info-ZIP does.
    """
    stream, raw_of = BytesIO(), {}
    with zipfile.ZipFile(stream, "w") as archive:
        for number, raw in enumerate(names):
            stand_in = f"{number:02d}".ljust(len(raw), "@")
            raw_of[stand_in.encode()] = raw
            info = zipfile.ZipInfo(stand_in)
            if extra:
                name = raw.decode("cp437").encode()
                body = b"\1" + struct.pack("<I", zlib.crc32(raw)) + name
                info.extra = struct.pack("<HH", 0x7075, len(body)) + body
            archive.writestr(info, png(number))
    data = stream.getvalue()
    for stand_in, raw in raw_of.items():
        data = data.replace(stand_in, raw)
    path.write_bytes(data)
    return path


def png(seed: int) -> bytes:
    stream = BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, "PNG")
    return stream.getvalue()


def paths(path: Path) -> list[str]:
    return [file.path for file in Zip(str(path)).scan().files]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_utf8_names_without_the_mark_are_utf8(form, tmp_path, capsys):
    names = [unicodedata.normalize(form, f"{name}/0.png") for name in ("Äpfel", "犬 い", "café")]
    path = packed(tmp_path / "a.zip", [name.encode() for name in names])
    assert sorted(paths(path)) == sorted(names)
    assert capsys.readouterr().out == ""


def test_the_extra_field_of_info_zip_counts(tmp_path, capsys):
    path = packed(tmp_path / "a.zip", ["Äpfel/0.png".encode("cp437")], extra=True)
    assert paths(path) == ["Äpfel/0.png"] and capsys.readouterr().out == ""


@pytest.mark.parametrize("encoding", ["cp850", "cp932", "gbk", "cp1252"])
def test_doubtful_names_are_said_and_still_read(encoding, tmp_path, capsys):
    """表 ends in a back slash in cp932; two classes stay two."""
    words = ("Öl", "naïve") if encoding in ("cp850", "cp1252") else ("表", "猫")
    raw = [f"{word}/{i}.png".encode(encoding) for word in words for i in range(10)]
    path = packed(tmp_path / "a.zip", raw)
    info = prepare(str(path), tmp_path / "data", size=16, processes=1)
    assert "20 names are not UTF-8 and may be misread" in capsys.readouterr().out
    assert len(info.class_names) == 2 and info.train + info.test == 20
    if encoding == "cp850":
        assert info.class_names == ["naïve", "Öl"]


def test_back_slashes_separate_folders(tmp_path):
    path = packed(tmp_path / "a.zip", [b"pics\\cat\\0.png", b"__MACOSX\\pics\\cat\\._0.png"])
    assert paths(path) == ["pics/cat/0.png"]


@pytest.mark.parametrize(("method", "encrypted"), [(zipfile.ZIP_LZMA, False), (0, True)])
def test_a_zip_of_which_nothing_can_be_read_says_why_and_what_to_do(tmp_path, method, encrypted):
    path = tmp_path / "in.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for number in range(12):
            archive.writestr(f"cat/{number}.png", png(number))
    if encrypted:
        data = bytearray(path.read_bytes())
        for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            at = -1
            while (at := data.find(mark, at + 1)) >= 0:
                data[at + flags] |= 1
        path.write_bytes(data)
    why = "encrypted" if encrypted else "unsupported zip compression"
    with pytest.raises(ValueError, match=rf"none of its 12 files can be read \({why}.*unpack it"):
        prepare(str(path), tmp_path / "out")
