"""Any source of images that can be scored, read in batches.

A samples folder, a zip, a prepared data set or an array: `open_images` tells them apart.
"""

import zipfile
import zlib
from collections.abc import Callable, Container, Iterator, Sequence
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
    classes: Sequence[str | None]

    def batches(self) -> Iterator[np.ndarray]:
        """Yield all images in order, uint8 (n, size, size, 3)."""
        for start in range(0, self.count, BATCH):
            yield self.read(np.arange(start, min(start + BATCH, self.count)))

    def labels(self, names: list[str]) -> np.ndarray | None:
        """Return int64 (count,) among `names`.

        None where a class is unknown or not among them.
        """
        label_of = {name: label for label, name in enumerate(names)}
        labels = [label_of.get(name) if name is not None else None for name in self.classes]
        if any(label is None for label in labels):
            return None
        return np.array(labels, np.int64)


def open_images(
    source: Path | str | np.ndarray, size: int | None = None, only: Container[str] | None = None
) -> ImageSource:
    """Return the images of a source, to be read when they are wanted.

    source: a folder (the files of samples.json, or else every picture in it), a .zip of pictures,
    a prepared data set (its held-out images, or all where none are held out), or an array uint8
    (N, H, W, 3). size: the side that all images must have; by default that of the first.
    only: the file names that count, if any of them is there.

    Raises ValueError, in one line with the remedy, where there is no image, for an image that
    cannot be read, and, when it is read, for one of another size.
    """
    if isinstance(source, np.ndarray):
        return of_array(source, size)
    path = Path(source)
    if (path / INFO).is_file():
        data = Dataset.open(path)
        return of_dataset(data, data.test if len(data.test) else np.arange(len(data)), size)
    if path.is_dir():
        return of_folder(path, size, only)
    if zipfile.is_zipfile(path):
        return of_zip(path, size, only)
    raise ValueError(
        f"there are no images at {path}: give a folder of samples (ldm sample RUN {path}), "
        "a .zip of pictures or a prepared data set"
    )


def of_array(images: np.ndarray, size: int | None = None) -> ImageSource:
    """Return an array uint8 (N, S, S, 3) as a source; raise ValueError for any other."""
    square_rgb = images.ndim == 4 and images.shape[1] == images.shape[2] and images.shape[3] == 3
    if images.dtype != np.uint8 or not square_rgb or not len(images):
        raise ValueError(
            f"images must be uint8 of shape (N, S, S, 3), "
            f"got {images.dtype} of shape {images.shape}"
        )
    side = images.shape[1]
    check_size("the array", side, side, size)
    return ImageSource(
        "an array", len(images), side, lambda rows: images[rows], [None] * len(images)
    )


def of_dataset(data: Dataset, rows: np.ndarray, size: int | None = None) -> ImageSource:
    """Return some rows of a prepared data set as a source."""
    side, names = data.info.image_size, data.info.class_names
    check_size(str(data.folder), side, side, size)
    return ImageSource(
        name=str(data.folder),
        count=len(rows),
        size=side,
        read=lambda chosen: data.images[rows[chosen]],
        classes=[names[label] for label in data.labels[rows]],
    )


def of_folder(folder: Path, size: int | None, only: Container[str] | None) -> ImageSource:
    """Return the files of a folder's samples.json, or every picture in it, as a source."""
    listed = read_list(folder) if (folder / LIST).is_file() else {}
    if listed.get("pending"):
        raise ValueError(
            f"the sampling into {folder} was interrupted: run the same ldm sample command again"
        )
    classes: dict[str, str | None]
    if (facts := listed.get("files")) is not None:
        classes = {name: about.get("class") for name, about in facts.items()}
    else:
        names = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")))
        classes = {name: None for name in names if is_picture(name)}
    return of_files(folder, classes, lambda name: (folder / name).read_bytes(), size, only)


def of_zip(path: Path, size: int | None, only: Container[str] | None) -> ImageSource:
    """Return the pictures of a .zip as a source; raise ValueError for a damaged one."""
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is a damaged .zip ({error})") from None
    names = sorted(name for name in archive.namelist() if is_picture(name))
    return of_files(path, dict.fromkeys(names), archive.read, size, only)


def of_files(
    container: Path,
    classes: dict[str, str | None],
    read: Callable[[str], bytes],
    size: int | None,
    only: Container[str] | None,
) -> ImageSource:
    """Return the files that `classes` names, in its order, as a source.

    `read` gives the content of a file of the container, which is a folder or a zip.
    """
    names = list(classes)
    if only and any(name in only for name in names):
        names = [name for name in names if name in only]
    if not names:
        raise ValueError(f"{container} holds no picture to score ({', '.join(IMAGE_SUFFIXES)})")

    def picture(name: str) -> np.ndarray:
        try:
            content = BytesIO(read(name))
        except (OSError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            # zipfile raises RuntimeError for an archive with a password
            raise ValueError(f"{container}: {name} cannot be read ({error})") from None
        return read_picture(content, f"{container}: {name}")

    height, width = picture(names[0]).shape[:2]
    check_size(f"{container}: {names[0]}", height, width, size)
    side = height

    def read_rows(rows: np.ndarray) -> np.ndarray:
        images = np.empty((len(rows), side, side, 3), np.uint8)
        for number, row in enumerate(rows):
            pixels = picture(names[row])
            check_size(f"{container}: {names[row]}", pixels.shape[0], pixels.shape[1], side)
            images[number] = pixels
        return images

    return ImageSource(
        str(container), len(names), side, read_rows, [classes[name] for name in names]
    )


def check_size(what: str, height: int, width: int, size: int | None) -> None:
    """Raise ValueError unless an image is square, and of `size` where that is given."""
    wanted = size or height
    if (height, width) != (wanted, wanted):
        raise ValueError(
            f"{what} is {width}x{height}, and the images to compare are {wanted}x{wanted}"
        )
