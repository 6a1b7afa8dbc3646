"""Every colour mode, orientation and kind of damage, against answers made without the decoder."""

import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from latent_diffusion.data.decode import Unreadable, decode, sniff

SIDE = 16
RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)


def encoded(image: Image.Image, form: str = "PNG", **options) -> bytes:
    stream = BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def pixels(data: bytes, size: int = SIDE) -> np.ndarray:
    return decode(data, size)[0].astype(int)


@pytest.mark.parametrize("form", ["PNG", "BMP", "WEBP", "GIF", "JPEG"])
def test_formats(form):
    smooth = np.broadcast_to(
        np.linspace(0, 255, SIDE).astype(np.uint8)[:, None, None], (SIDE, SIDE, 3)
    )
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100}}.get(form, {})
    got = pixels(encoded(Image.fromarray(smooth), form, **options))
    assert np.abs(got - smooth).max() <= (2 if form == "JPEG" else 0)


def test_a_wrong_file_name_plays_no_part():
    assert [sniff(encoded(Image.new("RGB", (9, 9)), form)) for form in ("JPEG", "PNG")] == [
        "JPEG",
        "PNG",
    ]


def test_transparency_lies_on_white():
    alpha = RNG.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
    share = alpha[..., None] / 255
    rgba = Image.fromarray(np.dstack([RGB, alpha]))
    np.testing.assert_allclose(pixels(encoded(rgba)), RGB * share + 255 * (1 - share), atol=1)
    grey = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(alpha)])
    want = GREY[..., None] * share + 255 * (1 - share)
    np.testing.assert_allclose(pixels(encoded(grey)), np.broadcast_to(want, RGB.shape), atol=1)


def test_colour_key_transparency_lies_on_white():
    two = np.zeros((SIDE, SIDE, 3), np.uint8)
    two[:, 8:] = (10, 200, 30)
    want = two.copy()
    want[:, :8] = 255
    assert (pixels(encoded(Image.fromarray(two), transparency=(0, 0, 0))) == want).all()


def test_palette_with_and_without_transparency():
    indices = (np.arange(SIDE * SIDE).reshape(SIDE, SIDE) % 5).astype(np.uint8)
    colours = RNG.integers(0, 256, (5, 3), dtype=np.uint8)
    image = Image.frombytes("P", (SIDE, SIDE), indices.tobytes())
    image.putpalette(colours.tobytes())
    assert (pixels(encoded(image)) == colours[indices]).all()
    want = colours.copy()
    want[2] = 255
    assert (pixels(encoded(image, transparency=2)) == want[indices]).all()
    assert (pixels(encoded(image, "GIF", transparency=2)) == want[indices]).all()


def test_grey_one_bit_and_cmyk():
    assert (pixels(encoded(Image.fromarray(GREY))) == GREY[..., None]).all()
    bits = GREY > 127
    assert (pixels(encoded(Image.fromarray(bits))) == 255 * bits[..., None]).all()
    cyan = Image.new("CMYK", (SIDE, SIDE), (255, 0, 0, 0))
    np.testing.assert_allclose(
        pixels(encoded(cyan, "JPEG", quality=100)), np.full(RGB.shape, (0, 255, 255)), atol=3
    )


def test_sixteen_bits_are_scaled_not_clipped():
    deep = np.linspace(0, 65535, SIDE * SIDE).astype(np.uint16).reshape(SIDE, SIDE)
    got = pixels(encoded(Image.fromarray(deep)))
    assert (got == np.round(deep / 65535 * 255)[..., None]).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation(form, orientation):
    """Each orientation, undone by hand with NumPy: stored is the inverse of what is seen."""
    seen = np.zeros((24, 24, 3), np.uint8)
    seen[:12, :12], seen[:12, 12:], seen[12:, :12] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    store = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(form, {})
    data = encoded(Image.fromarray(np.ascontiguousarray(store(seen))), form, exif=exif, **options)
    np.testing.assert_allclose(pixels(data, 24), seen, atol=4)


def test_centre_crop_then_antialiased_resize():
    wide = np.zeros((40, 80, 3), np.uint8)
    wide[:, :20], wide[:, 60:] = (255, 0, 0), (0, 0, 255)  # outside the centre square
    checker = (np.indices((40, 40)).sum(0) % 2 * 255).astype(np.uint8)
    wide[:, 20:60] = checker[..., None]
    got = pixels(encoded(Image.fromarray(wide)), 8)
    # An aliasing resize would give 0 or 255, a wrong crop red or blue.
    assert (np.abs(got - 127.5) < 12).all()


def test_large_jpegs_are_reduced_while_decoding_with_the_same_result():
    smooth = Image.fromarray(RGB).resize((640, 480), Image.Resampling.BICUBIC)
    data = encoded(smooth, "JPEG", quality=95)
    fair = (
        Image.open(BytesIO(data)).crop((80, 0, 560, 480)).resize((32, 32), Image.Resampling.BICUBIC)
    )
    assert np.abs(pixels(data, 32) - np.asarray(fair).astype(int)).mean() < 1.5


def test_enlarged_is_said():
    data = encoded(Image.fromarray(RGB))
    assert (decode(data, SIDE)[1], decode(data, SIDE + 1)[1]) == (False, True)


def test_gif_gives_its_first_frame():
    frames = [Image.new("RGB", (SIDE, SIDE), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (pixels(data) == (255, 0, 0)).all()


@pytest.mark.parametrize("form", ["PNG", "BMP", "WEBP", "GIF", "JPEG"])
def test_a_truncated_file_is_refused_wherever_it_ends(form):
    """A cut in the last bytes may leave every pixel intact; any other is refused."""
    data = encoded(Image.fromarray(RNG.integers(0, 256, (48, 48, 3), dtype=np.uint8)), form)
    whole = pixels(data)
    for length in [0, 1, 3, 10, *range(20, len(data), max(1, len(data) // 40)), len(data) - 1]:
        try:
            assert np.array_equal(pixels(data[:length]), whole), (
                f"{length} of {len(data)} bytes gave another image"
            )
        except Unreadable as error:
            assert str(error) in ("truncated", "damaged", "empty file", "not an image")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("form", ["PNG", "BMP", "WEBP", "GIF", "JPEG"])
def test_noise_in_a_file_raises_nothing_but_unreadable(form):
    data = encoded(Image.fromarray(RGB), form)
    rng = np.random.default_rng(1)
    for _ in range(100):
        bad = bytearray(data)
        for place in rng.integers(8, len(data), 4):
            bad[place] = rng.integers(256)
        try:
            assert decode(bytes(bad), 8)[0].shape == (8, 8, 3)
        except Unreadable:
            pass


def test_absurd_sizes_are_refused_before_they_are_decoded():
    data = bytearray(encoded(Image.new("1", (9, 9))))
    data[16:24] = (20_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    with pytest.raises(Unreadable, match="over 89 megapixels"):
        decode(bytes(data), 8)
    with pytest.raises(Unreadable, match="smaller than 8 pixels"):
        decode(encoded(Image.new("RGB", (100, 7))), 8)
