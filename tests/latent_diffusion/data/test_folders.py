"""Folders as people have them: which of them are splits, blocks or masks, and which are classes."""

from pathlib import Path

import pytest

from latent_diffusion.data.folder_names import are_blocks, split_of
from latent_diffusion.data.sources import open_source
from latent_diffusion.data.split import TEST, TRAIN, UNDECIDED, VALIDATION


def touch(root: Path, *folders: str, files: int = 3) -> str:
    """Make some files that are called like pictures in each of these folders of `root`."""
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(files):
            (root / folder / f"{number:03d}.png").write_bytes(b"x")
    return str(root)


def read(source: str) -> dict[str, set[tuple[str, int]]]:
    """Return for each folder the classes and splits that its files were given."""
    found: dict[str, set[tuple[str, int]]] = {}
    for item in open_source(source).items:
        found.setdefault(item.path.rpartition("/")[0], set()).add((item.class_name, item.split))
    return found


PAIRS = [
    "training_set test_set",
    "train dev",
    "seg_train seg_test",
    "train eval",
    "Training Validation",
    "train_images val_images",
    "train holdout",
    "train hold-out",
    "TRAIN TEST",
    "TrainImages TestImages",
    "trainset testset",
    "train2017 val2017",
    "DIV2K_train_HR DIV2K_valid_HR",
    "images.train images.test",
    "trainval test",
    "training-data evaluation-data",
    "bounding_box_train bounding_box_test",
]


@pytest.mark.parametrize("pair", PAIRS)
def test_split_folders_by_any_name(tmp_path, pair):
    train, test = pair.split()
    names = [f"{part}/{animal}" for part in (train, test) for animal in ("cat", "dog")]
    assert read(touch(tmp_path, *names)) == {
        f"{train}/cat": {("cat", TRAIN)},
        f"{train}/dog": {("dog", TRAIN)},
        f"{test}/cat": {("cat", TEST)},
        f"{test}/dog": {("dog", TEST)},
    }


@pytest.mark.parametrize(
    "train, test",
    [
        ("train/train/cat", "test/test/cat"),
        ("seg_train/seg_train/cat", "seg_test/seg_test/cat"),
        ("train/images/cat", "test/images/cat"),
        ("train/train/cat", "test/cat"),
        ("train/cat", "test/test/cat"),
        ("data/pets/train/cat", "data/pets/test/cat"),
        ("train/animals/cat", "test/animals/cat"),
        ("train/cat/a/b", "test/cat/c"),
    ],
)
def test_doubled_and_enclosing_folders(tmp_path, train, test):
    both = [train, test, train.replace("cat", "dog"), test.replace("cat", "dog")]
    assert read(touch(tmp_path, *both)) == {
        train: {("cat", TRAIN)},
        test: {("cat", TEST)},
        both[2]: {("dog", TRAIN)},
        both[3]: {("dog", TEST)},
    }


def test_class_first_and_split_inside(tmp_path):
    inside = [f"{animal}/{part}" for animal in ("cat", "dog") for part in ("Train_set", "test")]
    assert read(touch(tmp_path, *inside)) == {
        "cat/Train_set": {("cat", TRAIN)},
        "cat/test": {("cat", TEST)},
        "dog/Train_set": {("dog", TRAIN)},
        "dog/test": {("dog", TEST)},
    }


def test_a_split_inside_of_some_classes_only_is_not_taken_and_said(tmp_path):
    source = touch(tmp_path, "cat/train", "cat/test", "owl")
    assert {split for said in read(source).values() for _, split in said} == {UNDECIDED}
    assert "owl none: the split was not taken" in open_source(source).notes[0]


def test_split_and_class_in_one_name(tmp_path):
    assert read(touch(tmp_path / "a", "trainA", "trainB", "testA", "testB")) == {
        "trainA": {("A", TRAIN)},
        "trainB": {("B", TRAIN)},
        "testA": {("A", TEST)},
        "testB": {("B", TEST)},
    }
    assert read(touch(tmp_path / "b", "train_great_owl", "test_great_owl", "train_cat")) == {
        "train_great_owl": {("b", TRAIN)},  # one class, which nothing else is told from
        "test_great_owl": {("b", TEST)},
    }


@pytest.mark.parametrize(
    "folders",
    [["train", "bus"], ["train", "test tube"], ["pass_test", "fail_test"], ["valid", "x"]],
)
def test_classes_whose_names_have_a_word_of_a_split(tmp_path, folders):
    assert read(touch(tmp_path, *folders)) == {name: {(name, UNDECIDED)} for name in folders}


def test_a_test_folder_beside_the_classes(tmp_path):
    source = touch(tmp_path, "cat", "dog", "test/cat", "test/dog")
    assert read(source)["cat"] == {("cat", TRAIN)}
    assert read(source)["test/dog"] == {("dog", TEST)}
    loose = touch(tmp_path / "loose", "cat", "dog", "test")
    assert read(loose)["test"] == {("test", UNDECIDED)}
    assert open_source(loose).notes[0].startswith("test was taken for a class")


def test_validation_trains_beside_test_and_is_held_out_alone(tmp_path):
    three = touch(tmp_path / "three", "train/cat", "val/cat", "test/cat")
    assert read(three)["val/cat"] == {("cat", TRAIN)}
    assert "validation pictures count as training" in open_source(three).notes[-1]
    two = touch(tmp_path / "two", "train/cat", "val/cat")
    assert read(two)["val/cat"] == {("cat", TEST)}
    assert open_source(two).notes == ["the validation pictures are what is held out"]
    mute = touch(tmp_path / "mute", "train/cat", "train/dog", "val/cat", "test", files=9)
    assert read(mute)["val/cat"] == {("cat", TEST)}  # as nothing in test/ has a class


def test_held_out_pictures_without_a_class_are_never_given_one(tmp_path):
    source = touch(tmp_path, "train/cat", "train/dog")
    touch(tmp_path, "test", files=20)  # more than the training pictures
    assert read(source) == {"train/cat": {("cat", TRAIN)}, "train/dog": {("dog", TRAIN)}}
    reasons = {skip.reason for skip in open_source(source).skipped}
    assert reasons == {"held out by the source, but without a class"}


def test_merged_sub_folders_are_named(tmp_path):
    source = touch(tmp_path, "animals/cat", "animals/dog", "plants/oak")
    assert {name for said in read(source).values() for name, _ in said} == {"animals", "plants"}
    (note,) = open_source(source).notes
    assert "animals (cat, dog), plants (oak)" in note


def test_masks_beside_images_are_no_class(tmp_path):
    source = touch(tmp_path, "images/cat", "images/dog", "masks/cat", "masks/dog")
    assert read(source) == {
        "images/cat": {("cat", UNDECIDED)},
        "images/dog": {("dog", UNDECIDED)},
    }
    assert len(open_source(source).skipped) == 6


def number(root: Path, per_block: int, name: str, start: int = 0) -> str:
    for index in range(start, start + 3 * per_block):
        block = root / f"{index // per_block:05d}"
        block.mkdir(parents=True, exist_ok=True)
        (block / name.format(index)).write_bytes(b"x")
    return str(root)


@pytest.mark.parametrize("name", ["img{:08d}.png", "{}.jpg", "{:05d}_x.webp"])
def test_blocks_are_no_classes(tmp_path, name):
    found = open_source(number(tmp_path / "faces", 20, name))
    assert {(item.class_name, item.split) for item in found.items} == {("faces", UNDECIDED)}
    assert len(found.items) == 60 and "not taken for classes" in found.notes[0]


def test_one_block_names_no_class(tmp_path):
    source = touch(tmp_path / "faces", "00000")
    assert read(source) == {"00000": {("faces", UNDECIDED)}}
    assert read(touch(tmp_path / "hf", "train")) == {"train": {("hf", UNDECIDED)}}
    assert read(touch(tmp_path / "owls", "images")) == {"images": {("owls", UNDECIDED)}}


def test_numbered_classes_whose_files_begin_anew_are_classes():
    assert not are_blocks({"00000": ["00001_00001", "00002_00001"], "00001": ["00001_00001"]})
    assert not are_blocks({"0": ["0", "1"], "1": ["2", "3"]})
    assert not are_blocks({"bee": ["bee1"], "cab": ["cab2"]})
    assert are_blocks({"a7": ["a7c3", "a7ff"], "0b": ["0b12"]})
    assert are_blocks({"0001": ["540001", "10001"], "0002": ["20002"]})


def test_words_of_splits():
    assert split_of("Training_set").split == TRAIN and split_of("valSet").split == VALIDATION
    assert split_of("unseen").split == TEST and split_of("seg-train").rest == "seg"
    for name in ("trains", "contest", "cat", "00000", "invalid", "train_test_split", "device"):
        assert split_of(name) is None, name
