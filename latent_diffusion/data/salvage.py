"""A picture file without what is not picture: for `decode`, where Pillow stumbles over the rest.

Damaged or huge metadata never costs the pixels.
"""

import struct
import zlib

MOST_PROFILE = 32 * 2**20  # bytes of a colour profile, unpacked
PNG_KEPT = {b"tRNS", b"eXIf", b"gAMA", b"sRGB"}  # what a PNG may do without, but shows
JPEG_KEPT = {0xE0, 0xEE}  # JFIF, and Adobe's, which tells CMYK from its inverse
SCAN = 0xDA  # the JPEG marker after which the picture follows


def bare(form: str, data: bytes) -> list[tuple[bytes, bytes | None]]:
    """Return a PNG or JPEG file with less and less metadata, and the colour profile of a PNG.

    Nothing of other files, and of those that have none.
    """
    versions: list[tuple[bytes, bytes | None]] = []
    if form == "PNG":
        versions = [bare_png(data, PNG_KEPT), bare_png(data, set())]
    if form == "JPEG":
        versions = [(bare_jpeg(data), None)]
    return [version for version in versions if version[0] != data]


def bare_png(data: bytes, keep: set[bytes]) -> tuple[bytes, bytes | None]:
    """Return a PNG with its pixels and the chunks to keep, and its colour profile, if any.

    (PNG specification, 5.3: length, type, data, CRC; a capital letter says that all must read it.)
    """
    kept, profile, position = [data[:8]], None, 8
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        end = position + 12 + length
        kind, body = data[position + 4 : position + 8], data[position + 8 : end - 4]
        is_sound = data[end - 4 : end] == struct.pack(">I", zlib.crc32(kind + body))
        if kind[:1].isupper() or (kind in keep and is_sound):
            kept.append(data[position:end])
        elif kind == b"iCCP" and is_sound:
            profile = unpacked(body)
        position = end
    return b"".join(kept), profile


def unpacked(body: bytes) -> bytes | None:
    """Return the profile of an iCCP chunk: its name, 0, the method 0, and then zlib."""
    try:
        packed = body[body.index(b"\0") + 2 :]
        return zlib.decompressobj().decompress(packed, MOST_PROFILE) or None
    except (ValueError, zlib.error):
        return None


def bare_jpeg(data: bytes) -> bytes:
    """Return a JPEG without comments and applications' segments but JFIF, Adobe, Exif and ICC."""
    kept, position = [data[:2]], 2
    while position + 4 <= len(data) and data[position] == 0xFF and data[position + 1] != SCAN:
        marker = data[position + 1]
        (length,) = struct.unpack_from(">H", data, position + 2)
        segment = data[position : position + 2 + length]
        is_needed = segment[4:].startswith((b"Exif\0", b"ICC_PROFILE\0")) or marker in JPEG_KEPT
        if is_needed or not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            kept.append(segment)
        position += 2 + length
    return b"".join(kept) + data[position:]
