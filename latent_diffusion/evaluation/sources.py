"""Any source of images that can be scored, read in batches.

A samples folder, a zip, a prepared data set or an array: `open_images` tells them apart.
"""

import zipfile
import zlib
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from latent_diffusion.data.arrays import check_arrays, read_array
from latent_diffusion.data.picture_files import PictureFiles, find_pictures
from latent_diffusion.data.store import INFO, Dataset
from latent_diffusion.data.tree import File
from latent_diffusion.progress import say
from latent_diffusion.sampling.folder import GRID, LIST, read_list

BATCH = 256
ARRAY_FILES, ARRAY = (".npy", ".npz"), "arr_0"  # as NumPy, and others' samplers, write them


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
    an .npy or .npz of images, a prepared data set (its held-out images, or all where none are held
    out), or an array uint8 (N, S, S, 3).
    size: the side that all images must have; by default that of the first.
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
    if path.suffix in ARRAY_FILES and path.is_file():
        return of_array_file(path, size)
    found = find_pictures(path, without=frozenset([GRID]))
    if found is None:
        raise ValueError(
            f"there are no images at {path}: give a folder of samples (ldm sample RUN {path}), "
            "a .zip of pictures, an .npy or .npz of images, or a prepared data set"
        )
    return of_files(found, size, only)


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


def of_array_file(path: Path, size: int | None) -> ImageSource:
    """Return the array of an .npy or .npz as a source; ValueError where that is none of images."""
    try:
        if path.suffix == ".npy":
            return replace(of_array(read_array(path), size), name=str(path))
        check_arrays(path)
        with np.load(path, allow_pickle=False) as loaded:
            return replace(of_array(loaded[ARRAY], size), name=str(path))
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"{path} must hold images, as an array uint8 (N, S, S, 3) that is called {ARRAY} in an "
            f".npz ({error})"
        ) from None


def of_files(found: PictureFiles, size: int | None, only: Container[str] | None) -> ImageSource:
    """Return the files of a folder's samples.json, or every picture in it, as a source."""
    classes: dict[str, str | None] = dict.fromkeys(found.files)
    listed = read_list(found.place) if (found.place / LIST).is_file() else None
    if listed is None and found.said:
        say(found.said)
    if listed is not None:
        if listed.get("pending"):
            raise ValueError(
                f"the sampling into {found.place} was interrupted: run the same ldm sample command "
                "again"
            )
        classes = {name: about.get("class") for name, about in listed["files"].items()}
        found = replace(found, files={name: File(name, name) for name in classes})
    names = list(classes)
    if only and any(name in only for name in names):
        names = [name for name in names if name in only]
    if not names:
        raise ValueError(f"{found.place} holds no picture to score")
    side, width = found.whole(names[0]).shape[:2]
    check_size(f"{found.place}: {names[0]}", side, width, size)

    def read_rows(rows: np.ndarray) -> np.ndarray:
        images = np.empty((len(rows), side, side, 3), np.uint8)
        for number, row in enumerate(rows):
            pixels = found.whole(names[row])
            check_size(f"{found.place}: {names[row]}", pixels.shape[0], pixels.shape[1], side)
            images[number] = pixels
        return images

    return ImageSource(
        str(found.place), len(names), side, read_rows, [classes[name] for name in names]
    )


def check_size(what: str, height: int, width: int, size: int | None) -> None:
    """Raise ValueError unless an image is square, and of `size` where that is given."""
    wanted = size or height
    if (height, width) != (wanted, wanted):
        raise ValueError(
            f"{what} is {width}x{height}, and the images to compare are {wanted}x{wanted}: "
            "ldm prepare makes any pictures such squares, and what it writes can be given instead"
        )
