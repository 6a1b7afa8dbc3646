"""What kind of file something is, by its first bytes; its name plays no part.

`decode` and every listing of pictures ask here, so that all commands take the same files.
"""

import importlib.util
import re
from functools import cache

from PIL import features

# What files that hold pictures are usually called; only hints at where pictures lie.
IMAGE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"),
    *(".heic", ".heif", ".jp2", ".ppm", ".pgm", ".pbm", ".pnm"),
)
BMP_HEADER_SIZES = (12, 16, 40, 52, 56, 64, 108, 124)  # "BM" alone would take any text
MAGIC = {  # how files begin, and Pillow's name of their format
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\0\0\0\x0cjP  ": "JPEG2000",
    b"\xff\x4f\xff\x51": "JPEG2000",
}
UNSUPPORTED = {
    b"8BPS": "Photoshop",
    b"gimp xcf": "GIMP",
    b"%PDF": "PDF",
    b"%!PS": "PostScript",
    b"<svg": "SVG",
    b"<?xml": "XML, perhaps SVG",
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\0\0\x01\0": "ICO",
    b"DDS ": "DDS",
    b"qoif": "QOI",
    b"v/1\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"IIRO": "camera raw",
    b"IIU\0": "camera raw",
    b"FUJIFILM": "camera raw",
    b"\x1aE\xdf\xa3": "video",
    b"PK\3\4": "an archive: unpack it first",
    b"7z\xbc\xaf": "an archive: unpack it first",
    b"Rar!": "an archive: unpack it first",
    b"\x1f\x8b": "an archive: unpack it first",
}
# ISO media files, by what follows "ftyp".
AVIF_BRANDS = {b"avif", b"avis"}
HEIC_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1"}
HEIC_BRANDS |= {b"msf1"}
# What a format needs that not every Pillow has, by Pillow's name of it.
NEEDS = {"AVIF": "avif", "WEBP": "webp", "JPEG2000": "jpg_2000"}


class Unreadable(Exception):
    """One picture cannot be had; the text is the reason, short and without the file's name."""


def sniff(head: bytes) -> str:
    """Return Pillow's name of the format of a file that begins with `head`; 32 bytes are enough.

    Raises Unreadable for anything that cannot be read here.
    """
    if not head:
        raise Unreadable("empty file")
    if head[12:16] == b"CgBI":
        raise Unreadable("unsupported format (a PNG rewritten for iPhones)")
    if head[8:10] == b"CR" and head[:4] == b"II*\0":
        raise Unreadable("unsupported format (camera raw)")
    form = known_format(head)
    if form is None:
        start = head.lstrip().lower()
        named = (name for magic, name in UNSUPPORTED.items() if start.startswith(magic.lower()))
        foreign = next(named, None)
        raise Unreadable(f"unsupported format ({foreign})" if foreign else "not an image")
    if not is_readable(form):
        name = "HEIC, which needs pillow-heif" if form == "HEIF" else form
        raise Unreadable(f"unsupported format ({name})")
    return form


def known_format(head: bytes) -> str | None:
    """Return the name of a format that can be read with the right library, or None."""
    for magic, form in MAGIC.items():
        if head.startswith(magic):
            return form
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in BMP_HEADER_SIZES:
        return "BMP"
    if re.match(rb"P[1-6]\s+[#\d]", head):
        return "PPM"
    if head[4:8] == b"ftyp":
        return of_brands(head)
    return None


def of_brands(head: bytes) -> str:
    """Return the format of an ISO media file; raise Unreadable for one that is no picture."""
    brands = [head[start : start + 4] for start in (8, *range(16, len(head), 4))]
    if brands[0] in AVIF_BRANDS or (brands[0] in HEIC_BRANDS and AVIF_BRANDS & set(brands)):
        return "AVIF"
    if brands[0] in HEIC_BRANDS:
        return "HEIF"
    kind = "camera raw" if brands[0] == b"crx " else "video"
    raise Unreadable(f"unsupported format ({kind})")


@cache
def is_readable(form: str) -> bool:
    """Return whether a format can be read here; HEIC can where pillow-heif is installed."""
    if form == "HEIF":
        if importlib.util.find_spec("pillow_heif") is None:
            return False
        from pillow_heif import register_heif_opener

        register_heif_opener()
        return True
    return form not in NEEDS or bool(features.check(NEEDS[form]))
