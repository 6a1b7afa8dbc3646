"""All kinds of data sets that `ldm prepare` reads, and how one of them is recognised.

To add one, write a `Source` (see `source`) in a file beside this one and name it in SOURCES.
Its `find` lists the images; pixels come from a `FileLoader` for picture files, from any other
`Loader` for what several processes read one by one, or from `Batches` for arrays held in memory.
Nothing else knows what kinds there are.
"""

from dataclasses import replace

import numpy as np

from latent_diffusion.data.archives import Tar
from latent_diffusion.data.sources.array_sets import one_set_only
from latent_diffusion.data.sources.cartoons import Cartoons
from latent_diffusion.data.sources.cifar import Cifar
from latent_diffusion.data.sources.cifar100 import Cifar100
from latent_diffusion.data.sources.mnist import Mnist
from latent_diffusion.data.sources.parquet import Parquet
from latent_diffusion.data.sources.pictures import COLUMN, FILE_NAME, FOLDERS, NONE, Pictures
from latent_diffusion.data.sources.source import AUTO, Asked, DrawFaulty, DrawMore, Found, Source
from latent_diffusion.data.sources.stl10 import Stl10
from latent_diffusion.data.sources.svhn import Svhn
from latent_diffusion.data.sources.synth_cute import SynthCute
from latent_diffusion.data.split import TEST, VALIDATION, settled
from latent_diffusion.data.tree import Nothing, Skip

# In the order in which they are tried: the first that recognises what it is given has it.
SOURCES: tuple[Source, ...] = (
    Cartoons(),
    Mnist(),
    Cifar(),
    Cifar100(),
    Svhn(),
    Stl10(),
    SynthCute(),
    Parquet(),
    Pictures(),  # last, for it takes any folder or archive of files
)


def open_source(text: str, labels: str = AUTO) -> Found:
    """Return the images that SOURCE names, with labels from where `labels` says (see `--labels`).

    Raises ValueError when there is no such source, nothing in it that could be an image, more than
    one data set, or no such labels.
    """
    if labels not in (AUTO, FOLDERS, FILE_NAME, NONE) and not labels.startswith(f"{COLUMN}="):
        raise ValueError(
            f"--labels {labels} must be {AUTO}, {FOLDERS}, {FILE_NAME}, {NONE} or {COLUMN}=NAME"
        )
    asked = Asked(text, labels)
    one_set_only(asked, SOURCES)
    for source in SOURCES:
        found = source.find(asked)
        if found is None:
            continue
        check_labels(source, found, labels)
        if not found.items:
            there = what_is_there(asked, found.skipped)
            raise ValueError(f"no pictures in {text}: {there}. SOURCE is {accepted()}")
        return with_two_splits(found)
    raise ValueError(refusal(asked))


def check_labels(source: Source, found: Found, labels: str) -> None:
    """Raise ValueError where --labels asks for what this kind of source does not have."""
    if labels == AUTO or labels.partition("=")[0] in source.labels:
        return
    instead = f": {' or '.join(source.labels)}" if source.labels else "; leave it out"
    raise ValueError(f"--labels {labels} means nothing for {found.kind}{instead}")


def with_two_splits(found: Found) -> Found:
    """Return what was found with validation images as training or as test images, and say so."""
    splits = np.array([item.split for item in found.items], np.int8)
    if not np.any(splits == VALIDATION):
        return found
    if np.any(splits == TEST):
        note = "validation pictures count as training, for test pictures are what is held out"
    else:
        note = "the validation pictures are what is held out"
    pairs = zip(found.items, settled(splits).tolist(), strict=True)
    items = [item._replace(split=split) for item, split in pairs]
    return replace(found, items=items, notes=[*found.notes, note])


def more_images(text: str) -> DrawMore | None:
    """Return what draws further images like those of the data set prepared from `text`, if any."""
    for source in SOURCES:
        more = source.more_images(text)
        if more is not None:
            return more
    return None


def source_faults(text: str) -> dict[str, DrawFaulty]:
    """Return by name the faults that the source of a data set can draw into its own images."""
    for source in SOURCES:
        if faults := source.faults(text):
            return faults
    return {}


def accepted() -> str:
    """Return what SOURCE can be, for messages; the most usual first."""
    *others, last = [source.accepts for source in reversed(SOURCES)]
    return f"{', '.join(others)}, or {last}"


def refusal(asked: Asked) -> str:
    """Return why no source recognises what was asked for."""
    if not asked.path.exists():
        return f"no such file or folder: {asked.text}. SOURCE is {accepted()}"
    if asked.is_prepared:
        return f"{asked.text} is a prepared data set already; give its original source"
    if isinstance(asked.tree, Tar):
        return (
            f"{asked.text} holds no CIFAR-10 batches or other arrays that are known; unpack other "
            ".tar files into a folder first"
        )
    assert asked.one_file or isinstance(asked.tree, Nothing)  # `Pictures` takes the rest
    return f"{asked.path} is a single file of a kind that is not known. SOURCE is {accepted()}"


def what_is_there(asked: Asked, skipped: list[Skip]) -> str:
    """Return what a source holds that holds nothing usable, in a few words for the user."""
    listing = asked.listing
    if not listing.files and not listing.skipped:
        return "it is empty"
    examples = [file.path for file in listing.files[:3]]
    if len(listing.files) > len(examples):
        examples.append("...")
    reasons = sorted({skip.reason for skip in skipped})
    if not examples:
        why = f"none of its {len(listing.skipped)} files can be read ({', '.join(reasons[:3])})"
        return f"{why}: unpack it into a folder first" if asked.path.is_file() else why
    found = f"{len(listing.files)} files ({', '.join(examples)})"
    return f"{found}; {', '.join(reasons[:3])}" if reasons else found
