"""Pictures as people see them: profiles, bit depths, transparency, formats, metadata.

What is wanted is computed here from the definitions, without the decoder or Pillow's conversions.
"""

import struct
import zlib
from functools import cache
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from latent_diffusion.data.decode import Unreadable, look, sniff

SIDE = 16
COLOURS = np.array([(200, 30, 30), (30, 180, 30), (30, 30, 200), (128, 128, 128)], np.uint8)
RGB = COLOURS.reshape(2, 2, 3).repeat(SIDE // 2, 0).repeat(SIDE // 2, 1)  # four quadrants
# XYZ (D50) of the primaries: sRGB, Adobe RGB (1998), ProPhoto RGB.
SRGB = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
ADOBE = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))
PROPHOTO = ((0.7977, 0.2880, 0.0), (0.1352, 0.7119, 0.0), (0.0313, 0.0001, 0.8249))


def encoded(image: Image.Image | np.ndarray, form: str = "PNG", **options) -> bytes:
    stream = BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(stream, form, **options)
    return stream.getvalue()


def seen(data: bytes) -> np.ndarray:
    """The colours of the four quadrants."""
    return look(data, SIDE).pixels[4::8, 4::8].reshape(4, 3).astype(int)


def light(values) -> np.ndarray:
    """sRGB's transfer function (IEC 61966-2-1)."""
    share = np.asarray(values) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def stored_in(primaries, gamma: float) -> np.ndarray:
    """The numbers that show RGB's colours in another space."""
    matrix = np.linalg.inv(np.array(primaries).T) @ np.array(SRGB).T
    linear = (light(RGB) @ matrix.T).clip(0, 1)
    return np.rint(255 * linear ** (1 / gamma)).astype(np.uint8)


def icc(primaries, gamma: float) -> bytes:
    """A matrix profile (ICC.1:2001-04), as small as can be."""

    def number(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    def point(xyz) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(map(number, xyz))

    curve = b"curv\0\0\0\0" + struct.pack(">IHxx", 1, round(gamma * 256))
    body, table = b"", b""
    tags = {b"desc": b"desc\0\0\0\0\0\0\0\x02x\0" + bytes(82), b"cprt": b"text\0\0\0\0free"}
    tags |= {b"wtpt": point((0.9642, 1, 0.8249))}
    for letter, xyz in zip((b"r", b"g", b"b"), primaries, strict=True):
        tags |= {letter + b"XYZ": point(xyz), letter + b"TRC": curve}
    for name, content in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    size = 132 + len(table) + len(body)
    head = struct.pack(">IIIIII", size, 0, 0x02400000, *struct.unpack(">III", b"mntrRGB XYZ "))
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    head += number(0.9642) + number(1) + number(0.8249)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def chunk(kind: bytes, content: bytes, is_sound: bool = True) -> bytes:
    checksum = zlib.crc32(kind + content) ^ (not is_sound)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png(kind: int, depth: int, rows: list[bytes], *chunks: bytes) -> bytes:
    """A PNG of SIDE x SIDE whose rows are packed already."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, len(rows), depth, kind, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    parts = (b"\x89PNG\r\n\x1a\n", header, *chunks, pixels, chunk(b"IEND", b""))
    return b"".join(parts)


def rows_of(array: np.ndarray) -> list[bytes]:
    return [row.tobytes() for row in array]


def test_the_profile_of_this_test_is_one_that_others_read():
    from PIL import ImageCms

    profile = ImageCms.getOpenProfile(BytesIO(icc(ADOBE, 2.2)))
    assert profile.profile.xcolor_space == "RGB "


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("primaries, gamma", [(ADOBE, 2.2), (PROPHOTO, 1.8), (SRGB, 1.0)])
def test_colour_profiles_are_converted_to_srgb(form, primaries, gamma):
    options = {"JPEG": {"quality": 98, "subsampling": 0}, "WEBP": {"lossless": True}}
    options["AVIF"] = {"quality": 98, "subsampling": "4:4:4"}
    stored = stored_in(primaries, gamma)
    data = encoded(stored, form, icc_profile=icc(primaries, gamma), **options.get(form, {}))
    lossy = form in ("JPEG", "AVIF")
    np.testing.assert_allclose(seen(data), COLOURS.astype(int), atol=30 if lossy else 4)
    assert look(data, SIDE).remarks == ()


def test_profiles_of_palettes_and_of_transparent_pictures_are_converted():
    stored, profile = stored_in(ADOBE, 2.2), icc(ADOBE, 2.2)
    palette = Image.fromarray(stored).quantize(4)
    np.testing.assert_allclose(seen(encoded(palette, icc_profile=profile)), COLOURS, atol=4)
    half = np.dstack([stored, np.full((SIDE, SIDE), 128, np.uint8)])
    want = COLOURS * (128 / 255) + 255 * (127 / 255)
    np.testing.assert_allclose(seen(encoded(half, icc_profile=profile)), want, atol=4)


def test_an_srgb_profile_changes_no_byte():
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert (look(encoded(noise, icc_profile=profile), SIDE).pixels == noise).all()
    grey = encoded(noise[..., 0], icc_profile=profile)  # greys with a profile of colours
    assert (look(grey, SIDE).pixels == noise[..., :1]).all() and not look(grey, SIDE).remarks


@pytest.mark.parametrize("profile", [b"garbage" * 50, icc(ADOBE, 2.2)[:200]])
def test_a_profile_that_cannot_be_used_is_said(profile):
    found = look(encoded(RGB, icc_profile=profile), SIDE)
    assert (found.pixels == RGB).all()
    assert found.remarks == ("a colour profile that cannot be used: taken for sRGB",)


def test_the_gamma_of_a_png_is_undone():
    linear = np.rint(255 * light(RGB)).astype(np.uint8)
    gamma = chunk(b"gAMA", struct.pack(">I", 100_000))
    np.testing.assert_allclose(seen(png(2, 8, rows_of(linear), gamma)), COLOURS, atol=3)
    usual = chunk(b"gAMA", struct.pack(">I", 45_455))
    assert (seen(png(2, 8, rows_of(RGB), usual)) == COLOURS).all()


def test_greys_that_use_few_of_their_16_bits_are_named_and_left_as_they_are():
    full = np.arange(SIDE * SIDE, dtype=np.uint16).reshape(SIDE, SIDE) * 257
    assert look(encoded(full), SIDE).remarks == ()
    for form in ("PNG", "TIFF"):
        found = look(encoded(full // 16, form), SIDE)
        assert found.remarks == ("a 16-bit grey of at most 12 bits: dark, as it is stored",)
        assert (found.pixels[..., 0] == np.rint(full // 16 / 257)).all()


def test_a_tiff_that_says_12_bits_is_scaled_by_them():
    """Two samples in three bytes, most significant first (TIFF 6.0, FillOrder 1)."""
    samples = np.linspace(0, 4095, SIDE * SIDE).astype(int)
    pairs = samples.reshape(-1, 2)
    packed = b"".join(((a << 12) | b).to_bytes(3, "big") for a, b in pairs.tolist())
    tags = {256: SIDE, 257: SIDE, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: SIDE}
    tags[279] = len(packed)
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    table = struct.pack("<H", len(tags)) + entries + bytes(4)
    data = b"II*\0" + struct.pack("<I", 8 + len(packed)) + packed + table
    want = np.rint(samples / 4095 * 255).reshape(SIDE, SIDE, 1)
    found = look(data, SIDE)
    assert np.abs(found.pixels - want).max() <= 1 and found.remarks == ()


@pytest.mark.parametrize("depth", [2, 4, 8, 16])
def test_the_transparent_grey_of_a_png_lies_on_white(depth):
    """Left half 1, right half 2 of the smallest steps; 1 is transparent."""
    values = np.repeat([1, 2], SIDE // 2)
    bits = "".join(f"{value:0{depth}b}" for value in values)
    row = int(bits, 2).to_bytes(len(bits) // 8, "big")
    pixels = look(png(0, depth, [row] * SIDE, chunk(b"tRNS", b"\0\1")), SIDE).pixels
    assert (pixels[:, :8] == 255).all()
    assert (pixels[:, 8:] == round(2 * 255 / (2**depth - 1))).all()


def test_the_transparent_colour_of_16_bits_lies_on_white():
    deep = RGB.astype(">u2") * 257
    red = struct.pack(">HHH", *(int(value) * 257 for value in COLOURS[0]))
    want = [(255, 255, 255), *COLOURS[1:]]
    assert (seen(png(2, 16, rows_of(deep), chunk(b"tRNS", red))) == want).all()


def test_numbers_that_are_no_colours_are_refused():
    share = np.linspace(0, 1, SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE)
    assert (look(encoded(share, "TIFF"), SIDE).pixels[..., 0] == np.floor(share * 255 + 0.5)).all()
    for wrong in (share * 255, share - 1, share * np.nan):
        with pytest.raises(Unreadable, match="numbers beyond 0 to 1"):
            look(encoded(wrong, "TIFF"), SIDE)
    with pytest.raises(Unreadable, match="numbers beyond 0 to 65535"):
        look(encoded((share * 70_000).astype(np.int32), "TIFF"), SIDE)


@pytest.mark.parametrize("form", ["TIFF", "JPEG2000", "PPM", "AVIF"])
def test_more_formats(form):
    tolerance = 8 if form == "AVIF" else 0
    np.testing.assert_allclose(seen(encoded(RGB, form)), COLOURS, atol=tolerance)


@pytest.mark.parametrize("mode", ["CMYK", "LAB", "L", "1", "RGBA"])
def test_tiffs_of_other_modes(mode):
    white = Image.new(
        mode, (SIDE, SIDE), {"CMYK": (0, 0, 0, 0), "LAB": (255, 128, 128)}.get(mode, 255)
    )
    if mode == "RGBA":
        white = Image.new(mode, (SIDE, SIDE), (255, 255, 255, 255))
    assert (look(encoded(white, "TIFF"), SIDE).pixels >= 254).all()


@pytest.mark.parametrize(
    "head, reason",
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftyphevc\0\0\0\0msf1hevc", "HEIC"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomiso2", "video"),
        (b"\0\0\0\x18ftypcrx \0\0\0\0crx isom", "camera raw"),
        (b"II*\0\x10\0\0\0CR\2\0", "camera raw"),
        (b"\xff\x0a" + bytes(30), "JPEG XL"),
        (b'<?xml version="1.0"?><svg', "SVG"),
        (b"  <svg xmlns=", "SVG"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\x04CgBI", "iPhone"),
        (b"8BPS\0\1", "Photoshop"),
    ],
)
def test_what_cannot_be_read_is_named(head, reason, monkeypatch):
    from latent_diffusion.data import formats

    monkeypatch.setattr(formats.importlib.util, "find_spec", lambda _: None)
    formats.is_readable.cache_clear()
    with pytest.raises(Unreadable, match=f"unsupported format .*{reason}"):
        sniff(head)
    formats.is_readable.cache_clear()


def test_an_avif_is_known_by_its_brands_in_any_order():
    assert sniff(b"\0\0\0\x1cftypavis\0\0\0\0avifavis") == "AVIF"
    assert sniff(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif") == "AVIF"


def test_a_camera_raw_file_that_is_a_tiff_is_not_taken_for_its_preview():
    with pytest.raises(Unreadable, match="camera raw"):
        look(encoded(RGB, "TIFF", tiffinfo={254: 1}), SIDE)


@pytest.mark.parametrize("form", ["PNG", "GIF", "WEBP", "TIFF", "AVIF"])
def test_of_several_pictures_in_a_file_the_first_is_taken_and_that_is_said(form):
    others = [Image.new("RGB", (SIDE, SIDE), "yellow")] * 2
    options = {"lossless": True} if form == "WEBP" else {}
    data = encoded(RGB, form, save_all=True, append_images=others, **options)
    np.testing.assert_allclose(seen(data), COLOURS, atol=8)
    what = "pages" if form == "TIFF" else "frames"
    assert look(data, SIDE).remarks == (f"several {what}: the first is taken",)
    assert look(encoded(RGB, form), SIDE).remarks == ()


def text(count: int, length: int, **options) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for number in range(count):
        info.add_text(f"key {number}", "x" * length, **options)
    return info


@cache
def metadata() -> dict[str, bytes]:
    """Pictures with metadata that is broken or huge."""
    whole, jpeg = encoded(RGB), encoded(RGB, "JPEG", quality=98, subsampling=0)
    broken = {
        "tEXt with a wrong checksum": chunk(b"tEXt", b"a\0b", is_sound=False),
        "tIME with a wrong checksum": chunk(b"tIME", bytes(7), is_sound=False),
        "own chunk with a wrong checksum": chunk(b"abCd", bytes(7), is_sound=False),
        "pHYs that is too short": chunk(b"pHYs", b"\0"),
        "sRGB that is empty": chunk(b"sRGB", b""),
        "iCCP of an unknown method": chunk(b"iCCP", b"x\0\7garbage"),
        "zTXt of an unknown method": chunk(b"zTXt", b"x\0\7garbage"),
        "eXIf that is garbage": chunk(b"eXIf", b"garbage!"),
        "tRNS that is too short": chunk(b"tRNS", b"\0"),
    }
    files = {f"PNG, {name}": whole[:33] + part + whole[33:] for name, part in broken.items()}
    files |= {
        f"PNG, {name}, at its end": whole[:-12] + p + whole[-12:] for name, p in broken.items()
    }
    files["PNG, 2 MB of packed text"] = encoded(RGB, pnginfo=text(1, 2_000_000, zip=True))
    files["PNG, 80 packed texts of 1 MB"] = encoded(RGB, pnginfo=text(80, 1_000_000, zip=True))
    segments = {
        "MPF": b"\xff\xe2\0\x0dMPF\0garbage",
        "Exif": b"\xff\xe1\0\x0fExif\0\0garbage",
        "Photoshop": b"\xff\xed\0\x15Photoshop 3.0\x008BIM\4",
        "ICC": b"\xff\xe2\0\x12ICC_PROFILE\0\1\7xx",
    }
    for name, segment in segments.items():
        files[f"JPEG, {name}"] = jpeg[:2] + segment + jpeg[2:]
    return files


@pytest.mark.parametrize("name", metadata())
def test_metadata_never_costs_a_picture(name):
    np.testing.assert_allclose(seen(metadata()[name]), COLOURS, atol=4)


def test_a_large_profile_is_still_converted():
    profile = icc(ADOBE, 2.2) + bytes(2_000_000)
    found = look(encoded(stored_in(ADOBE, 2.2), icc_profile=profile), SIDE)
    np.testing.assert_allclose(found.pixels[4::8, 4::8].reshape(4, 3), COLOURS, atol=4)
    assert found.remarks == ("metadata that is damaged or too large: passed over",)


def test_damage_to_the_picture_itself_is_still_damage():
    data = bytearray(encoded(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)))
    data[len(data) // 2] ^= 0xFF
    broken = bytes(data[:33]) + chunk(b"tEXt", b"a\0b", is_sound=False) + bytes(data[33:])
    with pytest.raises(Unreadable):
        look(broken, SIDE)


def test_fits():
    """A picture twice as wide as high: quarters of red, green, blue, grey from left to right."""
    wide = np.repeat(COLOURS[None], SIDE // 2, axis=1).repeat(SIDE, 0)
    cropped, padded, stretched = (
        look(encoded(wide), SIDE, fit) for fit in ("crop", "pad", "stretch")
    )
    assert (cropped.cropped, padded.cropped, stretched.cropped) == (0.5, 0, 0)
    assert [tuple(cropped.pixels[8, x]) for x in (2, 13)] == [tuple(c) for c in COLOURS[1:3]]
    assert (padded.pixels[:4] == 255).all() and (padded.pixels[12:] == 255).all()
    for whole in (padded, stretched):
        np.testing.assert_allclose(whole.pixels[8, 1::4], COLOURS, atol=12)
    square = encoded(RGB)
    assert all((look(square, SIDE, fit).pixels == RGB).all() for fit in ("crop", "pad", "stretch"))


@pytest.mark.parametrize("size", [(8, 4000), (4000, 8)])
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_ribbons_fit(size, fit):
    assert look(encoded(Image.new("RGB", size)), SIDE, fit).pixels.shape == (SIDE, SIDE, 3)


def test_heic_is_read_where_its_library_is():
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    data = encoded(Image.fromarray(RGB).resize((128, 128), 0), "HEIF", quality=98)
    np.testing.assert_allclose(seen(data), COLOURS, atol=12)
