"""An upload is treated as any other picture file; a bad one costs nothing but a line of text."""

import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from latent_diffusion import Pipeline
from latent_diffusion.app import uploads
from latent_diffusion.app.uploads import reconstruct_upload
from latent_diffusion.data.decode import read_images
from latent_diffusion.evaluation.reconstruction import reconstruct_images
from latent_diffusion.run import Run


@pytest.fixture(scope="module")
def pipe(tiny_run) -> Pipeline:
    return Pipeline.from_run(tiny_run, device="cpu")


def bomb(side: int = 50_000) -> bytes:
    """Return a sound PNG of side x side grey pixels: a header, and the beginning of its data."""

    def chunk(name: bytes, data: bytes) -> bytes:
        length, checksum = (struct.pack(">I", n) for n in (len(data), zlib.crc32(name + data)))
        return length + name + data + checksum

    rows = zlib.compress(b"\0" * 2_000_000)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_picture_is_reconstructed_as_ldm_reconstruct_does(pipe, tiny_run, tmp_path, fresh_shapes):
    path = tmp_path / "wide.png"
    Image.fromarray(np.concatenate(list(fresh_shapes[:3]), axis=1)).save(path)
    found = reconstruct_upload(pipe.codec, path)
    given = read_images([path], 16)
    originals, decoded, scores = reconstruct_images(Run.open(tiny_run), given, "cpu")
    assert np.array_equal(found.original, fresh_shapes[1])  # the centre square
    assert np.array_equal(found.original, originals[0])
    assert np.array_equal(found.reconstruction, decoded[0])
    assert (found.psnr, found.ssim) == (pytest.approx(scores.psnr), pytest.approx(scores.ssim))
    assert found.error.max() == min(255, 4 * np.abs(originals.astype(int) - decoded).max())


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "empty file"),
        (b"hello, I am a text", "not an image"),
        (bomb(), "megapixels"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "damaged"),
        (b"<svg xmlns=''/>", "SVG"),
    ],
)
def test_what_is_no_picture_is_one_line(pipe, tmp_path, content, reason):
    path, start = tmp_path / "picture.png", time.perf_counter()
    path.write_bytes(content)
    with pytest.raises(ValueError, match=reason) as refusal:
        reconstruct_upload(pipe.codec, path)
    assert "\n" not in str(refusal.value) and str(tmp_path) not in str(refusal.value)
    assert time.perf_counter() - start < 5


def test_a_large_file_is_not_even_read(pipe, tmp_path, monkeypatch):
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate((uploads.MOST_MEGABYTES + 1) * 2**20)
    monkeypatch.setattr(uploads, "decode", None)
    with pytest.raises(ValueError, match="larger than 20 MB"):
        reconstruct_upload(pipe.codec, path)
