"""What the name of a folder or a file says beside a class: a split, "pictures", or a number.

Decisions on names alone, for whatever reads folders and lists of labels as people have them.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from latent_diffusion.data.split import TEST, TRAIN, VALIDATION

SPLIT_WORDS = (
    dict.fromkeys(("train", "training", "trn"), TRAIN)
    | dict.fromkeys(("val", "valid", "validation", "validate", "dev", "development"), VALIDATION)
    | dict.fromkeys(("eval", "evaluation"), VALIDATION)
    | dict.fromkeys(("test", "testing", "tst", "holdout", "heldout", "unseen"), TEST)
)
# They say that something is a picture or a part of a data set, never what is in it.
PLAIN_WORDS = frozenset(
    "set sets data dataset datasets image images img imgs picture pictures pic pics photo photos "
    "file files folder folders dir split splits part parts sample samples raw all".split()
)
# What lies beside pictures as their annotation.
ANNOTATIONS = frozenset(
    "mask masks label labels annotation annotations annot annots segmentation segmentations "
    "groundtruth gt".split()
)
# "TrainImages", "train2017" and "hold-out" in words: a capital, a digit and a mark begin a new one.
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
GLUED = re.compile(rf"({'|'.join(SPLIT_WORDS)})(s?(?:{'|'.join(PLAIN_WORDS)}))$")
NUMBER = re.compile(r"\d+")
BLOCK = re.compile(r"\d{3,}|[0-9a-f]{2,3}", re.IGNORECASE)


class SplitName(NamedTuple):
    """A name that holds the word of a split: "seg_train" is ("seg" and TRAIN)."""

    split: int  # TRAIN, VALIDATION or TEST
    rest: str  # what else it says, without plain words and numbers, in lower case
    class_name: str  # the same as it is written, plain words too


def split_of(name: str) -> SplitName | None:
    """Return the split that a name says and what else it says; None where it says none.

    A name of training and of validation, "trainval", is one of training. A name with the words of
    training and of testing is one of neither.
    """
    words: list[int] = []
    rest: list[str] = []
    for word in words_of(name):
        split = SPLIT_WORDS.get(word)
        if split is None:
            rest += [] if word in PLAIN_WORDS or word.isdecimal() else [word]
        else:
            words.append(split)
    if not words or {TRAIN, TEST} <= set(words):
        return None
    return SplitName(min(words), " ".join(rest), without_split(name))


def words_of(name: str) -> list[str]:
    """Return the words of a name in lower case: "Training_Set2" is training, set, 2."""
    joined = re.sub(r"(?i)(?<![a-z])h[eo]ld[-_ ]?out", "holdout", name)
    joined = re.sub(r"(?i)train[-_ ]?val(?![a-z])", "train val", joined)
    words: list[str] = []
    for match in WORD.finditer(joined):
        word = match[0].lower()
        glued = GLUED.match(word)
        words += [glued[1], glued[2]] if glued else [word]
    return words


def without_split(name: str) -> str:
    """Return a name without its word of a split and the mark beside it: "train_Cat" is "Cat"."""
    kept = [m for m in WORD.finditer(name) if m[0].lower() not in SPLIT_WORDS]
    return name[kept[0].start() : kept[-1].end()] if kept else ""


def is_plain(name: str) -> bool:
    """Return whether a name says only "pictures", "data" and the like, with or without a split."""
    return all(
        word in PLAIN_WORDS or word in SPLIT_WORDS or word.isdecimal() for word in words_of(name)
    )


def is_annotation(name: str) -> bool:
    """Return whether a folder of this name holds masks or labels of the pictures beside it."""
    words = set(words_of(name)) - PLAIN_WORDS - SPLIT_WORDS.keys()
    return bool(words) and words <= ANNOTATIONS


def paired_splits(names: Iterable[str]) -> dict[str, SplitName]:
    """Return those of the folders beside each other that are splits.

    A folder for training counts where one for testing or validation lies beside it that says the
    same otherwise ("seg_train" beside "seg_test"; "train" beside "test tube" does not), for a lone
    "train" may be a class, of vehicles.
    """
    said = {name: split for name in names if (split := split_of(name))}
    by_rest: dict[str, set[int]] = {}
    for split in said.values():
        by_rest.setdefault(split.rest, set()).add(split.split)
    paired = {rest for rest, splits in by_rest.items() if TRAIN in splits and len(splits) > 1}
    if len(paired) > 1:  # "train_cat", "test_cat", "train_dog": the rest is the class
        return said
    return {name: split for name, split in said.items() if split.rest in paired}


def are_blocks(stems: Mapping[str, Iterable[str]]) -> bool:
    """Return whether folders only hold so many files each and name no classes.

    stems: for each folder the names of its files without ending. Blocks are numbered ("00000",
    "00001") or hexadecimal ("a7"), and their files are numbered through all of them, or begin or
    end with the folder's name. Numbered folders whose files are each numbered anew are classes.
    """
    if not all(BLOCK.fullmatch(folder) for folder in stems):
        return False
    if len({len(folder) for folder in stems}) > 1 or not NUMBER.search("".join(stems)):
        return False  # "bee" and "cab" are hexadecimal, too
    if all(is_shard(folder, stem) for folder in stems for stem in stems[folder]):
        return True
    if not all(folder.isdecimal() and len(folder) > 2 for folder in stems):
        return False
    end = -1
    for folder in sorted(stems):
        numbers = [NUMBER.findall(stem) for stem in stems[folder]]
        if not all(numbers):
            return False
        values = [int(found[-1]) for found in numbers]
        if min(values) <= end:
            return False
        end = max(values)
    return True


def is_shard(folder: str, stem: str) -> bool:
    """Return whether a file lies in a folder for its name's sake: a7/a7c3…, 0042/1500042."""
    folder, stem = folder.lower(), stem.lower()
    if len(stem) <= len(folder) or not re.fullmatch(r"[0-9a-f-]+", stem):
        return False
    return stem.startswith(folder) or (stem.isdecimal() and stem.endswith(folder))
