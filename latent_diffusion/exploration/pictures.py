"""Real images that a user names for an exploration: files, folders, held-out images by class."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from latent_diffusion.data.decode import read_images
from latent_diffusion.data.picture_files import find_pictures as find_files
from latent_diffusion.data.reference import DataFacts, Reference
from latent_diffusion.progress import say
from latent_diffusion.run import Run
from latent_diffusion.sampling.folder import GRID
from latent_diffusion.subsets import spread

CLASS = "class:"  # class:dog is every held-out image of dogs, class:dog/3 number 3 of them


@dataclass(frozen=True)
class Pictures:
    """Images uint8 (N, H, W, 3) with labels and captions.

    The null label (num_classes) says that a class is unknown.
    """

    images: np.ndarray
    labels: list[int]
    captions: list[str]

    def relabelled(self, names: list[str] | None, facts: DataFacts) -> "Pictures":
        """Return the same images under other classes: one for all, or one for each.

        None leaves the labels as they are. Raise ValueError for another number of names.
        """
        if names is None:
            return self
        labels = facts.labels_of(names)
        if len(labels) not in (1, len(self.labels)):
            raise ValueError(
                f"--classes names {len(labels)} classes for {len(self.labels)} images: name one "
                "for all, or one for each"
            )
        return Pictures(self.images, labels * (len(self.labels) // len(labels)), self.captions)


def find_pictures(sources: Sequence[str | Path], run: Run) -> Pictures:
    """Return the images that files, folders, class:NAME and class:NAME/NUMBER stand for.

    They come in the run's image size. Raise ValueError, in one line, for a file that cannot be
    read, a folder without pictures, an unknown class or number.
    """
    reference = Reference.open(run)
    found = [of_source(str(source), reference) for source in sources]
    return Pictures(
        np.concatenate([one.images for one in found]),
        [label for one in found for label in one.labels],
        [caption for one in found for caption in one.captions],
    )


def held_out(run: Run, count: int) -> Pictures:
    """Return at most `count` of the run's held-out images, evenly spread over them."""
    reference = Reference.open(run)
    if not len(reference.images):
        raise ValueError(f"{run.folder} has no held-out images: name some image files")
    return of_rows(spread(len(reference.images), count), reference)


def of_source(source: str, reference: Reference) -> Pictures:
    """Return the images of one file or folder, or those of a class for class:…"""
    if source.startswith(CLASS):
        return of_class(source.removeprefix(CLASS), reference)
    return of_files(Path(source), reference.facts)


def of_class(name: str, reference: Reference) -> Pictures:
    """Return the held-out images of NAME, or one of them for NAME/NUMBER.

    A class whose own name has a slash is found first.
    """
    number = None
    if name not in reference.facts.class_names and "/" in name:
        name, _, number = name.rpartition("/")
    (label,) = reference.facts.labels_of([name])
    rows = np.flatnonzero(reference.labels == label)
    if not len(rows):
        raise ValueError(f"the run has no held-out images of {name}: name image files")
    if number is None:
        return of_rows(rows, reference)
    if not number.isdecimal() or int(number) >= len(rows):
        raise ValueError(
            f"{CLASS}{name}/{number} is none of the run's held-out images of {name}, which are "
            f"numbered 0 to {len(rows) - 1}"
        )
    return of_rows(rows[[int(number)]], reference)


def of_rows(rows: np.ndarray, reference: Reference) -> Pictures:
    """Return the held-out images at these rows (N,)."""
    labels = [int(label) for label in reference.labels[rows]]
    names = [reference.facts.class_names[label] for label in labels]
    return Pictures(np.asarray(reference.images[rows]), labels, names)


def of_files(path: Path, facts: DataFacts) -> Pictures:
    """Return the image in a file, or those of a folder or zip in the order of their names."""
    found = find_files(path, without=frozenset([GRID]))
    if found is None:
        images = read_images([path], facts.image_size, facts.fit)
        return Pictures(images, [facts.num_classes], [path.stem])
    if found.said:
        say(found.said)
    if not found.files:
        raise ValueError(f"{path} holds no pictures")
    squares = [found.square(name, facts.image_size, facts.fit) for name in found.files]
    captions = [PurePosixPath(name).stem for name in found.files]
    return Pictures(np.stack(squares), [facts.num_classes] * len(squares), captions)
