"""The prepared data set on disk: images.npy, labels.npy, split.npy and dataset.json in one folder.

`Dataset.open` is how training and evaluation read it. Written by `writer`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from latent_diffusion.data.arrays import read_array
from latent_diffusion.data.decode import Fit
from latent_diffusion.data.split import TEST, TRAIN

INFO, IMAGES, LABELS, SPLIT = "dataset.json", "images.npy", "labels.npy", "split.npy"


class Counts(BaseModel):
    """Numbers of images of one class."""

    train: int
    test: int


class Skipped(BaseModel):
    """A file that was not taken, and why."""

    path: str
    reason: str


class NearPair(BaseModel):
    """A test image and the training image that is nearly the same, by their paths."""

    test: str
    train: str


class DatasetInfo(BaseModel):
    """dataset.json: what the images are, where they came from, and what was not taken and why."""

    model_config = ConfigDict(extra="forbid")

    version: int = 1
    source: str  # as given to `ldm prepare`
    kind: str  # what it was recognised as
    labels: str = "auto"  # where they were asked to come from, as in --labels
    image_size: int  # side, in pixels
    flip: bool  # whether training may mirror images
    class_names: list[str]  # sorted; the label is the position
    counts: dict[str, Counts]  # by class name
    holdout: float | None  # share held out by content; None where the source's own split was kept
    leaks: int  # test images that are also, byte for byte, training images
    enlarged: int  # images that were smaller than image_size
    fit: Fit = "crop"  # how pictures that are no squares became images
    cropped: int = 0  # images that are not the whole of their picture
    cropped_area: float = 0.0  # share of the area of all pictures that is in no image, on average
    identical: int = 0  # images whose pixels are those of an earlier one
    ambiguous: int = 0  # images whose pixels are there under another class, too
    near: list[NearPair] = []
    remarks_by_reason: dict[str, int] = {}  # of images that were taken
    remarks: list[Skipped] = []
    left_out: dict[str, str]  # class name: why the whole class is missing
    notes: list[str] = []  # how the source was read, a line each; none in older data sets
    skipped_by_reason: dict[str, int]
    skipped: list[Skipped]
    checksum: str  # SHA-256 over class names, labels, split and pixels

    @property
    def train(self) -> int:
        """The number of training images."""
        return sum(counts.train for counts in self.counts.values())

    @property
    def test(self) -> int:
        """The number of held-out images."""
        return sum(counts.test for counts in self.counts.values())


@dataclass(frozen=True)
class Dataset:
    """An opened data set."""

    folder: Path
    info: DatasetInfo
    images: np.ndarray  # uint8 (N, H, W, 3), memory-mapped, read-only
    labels: np.ndarray  # int64 (N,)
    split: np.ndarray  # uint8 (N,): 0 train, 1 test

    @classmethod
    def open(cls, folder: str | Path) -> "Dataset":
        """Return the data set in `folder`.

        Raises ValueError, in one line with the remedy, where there is no complete one.
        """
        folder = Path(folder)
        remedy = f"make it with: ldm prepare SOURCE {folder}"
        if not (folder / INFO).is_file():
            raise ValueError(f"{folder} is not a prepared data set ({INFO} is missing); {remedy}")
        try:
            info = DatasetInfo.model_validate_json((folder / INFO).read_bytes())
            images = read_array(folder / IMAGES, mapped=True)
            labels, split = read_array(folder / LABELS), read_array(folder / SPLIT)
        except ValidationError as error:
            field = ".".join(map(str, error.errors()[0]["loc"])) or "the file"
            raise ValueError(
                f"{folder / INFO} is damaged or of another version (at {field}); {remedy}"
            ) from None
        except (OSError, ValueError) as error:
            raise ValueError(f"{folder} is damaged ({error}); {remedy}") from None
        data = cls(folder, info, images, labels, split)
        if not data._is_consistent():
            raise ValueError(
                f"{folder} is inconsistent: its arrays do not agree with {INFO}; {remedy}"
            )
        return data

    def _is_consistent(self) -> bool:
        """Whether the arrays agree with the facts and with each other."""
        total, size = self.info.train + self.info.test, self.info.image_size
        return (
            (self.images.dtype, self.images.shape) == (np.uint8, (total, size, size, 3))
            and (self.labels.dtype, self.labels.shape) == (np.int64, (total,))
            and (self.split.dtype, self.split.shape) == (np.uint8, (total,))
            and total > 0
            and 0 <= self.labels.min() <= self.labels.max() < len(self.info.class_names)
            and int((self.split == TEST).sum()) == self.info.test
        )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.info.class_names)

    @property
    def train(self) -> np.ndarray:
        """Indices of the training images, int64, ascending."""
        return np.flatnonzero(self.split == TRAIN)

    @property
    def test(self) -> np.ndarray:
        """Indices of the held-out images, int64, ascending."""
        return np.flatnonzero(self.split == TEST)

    @property
    def histogram(self) -> np.ndarray:
        """Training images in each class, int64 (num_classes,)."""
        return np.bincount(self.labels[self.train], minlength=self.num_classes)
