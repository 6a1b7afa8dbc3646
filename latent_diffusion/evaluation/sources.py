"""Any source of images that can be scored, read in batches: a samples folder, a zip, a prepared data set, an array."""

import zipfile
import zlib
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from latent_diffusion.data.decode import IMAGE_SUFFIXES
from latent_diffusion.data.store import INFO, Dataset
from latent_diffusion.sampling.folder import LIST, is_picture, read_list, read_picture

BATCH = 256


@dataclass(frozen=True)
class ImageSource:
    """`count` images of `size` x `size`; `read(rows)` gives some as uint8 (n, size, size, 3).

    `classes` are the names asked of the sampler, or those of a data set; None where unknown.
    """

    name: str
    count: int
    size: int
    read: Callable[[np.ndarray], np.ndarray]
    classes: list[str | None]

    def batches(self) -> Iterator[np.ndarray]:
        for start in range(0, self.count, BATCH):
            yield self.read(np.arange(start, min(start + BATCH, self.count)))

    def labels(self, names: list[str]) -> np.ndarray | None:
        """int64 (count,) among `names`, or None where a class is unknown or not among them."""
        label_of = {name: label for label, name in enumerate(names)}
        if not all(name in label_of for name in self.classes):
            return None
        return np.array([label_of[name] for name in self.classes], np.int64)


def open_images(
    place: Path | str | np.ndarray, size: int | None = None, only: Container[str] | None = None
) -> ImageSource:
    """A folder (the files of samples.json, or else every picture in it), a .zip of pictures, a prepared data set (its
    held-out images, or all where none are held out), or an array uint8 (N, H, W, 3).

    size: the side that all images must have; by default that of the first. only: names that count, if any is there. ValueError, in one line with the remedy,
    if there is no image, for an image that cannot be read, and, when it is read, for one of another size.
    """
    if isinstance(place, np.ndarray):
        return of_array(place, size)
    place = Path(place)
    if (place / INFO).is_file():
        data = Dataset.open(place)
        return of_dataset(data, data.test if len(data.test) else np.arange(len(data)), size)
    if place.is_dir():
        listed = read_list(place) if (place / LIST).is_file() else {}
        if listed.get("pending"):
            raise ValueError(
                f"the sampling into {place} was interrupted: run the same ldm sample command again"
            )
        facts = listed.get("files")
        names = (
            list(facts)
            if facts is not None
            else [
                name
                for path in sorted(place.rglob("*"))
                if is_picture(name := path.relative_to(place).as_posix())
            ]
        )
        classes = [facts[name].get("class") if facts else None for name in names]
        return of_files(place, names, lambda name: (place / name).read_bytes(), classes, size, only)
    if zipfile.is_zipfile(place):
        try:
            archive = zipfile.ZipFile(place)
        except zipfile.BadZipFile as error:
            raise ValueError(f"{place} is a damaged .zip ({error})") from None
        names = sorted(name for name in archive.namelist() if is_picture(name))
        return of_files(place, names, archive.read, [None] * len(names), size, only)
    raise ValueError(
        f"there are no images at {place}: give a folder of samples (ldm sample RUN {place}), a .zip of "
        "pictures or a prepared data set"
    )


def of_array(images: np.ndarray, size: int | None = None) -> ImageSource:
    if (
        images.dtype != np.uint8
        or images.ndim != 4
        or images.shape[1] != images.shape[2]
        or images.shape[3] != 3
        or not len(images)
    ):
        raise ValueError(
            f"images must be uint8 of shape (N, S, S, 3), got {images.dtype} of shape {images.shape}"
        )
    check_size("the array", images.shape[1], images.shape[2], size)
    return ImageSource(
        "an array", len(images), images.shape[1], lambda rows: images[rows], [None] * len(images)
    )


def of_dataset(data: Dataset, rows: np.ndarray, size: int | None = None) -> ImageSource:
    """Some rows of a prepared data set."""
    check_size(str(data.folder), data.info.image_size, data.info.image_size, size)
    names = data.info.class_names
    return ImageSource(
        str(data.folder),
        len(rows),
        data.info.image_size,
        lambda places: data.images[rows[places]],
        [names[label] for label in data.labels[rows]],
    )


def of_files(
    place: Path,
    names: list[str],
    read: Callable[[str], bytes],
    classes: list[str | None],
    size: int | None,
    only: Container[str] | None = None,
) -> ImageSource:
    if only and any(name in only for name in names):
        names, classes = zip(
            *[(name, label) for name, label in zip(names, classes) if name in only]
        )
    if not names:
        raise ValueError(f"{place} holds no picture to score ({', '.join(IMAGE_SUFFIXES)})")

    def picture(name: str) -> np.ndarray:
        try:
            content = BytesIO(read(name))
        except (
            OSError,
            RuntimeError,
            zipfile.BadZipFile,
            zlib.error,
        ) as error:  # RuntimeError: a zip with a password
            raise ValueError(f"{place}: {name} cannot be read ({error})") from None
        return read_picture(content, f"{place}: {name}")

    first = picture(names[0])
    check_size(f"{place}: {names[0]}", *first.shape[:2], size)
    side = first.shape[0]

    def rows(chosen: np.ndarray) -> np.ndarray:
        images = np.empty((len(chosen), side, side, 3), np.uint8)
        for row, number in enumerate(chosen):
            pixels = picture(names[number])
            check_size(f"{place}: {names[number]}", *pixels.shape[:2], side)
            images[row] = pixels
        return images

    return ImageSource(str(place), len(names), side, rows, classes)


def check_size(what: str, height: int, width: int, size: int | None) -> None:
    wanted = size or height
    if (height, width) != (wanted, wanted):
        raise ValueError(
            f"{what} is {width}x{height}, and the images to compare are {wanted}x{wanted}"
        )
