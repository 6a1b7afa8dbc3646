"""How sources are recognised: folders in every arrangement people have, and synth-cute clones."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latent_diffusion.data.prepare import prepare
from latent_diffusion.data.sources import open_source
from latent_diffusion.data.split import TEST, TRAIN, UNDECIDED
from latent_diffusion.data.store import Dataset


def touch(root: Path, *names: str) -> str:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return str(root)


def found(source: str) -> dict[str, tuple[str, int]]:
    return {item.path: (item.class_name, item.split) for item in open_source(source).items}


def test_class_folders(tmp_path):
    source = touch(
        tmp_path,
        "cat/1.png",
        "cat/deep/er/2.png",
        "dog/3",
        "README.md",
        "loose.png",
        ".git/cat/4.png",
    )
    assert found(source) == {
        "cat/1.png": ("cat", UNDECIDED),
        "cat/deep/er/2.png": ("cat", UNDECIDED),
        "dog/3": ("dog", UNDECIDED),
    }
    assert {skip.path: skip.reason for skip in open_source(source).skipped} == dict.fromkeys(
        ["README.md", "loose.png"], "outside the class folders"
    )


def test_enclosing_folders_are_stepped_into(tmp_path):
    source = touch(tmp_path, "a/b/cat/1.png", "a/b/dog/2.png", "a/notes.txt")
    assert found(source) == {
        "a/b/cat/1.png": ("cat", UNDECIDED),
        "a/b/dog/2.png": ("dog", UNDECIDED),
    }
    assert found(touch(tmp_path / "one", "cat/1.png")) == {"cat/1.png": ("cat", UNDECIDED)}


def test_splits(tmp_path):
    source = touch(
        tmp_path,
        "Train/cat/1.png",
        "test/cat/2.png",
        "valid/cat/3.png",
        "extra/4.png",
        "test/lost.png",
    )
    assert found(source) == {
        "Train/cat/1.png": ("cat", TRAIN),
        "test/cat/2.png": ("cat", TEST),
        "valid/cat/3.png": ("cat", TRAIN),
    }
    assert {skip.path for skip in open_source(source).skipped} == {"extra/4.png", "test/lost.png"}


def test_flat_splits_and_flat_folders(tmp_path):
    assert found(touch(tmp_path / "dogs", "train/1.png", "test/2.png")) == {
        "train/1.png": ("dogs", TRAIN),
        "test/2.png": ("dogs", TEST),
    }
    assert found(touch(tmp_path / "owls", "1.png", "2.png", "thumbs/1.png")) == {
        "1.png": ("owls", UNDECIDED),
        "2.png": ("owls", UNDECIDED),
    }


def test_a_class_named_train_is_no_split(tmp_path):
    source = touch(tmp_path, "train/1.png", "bus/2.png")
    assert found(source) == {"train/1.png": ("train", UNDECIDED), "bus/2.png": ("bus", UNDECIDED)}


def test_names_without_suffix_are_pictures_too(tmp_path):
    assert set(found(touch(tmp_path, "cat/1", "dog/2"))) == {"cat/1", "dog/2"}


def test_accents_are_one_class_on_every_file_system(tmp_path):
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    source = touch(tmp_path, f"train/{composed}/1.png", f"test/{decomposed}/2.png")
    assert {name for name, _ in found(source).values()} == {composed}


def write_pair(root: Path, animal: str, seed: int, text: str | None = None) -> tuple[Path, Path]:
    text = text or json.dumps(
        {"inputs": f"minimalist vector-style cute cartoon {animal}, flat pastel", "seed": seed}
    )
    stem = hashlib.sha256(text.encode()).hexdigest()
    folder = root / stem[:2]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{stem}.json").write_text(text)
    noise = np.random.default_rng([seed, len(animal)]).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / f"{stem}.png")
    return folder / f"{stem}.png", folder / f"{stem}.json"


@pytest.mark.parametrize("clone", ["", "synth-cute"])
def test_synth_cute(tmp_path, clone):
    root = tmp_path / "in" / clone
    for seed in range(12):
        write_pair(root, "dog", seed)
        write_pair(root, "Cat" if seed == 3 else "cat", seed + 50)
    bad = {}
    picture, prompt = write_pair(root, "cat", 100)
    prompt.unlink()
    bad[picture] = "no JSON beside it"
    picture, prompt = write_pair(root, "cat", 101)
    prompt.write_text('{"inputs": "cute cartoon ca')
    bad[picture] = "broken JSON beside it"
    for number, text in enumerate(
        ['{"inputs": "a photo", "seed": 1}', '{"inputs": 3}', "[1]", "{}"]
    ):
        bad[write_pair(root, "x", 110 + number, text)[0]] = "no class in the JSON beside it"
    picture, prompt = write_pair(root, "cat", 120)
    picture.write_bytes(picture.read_bytes()[:100])
    bad[picture] = "truncated"
    picture, prompt = write_pair(root, "cat", 130)
    picture.unlink()
    bad[prompt] = "JSON without a picture"
    touch(root, "README.md", ".git/objects/ab/x", ".gitattributes")
    bad[root / "README.md"] = "not part of the synth-cute layout"

    info = prepare(str(tmp_path / "in"), tmp_path / "out", size=16, processes=1)
    assert info.kind == "synth-cute" and info.class_names == ["cat", "dog"]
    assert [counts.train + counts.test for counts in info.counts.values()] == [12, 12]
    want = {str(path.relative_to(tmp_path / "in")): reason for path, reason in bad.items()}
    assert {skip.path: skip.reason for skip in info.skipped} == want
    data = Dataset.open(tmp_path / "out")
    dogs = [
        np.random.default_rng([seed, 3]).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        for seed in range(12)
    ]
    assert {data.images[i].tobytes() for i in np.flatnonzero(data.labels == 1)} == {
        dog.tobytes() for dog in dogs
    }
