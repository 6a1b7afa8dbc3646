"""One picture file, as bytes, to uint8 (size, size, 3): orientation, colours, fit, resize.

The one reader of pictures, for every command. The content decides what a file is, never its name.
Every failure is an `Unreadable` whose text is one short reason, so that a summary can count them.
"""

import warnings
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from latent_diffusion.data.colours import WHITE, Remark, to_rgb
from latent_diffusion.data.formats import IMAGE_SUFFIXES, Unreadable, sniff
from latent_diffusion.data.salvage import bare

__all__ = ["IMAGE_SUFFIXES", "Fit", "Picture", "Unreadable", "decode", "look", "sniff", "to_rgb"]

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
DNG_VERSION, SUBFILE, REDUCED = 50706, 254, 1  # TIFF tags, and a value of the second

Fit = Literal["crop", "pad", "stretch"]


class Picture(NamedTuple):
    """A picture made square, and what was done to it."""

    pixels: np.ndarray  # uint8 (size, size, 3)
    enlarged: bool  # it was smaller than size
    cropped: float  # share of its area that is not in the square
    remarks: tuple[str, ...]  # what people should know, each a short phrase


def decode(data: bytes, size: int) -> tuple[np.ndarray, bool]:
    """Return the centre square of a picture, uint8 (size, size, 3), and whether it was enlarged.

    Raises Unreadable, and nothing else, for whatever is wrong with the file.
    """
    found = look(data, size)
    return found.pixels, found.enlarged


def look(data: bytes, size: int, fit_by: Fit = "crop") -> Picture:
    """Return a picture as people see it, in a square of `size` pixels a side.

    Of an animation it is the first frame; transparency is laid on white.
    Raises Unreadable, and nothing else, for whatever is wrong with the file.
    """
    remarks: list[str] = []
    image, (width, height) = open_picture(data, remarks.append, size)
    pixels = np.asarray(fit(image, size, fit_by))
    cropped = lost_share(width, height, fit_by)
    return Picture(pixels, min(width, height) < size, cropped, tuple(dict.fromkeys(remarks)))


def lost_share(width: int, height: int, by: Fit) -> float:
    """Return the share of a picture's area that a fit leaves out."""
    return 1 - min(width, height) ** 2 / (width * height) if by == "crop" else 0.0


class Opened(NamedTuple):
    """An upright RGB picture in sRGB, and the size that the file says (width, height)."""

    image: Image.Image
    original_size: tuple[int, int]


def open_picture(data: bytes, remark: Remark = lambda _: None, size: int | None = None) -> Opened:
    """Return the whole picture of a file as people see it.

    size: where given, a large JPEG is reduced while it is decoded, to no less than twice that.
    Metadata that cannot be read is passed over. Raises Unreadable, and nothing else.
    """
    form = sniff(data[:32])
    try:
        return decoded(data, form, None, remark, size)
    except Unreadable:
        for stripped, profile in bare(form, data):
            with suppress(Unreadable):
                image = decoded(stripped, form, profile, remark, size)
                remark("metadata that is damaged or too large: passed over")
                return image
        raise


def decoded(
    data: bytes, form: str, profile: bytes | None, remark: Remark, size: int | None
) -> Opened:
    """Return the picture of a file of a known format; `profile` is one that was taken out of it."""
    try:
        # Pillow warns of odd EXIF blocks and the like; MAX_PIXELS is ours to refuse.
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(BytesIO(data), formats=[form]) as image,
        ):
            original_size = image.size
            check_size(*image.size)
            if form == "JPEG" and size is not None:
                # At 1/2, 1/4 or 1/8, as long as two pixels remain for each wanted one.
                image.draft(image.mode, (2 * size, 2 * size))
            if form == "TIFF" and is_preview(image):
                raise Unreadable("unsupported format (camera raw)")
            if form not in ("JPEG", "MPO") and getattr(image, "is_animated", False):
                several = "pages" if form == "TIFF" else "frames"
                remark(f"several {several}: the first is taken")
            image.load()
            if form == "PNG":
                scale_transparency(image, depth=data[24])
            if profile:
                image.info["icc_profile"] = profile
            return Opened(to_rgb(upright(image), remark), original_size)
    except Unreadable:
        raise
    except MemoryError:
        raise Unreadable("not enough memory to decode it") from None
    except Image.DecompressionBombError:
        raise Unreadable(f"over {MAX_PIXELS // 10**6} megapixels") from None
    except UnidentifiedImageError:
        known = form != "TIFF"  # there are as many kinds of TIFF as makers of it
        raise Unreadable("damaged" if known else "damaged, or an unusual kind of TIFF") from None
    except Exception as error:  # decoders raise all kinds: OSError, SyntaxError, struct.error, ...
        is_cut = isinstance(error, EOFError) or "truncated" in str(error).lower()
        raise Unreadable("truncated" if is_cut else "damaged") from None


def check_size(width: int, height: int) -> None:
    """Raise Unreadable for a picture that is too large or too small to be used."""
    if width * height > MAX_PIXELS:
        raise Unreadable(f"over {MAX_PIXELS // 10**6} megapixels")
    if min(width, height) < MIN_SIDE:
        raise Unreadable(f"smaller than {MIN_SIDE} pixels")


def is_preview(image: Image.Image) -> bool:
    """Return whether a TIFF is a camera's raw file, whose first picture is only a preview."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    return DNG_VERSION in tags or bool(tags.get(SUBFILE, 0) & REDUCED)


def scale_transparency(image: Image.Image, depth: int) -> None:
    """Bring the transparent colour of a PNG of `depth` bits to the 8 bits of its pixels.

    Pillow scales the pixels alone.
    """
    clear = image.info.get("transparency")
    if depth == 16 and isinstance(clear, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in clear)
    elif depth in (2, 4) and image.mode == "L" and isinstance(clear, int):
        image.info["transparency"] = clear * 255 // (2**depth - 1)


def upright(image: Image.Image) -> Image.Image:
    """Return a picture turned as its EXIF block says; an unreadable block counts as none."""
    try:
        turn = UPRIGHT.get(image.getexif().get(ORIENTATION, 1))
    except Exception:
        turn = None
    return image if turn is None else image.transpose(turn)


def fit(image: Image.Image, size: int, by: Fit = "crop") -> Image.Image:
    """Return a picture at (size, size), antialiased; unchanged if it has that size already.

    "crop" takes the centre square, "pad" the whole on white, "stretch" the whole distorted.
    `reducing_gap` averages whole blocks down to twice the size before the bicubic step: from 512 to
    64 pixels it takes a tenth to a sixth of the time of decoding instead of a half, and differs by
    less than 8-bit rounding.
    """
    (width, height), side = image.size, min(image.size)
    left, top = (width - side) // 2, (height - side) // 2
    box = (left, top, left + side, top + side) if by == "crop" else (0, 0, width, height)
    target = (size, size)
    if by == "pad":
        share = size / max(width, height)
        target = max(1, round(share * width)), max(1, round(share * height))
    resized = image.resize(target, Image.Resampling.BICUBIC, box=box, reducing_gap=2.0)
    if resized.size == (size, size):
        return resized
    padded = Image.new("RGB", (size, size), WHITE)
    padded.paste(resized, ((size - target[0]) // 2, (size - target[1]) // 2))
    return padded


def read_images(paths: list[Path], size: int, fit_by: Fit = "crop") -> np.ndarray:
    """Return picture files as uint8 (N, size, size, 3).

    Raises ValueError that names the first file which cannot be read.
    """
    return np.stack(
        [read_file(path, lambda data: look(data, size, fit_by).pixels) for path in paths]
    )


def whole_picture(path: Path) -> np.ndarray:
    """Return a picture file as it is, uint8 (H, W, 3); ValueError, naming it, if unreadable."""
    return read_file(path, lambda data: np.asarray(open_picture(data).image))


def read_file(path: Path, read: Callable[[bytes], np.ndarray]) -> np.ndarray:
    """Return what `read` makes of a file; ValueError, naming it, where that is nothing."""
    try:
        if path.exists() and not path.is_file():
            raise ValueError(f"cannot read {path}: not a regular file")
        return read(path.read_bytes())
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from None
    except Unreadable as reason:
        raise ValueError(f"cannot use {path}: {reason}") from None
