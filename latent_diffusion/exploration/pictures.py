"""Real images that a user names for an exploration: files, folders of them, and held-out images of the run by their class."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latent_diffusion.data.decode import read_images
from latent_diffusion.data.reference import DataFacts, Reference
from latent_diffusion.run import Run
from latent_diffusion.sampling.folder import is_picture
from latent_diffusion.subsets import spread

CLASS = "class:"  # class:dog is every held-out image of dogs, class:dog/3 number 3 of them


@dataclass(frozen=True)
class Pictures:
    """uint8 images (N, H, W, 3) with labels and captions; the null label (num_classes) says that a class is unknown."""

    images: np.ndarray
    labels: list[int]
    captions: list[str]

    def relabelled(self, names: list[str] | None, facts: DataFacts) -> "Pictures":
        """With other labels: one class for all, or one for each. ValueError for another number of them."""
        if names is None:
            return self
        labels = facts.labels_of(names)
        if len(labels) not in (1, len(self.labels)):
            raise ValueError(
                f"--classes names {len(labels)} classes for {len(self.labels)} images: name one for all, or one for each"
            )
        return Pictures(self.images, labels * (len(self.labels) // len(labels)), self.captions)


def find_pictures(places: Sequence[str | Path], run: Run) -> Pictures:
    """What files, folders, class:NAME and class:NAME/NUMBER stand for, in the run's image size.

    ValueError, in one line, for a file that cannot be read, a folder without pictures, an unknown class or number.
    """
    reference = Reference.open(run)
    found = [
        of_class(str(place).removeprefix(CLASS), reference)
        if str(place).startswith(CLASS)
        else of_files(Path(place), reference.facts)
        for place in places
    ]
    return Pictures(
        np.concatenate([one.images for one in found]),
        [label for one in found for label in one.labels],
        [caption for one in found for caption in one.captions],
    )


def held_out(run: Run, count: int) -> Pictures:
    """At most `count` of the run's held-out images, evenly spread over them."""
    reference = Reference.open(run)
    if not len(reference.images):
        raise ValueError(f"{run.folder} has no held-out images: name some image files")
    return of_rows(spread(len(reference.images), count), reference)


def of_class(name: str, reference: Reference) -> Pictures:
    """Held-out images of NAME, or one of them for NAME/NUMBER; a class whose own name has a slash is found first."""
    number = None
    if name not in reference.facts.class_names and "/" in name:
        name, _, number = name.rpartition("/")
    rows = np.flatnonzero(reference.labels == reference.facts.labels_of([name])[0])
    if not len(rows):
        raise ValueError(f"the run has no held-out images of {name}: name image files")
    if number is None:
        return of_rows(rows, reference)
    if not number.isdecimal() or int(number) >= len(rows):
        raise ValueError(
            f"{CLASS}{name}/{number} is none of the run's held-out images of {name}, which are numbered 0 to {len(rows) - 1}"
        )
    return of_rows(rows[[int(number)]], reference)


def of_rows(rows: np.ndarray, reference: Reference) -> Pictures:
    labels = [int(label) for label in reference.labels[rows]]
    return Pictures(
        np.asarray(reference.images[rows]),
        labels,
        [reference.facts.class_names[label] for label in labels],
    )


def of_files(path: Path, facts: DataFacts) -> Pictures:
    files = (
        sorted(file for file in path.iterdir() if is_picture(file.name))
        if path.is_dir()
        else [path]
    )
    if not files:
        raise ValueError(f"{path} holds no pictures")
    return Pictures(
        read_images(files, facts.image_size),
        [facts.num_classes] * len(files),
        [file.stem for file in files],
    )
