"""One picture file, as bytes, to uint8 (size, size, 3): orientation, colour modes, crop, resize.

Called by the workers of `ldm prepare`. The content decides what a file is, never its name.
Every failure is an `Unreadable` whose text is one short reason, so that a summary can count them.
"""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

# What files that hold pictures are usually called; only hints at where pictures lie.
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif")
# Pillow's own threshold: a quarter of a GiB as RGB; more is a scan of a poster or a bomb.
MAX_PIXELS = 89_478_485
MIN_SIDE = 8  # shorter pictures are tracking pixels and icons: enlarged, they teach only blur
ORIENTATION = 0x0112  # EXIF tag
# How an EXIF orientation is undone (EXIF 2.32, 4.6.4 A); 1 is upright.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
BMP_HEADER_SIZES = (12, 16, 40, 52, 56, 64, 108, 124)  # "BM" alone would take any text
UNSUPPORTED = {
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"8BPS": "Photoshop",
    b"%PDF": "PDF",
    b"<svg": "SVG",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
}
# ISO media files, by what follows "ftyp".
BRANDS = {b"avif": "AVIF", b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIC"}


class Unreadable(Exception):
    """One picture cannot be had; the text is the reason, short and without the file's name."""


def sniff(head: bytes) -> str:
    """Return Pillow's name of the format of a file that begins with `head`; 32 bytes are enough.

    Raises Unreadable for anything but PNG, JPEG, WebP, GIF and BMP.
    """
    if not head:
        raise Unreadable("empty file")
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in BMP_HEADER_SIZES:
        return "BMP"
    if head[4:8] == b"ftyp":
        foreign = BRANDS.get(head[8:12])
    else:
        foreign = next(
            (name for magic, name in UNSUPPORTED.items() if head.startswith(magic)), None
        )
    raise Unreadable(f"unsupported format ({foreign})" if foreign else "not an image")


def decode(data: bytes, size: int) -> tuple[np.ndarray, bool]:
    """Return the centre square of a picture, uint8 (size, size, 3), and whether it was enlarged.

    PNG, JPEG, WebP, BMP, GIF (first frame); transparency is laid on white.
    Raises Unreadable, and nothing else, for whatever is wrong with the file.
    """
    form = sniff(data[:32])
    try:
        with Image.open(BytesIO(data), formats=[form]) as image:
            side = min(image.size)
            if image.width * image.height > MAX_PIXELS:
                raise Unreadable(f"over {MAX_PIXELS // 10**6} megapixels")
            if side < MIN_SIDE:
                raise Unreadable(f"smaller than {MIN_SIDE} pixels")
            if form == "JPEG":
                # At 1/2, 1/4 or 1/8, as long as two pixels remain for each wanted one.
                image.draft(image.mode, (2 * size, 2 * size))
            image.load()
            pixels = np.asarray(fit(to_rgb(upright(image)), size))
    except Unreadable:
        raise
    except MemoryError:
        raise Unreadable("not enough memory to decode it") from None
    except Image.DecompressionBombError:
        raise Unreadable(f"over {MAX_PIXELS // 10**6} megapixels") from None
    except Exception as error:  # decoders raise all kinds: OSError, SyntaxError, struct.error, ...
        is_cut = isinstance(error, EOFError) or "truncated" in str(error).lower()
        raise Unreadable("truncated" if is_cut else "damaged") from None
    return pixels, side < size


def upright(image: Image.Image) -> Image.Image:
    """Return a picture turned as its EXIF block says; an unreadable block counts as none."""
    try:
        turn = UPRIGHT.get(image.getexif().get(ORIENTATION, 1))
    except Exception:
        turn = None
    return image if turn is None else image.transpose(turn)


def to_rgb(image: Image.Image) -> Image.Image:
    """Return a picture of any mode as RGB, transparency laid on white.

    16-bit greys are scaled to 8 bits, which Pillow's convert would clip.
    """
    if image.mode == "I" or image.mode.startswith("I;16"):
        grey = np.asarray(image).astype(np.uint32)
        image = Image.fromarray(((grey.clip(0, 65535) * 255 + 32767) // 65535).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, (255, 255, 255))
        white.paste(image, mask=image.getchannel("A"))
        return white
    return image if image.mode == "RGB" else image.convert("RGB")


def fit(image: Image.Image, size: int) -> Image.Image:
    """Return the centre square at (size, size), antialiased; unchanged if it has that size already.

    `reducing_gap` averages whole blocks down to twice the size before the bicubic step: from 512 to
    64 pixels it takes a tenth to a sixth of the time of decoding instead of a half, and differs by
    less than 8-bit rounding.
    """
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    return image.resize((size, size), Image.Resampling.BICUBIC, box=box, reducing_gap=2.0)


def read_images(paths: list[Path], size: int) -> np.ndarray:
    """Return picture files as uint8 (N, size, size, 3).

    Raises ValueError that names the first file which cannot be read.
    """
    images = []
    for path in paths:
        try:
            images.append(decode(path.read_bytes(), size)[0])
        except OSError as error:
            raise ValueError(f"cannot read {path}: {error.strerror or error}") from None
        except Unreadable as reason:
            raise ValueError(f"cannot use {path}: {reason}") from None
    return np.stack(images)
