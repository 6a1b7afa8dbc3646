"""Labels that lie in files beside pictures: which are taken and which are only named."""

import json
from pathlib import Path

import pytest

from latent_diffusion.data.sources import open_source
from latent_diffusion.data.split import TEST, TRAIN, UNDECIDED
from latent_diffusion.data.tables import read_table

ANIMALS = ("cat", "dog")


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def classes(source: Path, labels: str = "auto") -> dict[str, str]:
    return {item.path: item.class_name for item in open_source(str(source), labels).items}


def by_turns(names: list[str]) -> dict[str, str]:
    """Each name with cat or dog."""
    return {name: ANIMALS[at % 2] for at, name in enumerate(names)}


def lines(rows: dict[str, str], heading: str = "", mark: str = ",") -> str:
    return heading + "".join(f"{name}{mark}{label}\n" for name, label in rows.items())


FLAT = [f"{at:04d}.png" for at in range(20)]
STEMS = by_turns([name[:-4] for name in FLAT])
TURNS = by_turns(FLAT)
INTEGERS = {name: str(ANIMALS.index(label)) for name, label in TURNS.items()}


@pytest.mark.parametrize(
    "name, content, want",
    [
        ("labels.csv", lines(TURNS, "file,label\n"), TURNS),
        ("labels.csv", lines(STEMS, "id,breed\n"), TURNS),  # as Kaggle has them
        ("train.csv", lines(TURNS, "image_id;class\n", ";"), TURNS),
        ("labels.tsv", lines(TURNS, "name\tcategory\n", "\t"), TURNS),
        ("labels.csv", lines(TURNS), TURNS),  # without headings
        ("list.txt", lines(TURNS, mark=" "), TURNS),
        ("labels.csv", "\ufeff" + lines(INTEGERS, "image,target\n"), INTEGERS),
        ("labels.json", json.dumps(TURNS), TURNS),
        (
            "labels.json",
            json.dumps([{"file_name": n, "label": v} for n, v in TURNS.items()]),
            TURNS,
        ),
        (
            "dataset.json",
            json.dumps({"labels": [[n, int(v)] for n, v in INTEGERS.items()]}),
            INTEGERS,
        ),
        (
            "dataset.json",
            json.dumps({"labels": {n: int(v) for n, v in INTEGERS.items()}}),
            INTEGERS,
        ),
        (
            "dataset.json",
            json.dumps({"labels": [[n, [1 - int(v), int(v)]] for n, v in INTEGERS.items()]}),
            INTEGERS,
        ),
        (
            "metadata.jsonl",
            "".join(json.dumps({"file_name": n, "label": v}) + "\n" for n, v in TURNS.items()),
            TURNS,
        ),
        ("metadata.csv", lines(TURNS, "file_name,label\n"), TURNS),
        (
            "labels.csv",
            lines({n: f"{v == 'cat':d},{v == 'dog':d}" for n, v in TURNS.items()}, "id,cat,dog\n"),
            TURNS,
        ),
        (
            "train.csv",
            lines(
                {n: f"{at},{v}" for at, (n, v) in enumerate(TURNS.items())}, "image,width,label\n"
            ),
            TURNS,
        ),
        (
            "labels.csv",
            lines({f"/somewhere/else/{n}": v for n, v in TURNS.items()}, "path,label\n"),
            TURNS,
        ),
    ],
)
@pytest.mark.parametrize("folder", ["", "images/"])
def test_lists_of_labels_are_read(tmp_path, name, content, want, folder):
    touch(tmp_path / "pets", *(folder + file for file in FLAT))
    (tmp_path / "pets" / name).write_text(content)
    found = open_source(str(tmp_path / "pets"))
    assert classes(tmp_path / "pets") == {folder + file: label for file, label in want.items()}
    assert not found.skipped and found.notes[0].startswith(f"labels are from {name} (column ")


@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize("labelled", [True, False])
def test_blocks_with_dataset_json(tmp_path, blocks, labelled):
    names = [f"{at * blocks // 40:05d}/img{at:08d}.png" for at in range(40)]
    touch(tmp_path / "edm", *names)
    turns = {name: str(at % 11) for at, name in enumerate(names)}
    labels = [[name, int(label)] for name, label in turns.items()] if labelled else None
    (tmp_path / "edm" / "dataset.json").write_text(json.dumps({"labels": labels}))
    found = classes(tmp_path / "edm")
    if labelled:
        assert found == {name: label.zfill(2) for name, label in turns.items()}
    else:
        assert {name: found[name] for name in names} == dict.fromkeys(names, "edm")
        assert any("dataset.json may" in note for note in open_source(str(tmp_path / "edm")).notes)


def test_metadata_of_each_split(tmp_path):
    for part in ("train", "validation"):
        touch(tmp_path, *(f"{part}/{name}" for name in FLAT))
        (tmp_path / part / "metadata.csv").write_text(lines(TURNS, "file_name,label\n"))
    items = open_source(str(tmp_path)).items
    assert [(item.class_name, item.split) for item in items] == [
        (label, split) for split in (TRAIN, TEST) for label in TURNS.values()
    ]


def test_lists_named_after_splits_and_columns_of_splits(tmp_path):
    for part, name in (("a", "train.csv"), ("b", "test.csv")):
        touch(tmp_path / "lists", *(f"images/{part}{file}" for file in FLAT))
        turns = {f"{part}{file}": label for file, label in TURNS.items()}
        (tmp_path / "lists" / name).write_text(lines(turns, "id,label\n"))
    splits = {item.path: item.split for item in open_source(str(tmp_path / "lists")).items}
    assert splits["images/a0000.png"] == TRAIN and splits["images/b0000.png"] == TEST
    touch(tmp_path / "column", *FLAT)
    rows = {f: f"{v},{'Training' if f < '0015' else 'PrivateTest'}" for f, v in TURNS.items()}
    (tmp_path / "column" / "fer.csv").write_text(lines(rows, "file,emotion,Usage\n"))
    splits = {item.path: item.split for item in open_source(str(tmp_path / "column")).items}
    assert [splits[name] for name in ("0014.png", "0015.png")] == [TRAIN, TEST]


def test_the_same_name_in_train_and_test_is_told_apart(tmp_path):
    touch(tmp_path, *(f"{part}/{name}" for part in ("train", "test") for name in FLAT))
    (tmp_path / "train.csv").write_text(lines(STEMS, "id,label\n"))
    found = open_source(str(tmp_path))
    assert {item.path: item.class_name for item in found.items} == {
        f"train/{name}": label for name, label in TURNS.items()
    }
    assert {skip.reason for skip in found.skipped} == {"without a label in train.csv"}
    assert len(found.skipped) == 20


def test_a_list_of_test_pictures_that_are_not_there_labels_no_others(tmp_path):
    touch(tmp_path / "in", *(f"train/{name}" for name in FLAT), "test/9999.png")
    (tmp_path / "in" / "test.csv").write_text(lines(STEMS, "id,label\n"))
    assert set(classes(tmp_path / "in").values()) == {"in"}
    paths = {f"Test/{name}": label for name, label in TURNS.items()}
    (tmp_path / "in" / "test.csv").rename(tmp_path / "in" / "all.csv")
    (tmp_path / "in" / "all.csv").write_text(lines(paths, "path,label\n"))
    assert set(classes(tmp_path / "in").values()) == {"in"}


def test_class_folders_to_train_and_a_list_of_the_test_pictures(tmp_path):
    touch(tmp_path, *(f"Train/{at % 2:05d}/{at}.png" for at in range(20)))
    touch(tmp_path, *(f"Test/{name}" for name in FLAT))
    rows = {f"Test/{name}": str(at % 2) for at, name in enumerate(FLAT)}
    (tmp_path / "Test.csv").write_text(lines(rows, "Path,ClassId\n"))
    found = open_source(str(tmp_path))
    said = {(item.path, item.class_name, item.split) for item in found.items}
    assert ("Train/00001/7.png", "00001", TRAIN) in said and len(said) == 40
    assert ("Test/0007.png", "00001", TEST) in said and not found.skipped
    assert found.notes[0] == "labels of what lies in no class folder are from Test.csv"


def test_a_list_of_all_pictures_leaves_the_split_to_the_folders(tmp_path):
    touch(tmp_path, *(f"{'train' if name < '0015' else 'val'}/{name}" for name in FLAT))
    (tmp_path / "train.csv").write_text(lines(STEMS, "id,label\n"))
    assert [item.split for item in open_source(str(tmp_path)).items] == [TRAIN] * 15 + [TEST] * 5


def test_folders_and_a_list_that_agree(tmp_path):
    names = [f"{animal}/{at}.png" for animal in ANIMALS for at in range(10)]
    touch(tmp_path, *names, "cat/unlisted.png")
    rows = {name: name[:3] for name in names}
    (tmp_path / "labels.csv").write_text(lines(rows, "file,label\n"))
    assert classes(tmp_path) == rows | {"cat/unlisted.png": "cat"}
    assert open_source(str(tmp_path)).notes == []
    numbers = {name: str(ANIMALS.index(label)) for name, label in rows.items()}
    (tmp_path / "labels.csv").write_text(lines(numbers, "file,label\n"))
    assert classes(tmp_path)["dog/3.png"] == "dog"
    assert (
        "labels are from the folders; labels.csv has others" in open_source(str(tmp_path)).notes[0]
    )
    assert classes(tmp_path, "column=label") == numbers


def test_a_list_that_says_something_else_goes_before_folders(tmp_path):
    names = [f"{place}/{at}.png" for place in ("north", "south") for at in range(10)]
    touch(tmp_path, *names)
    (tmp_path / "labels.csv").write_text(lines(by_turns(names), "file,label\n"))
    assert classes(tmp_path) == by_turns(names)
    assert "not from the folders (--labels folders" in open_source(str(tmp_path)).notes[0]
    assert classes(tmp_path, "folders") == {name: name[:5] for name in names}
    assert set(classes(tmp_path, "none").values()) == {tmp_path.name}


def test_what_is_no_label_is_never_one_and_is_named(tmp_path):
    touch(tmp_path / "pets", *FLAT)
    rows = {name: f"{label},{'wet' if name < '0010' else 'dry'}" for name, label in TURNS.items()}
    (tmp_path / "pets" / "facts.csv").write_text(lines(rows, "file,breed,weather\n"))
    assert set(classes(tmp_path / "pets").values()) == {"pets"}
    (note,) = open_source(str(tmp_path / "pets")).notes
    assert "--labels column=NAME takes one of breed, weather" in note
    assert classes(tmp_path / "pets", "column=Breed") == TURNS
    with pytest.raises(ValueError, match=r"column=age: no list of labels has that column: facts"):
        classes(tmp_path / "pets", "column=age")


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("metadata.jsonl", '{"file_name": "%s", "text": "a photo of %s"}\n', "holds no classes"),
        ("scores.csv", "%s,0.%s5\n", "holds no classes"),
        ("boxes.xml", "<%s %s>", "boxes.xml may hold labels and was not used"),
        ("prices.csv", "no,picture\n", "prices.csv may hold labels and was not used"),
    ],
)
def test_files_that_hold_no_classes_are_named(tmp_path, name, content, said):
    touch(tmp_path / "pets", *FLAT)
    each = [content % (file, file[:4]) if "%" in content else content for file in FLAT]
    (tmp_path / "pets" / name).write_text("".join(each))
    assert set(classes(tmp_path / "pets").values()) == {"pets"}
    assert any(said in note for note in open_source(str(tmp_path / "pets")).notes)


def test_a_list_of_a_few_favourites_labels_nothing(tmp_path):
    touch(tmp_path / "pets", *FLAT)
    few = dict(list(TURNS.items())[:4])
    (tmp_path / "pets" / "best.csv").write_text(lines(few, "file,label\n"))
    assert set(classes(tmp_path / "pets").values()) == {"pets"}
    assert "best.csv names only 4 of the pictures" in open_source(str(tmp_path / "pets")).notes[0]


def test_captions_beside_each_picture_are_no_lists(tmp_path):
    touch(tmp_path / "pets", *FLAT)
    for name, label in TURNS.items():
        (tmp_path / "pets" / name.replace("png", "txt")).write_text(f"{name} {label}")
    assert {v for k, v in classes(tmp_path / "pets").items() if k.endswith("png")} == {"pets"}


@pytest.mark.parametrize(
    "pattern, first",
    [
        ("{}_{:03d}.png", "cat"),
        ("{}.{}.jpg", "cat"),
        ("{} ({}).png", "cat"),
        ("{}{:04d}.png", "cat"),
        ("great_{}_{}.jpg", "great_cat"),
        ("{}_{:02d}ab.png", "cat"),
    ],
)
def test_file_names_are_classes_only_where_asked(tmp_path, pattern, first):
    names = [pattern.format(ANIMALS[at % 2], at) for at in range(20)]
    touch(tmp_path / "pets", *names)
    assert set(classes(tmp_path / "pets").values()) == {"pets"}
    assert "--labels file-name makes classes" in open_source(str(tmp_path / "pets")).notes[0]
    found = classes(tmp_path / "pets", "file-name")
    assert found[names[0]] == first and len(set(found.values())) == 2


def test_names_of_training_pictures_that_may_be_classes(tmp_path):
    touch(tmp_path, *(f"train/{ANIMALS[at % 2]}.{at}.jpg" for at in range(20)))
    touch(tmp_path, *(f"test1/{at}.jpg" for at in range(20)))
    assert "file names begin with cat, dog" in open_source(str(tmp_path)).notes[0]
    assert set(classes(tmp_path, "file-name").values()) == {"cat", "dog"}


def test_file_names_that_name_nothing(tmp_path):
    touch(tmp_path / "pets", *(f"IMG_{at:04d}.jpg" for at in range(20)))
    assert open_source(str(tmp_path / "pets")).notes == []
    with pytest.raises(ValueError, match="do not begin with the names of classes"):
        classes(tmp_path / "pets", "file-name")
    with pytest.raises(ValueError, match="has no class folders"):
        classes(tmp_path / "pets", "folders")
    with pytest.raises(ValueError, match="must be auto, folders, file-name, none or column=NAME"):
        classes(tmp_path / "pets", "magic")


def test_digits_and_letters_are_not_mirrored(tmp_path):
    touch(tmp_path, *(f"{letter}/{at}.png" for letter in "abcdef" for at in range(3)))
    found = open_source(str(tmp_path))
    assert not found.flip and "flips are off" in found.notes[-1]
    touch(tmp_path / "more" / "cat", "1.png", "2.png")
    assert open_source(str(tmp_path / "more")).flip


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe\x00", b"[]", b"[1, 2]", b"{}", b"[" * 9999]
)
@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv", "a.txt"])
def test_files_that_are_no_tables(name, content):
    assert read_table(name, content, lambda text: False) is None


def test_a_list_gives_no_split_of_its_own(tmp_path):
    touch(tmp_path, *FLAT)
    (tmp_path / "labels.csv").write_text(lines(TURNS, "file,label\n"))
    assert {item.split for item in open_source(str(tmp_path)).items} == {UNDECIDED}
