"""The colours of a picture as people see them: sRGB, 8 bits, transparency on white.

Called by `decode` for files, and for PIL images that users hand over.
"""

from collections.abc import Callable
from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

from latent_diffusion.data.formats import Unreadable

Remark = Callable[[str], object]  # hears what is odd about a picture that is taken all the same
WHITE = (255, 255, 255)
BITS_PER_SAMPLE, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0  # TIFF tags, and a value of the second
FEW_BITS = (8, 10, 12, 14)  # what cameras and scanners measure, and store in the low bits of 16
AS_SRGB = 3  # of 255: a profile that changes no colour by more is taken for sRGB itself
SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK", "LAB": "Lab"}  # of modes, as profiles say it
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def to_rgb(image: Image.Image, remark: Remark = lambda _: None) -> Image.Image:
    """Return a picture of any mode as RGB in sRGB, transparency laid on white.

    An embedded profile is converted; 16-bit greys are scaled to 8 bits, which Pillow's convert
    would clip. `remark` hears of what people should know.
    Raises Unreadable for numbers that are no colours.
    """
    profile = image.info.get("icc_profile")
    if image.mode == "F" or image.mode.startswith("I"):
        colours, alpha = from_numbers(image, remark)
    else:
        alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
        modes = {"1": "L", "L": "L", "LA": "L", "CMYK": "CMYK", "LAB": "LAB"}
        colours = image.convert(modes.get(image.mode, "RGB"))
    colours = in_srgb(colours, profile, image.info, remark)
    if alpha is None or alpha.getextrema() == (255, 255):
        return colours
    white = Image.new("RGB", image.size, WHITE)
    white.paste(colours, mask=alpha)
    return white


def from_numbers(image: Image.Image, remark: Remark) -> tuple[Image.Image, Image.Image | None]:
    """Return greys of 16 bits or floats from 0 to 1 in 8 bits, and their transparency, if any."""
    numbers = np.asarray(image).astype(np.float64)
    lowest, highest = numbers.min(), numbers.max()
    tags = getattr(image, "tag_v2", {})
    if image.mode == "F":
        top = 1
    else:
        top = 2 ** min(16, (tags.get(BITS_PER_SAMPLE) or (16,))[0]) - 1
        few = [bits for bits in FEW_BITS if 0 < highest < min(2**bits, top)]
        if few:
            remark(f"a 16-bit grey of at most {few[0]} bits: dark, as it is stored")
    if not 0 <= lowest <= highest <= top:  # false for NaN, too
        raise Unreadable(f"numbers beyond 0 to {top}, which are no colours")
    alpha = None
    if (clear := image.info.get("transparency")) is not None:
        alpha = Image.fromarray(np.where(numbers == clear, 0, 255).astype(np.uint8))
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        numbers = top - numbers
    return Image.fromarray(np.floor(numbers * 255 / top + 0.5).astype(np.uint8)), alpha


def in_srgb(colours: Image.Image, profile: bytes | None, info: dict, remark: Remark) -> Image.Image:
    """Return colours of mode L, RGB, CMYK or LAB as RGB in sRGB."""
    if colours.mode == "LAB":
        profile = profile or LAB
    if colours.mode == "L" and profile and space(profile) == "RGB":
        colours = colours.convert("RGB")
    if profile and space(profile) == SPACES[colours.mode]:
        change = transform(profile, colours.mode)
        return colours.convert("RGB") if change is None else change.apply(colours)
    if profile:
        remark("a colour profile that cannot be used: taken for sRGB")
    if colours.mode == "LAB":
        return in_srgb(colours, LAB, info, remark)
    gamma = info.get("gamma")
    if gamma and "srgb" not in info and not 0.95 < 2.2 * gamma < 1.05:
        return colours.convert("RGB").point(gamma_table(gamma) * 3)
    return colours.convert("RGB")


@lru_cache(maxsize=32)
def space(profile: bytes) -> str:
    """Return the colour space of a profile; "" for one that cannot be used."""
    try:
        found: str = ImageCms.getOpenProfile(BytesIO(profile)).profile.xcolor_space.strip()
        mode = next(mode for mode, name in SPACES.items() if name == found)
        transform(profile, mode)
        return found
    except (ImageCms.PyCMSError, OSError, StopIteration):
        return ""


@lru_cache(maxsize=32)
def transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return what converts pictures of a profile to sRGB; None where nothing changes.

    Raises PyCMSError or OSError for a profile that cannot be used.
    """
    srgb = ImageCms.createProfile("sRGB")
    change = ImageCms.buildTransform(BytesIO(profile), srgb, mode, "RGB")
    assert isinstance(change, ImageCms.ImageCmsTransform)
    if mode == "RGB":
        levels = np.linspace(0, 255, 9).astype(np.uint8)
        cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)
        seen = np.asarray(change.apply(Image.fromarray(cube))).astype(int)
        if np.abs(seen - cube).max() <= AS_SRGB:
            return None
    return change


def gamma_table(gamma: float) -> list[int]:
    """Return the sRGB value of each of 256 samples stored as light ** gamma (PNG's gAMA)."""
    light = np.linspace(0, 1, 256) ** (1 / gamma)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return [round(255 * value) for value in encoded.tolist()]
