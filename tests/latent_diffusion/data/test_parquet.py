"""Parquet files as Hugging Face's `datasets` writes them, and what is said where that cannot be."""

import json
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latent_diffusion.data.prepare import prepare
from latent_diffusion.data.sources import open_source
from latent_diffusion.data.store import Dataset

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

FEATURES = {
    "image": {"_type": "Image"},
    "label": {"names": ["cat", "dog"], "_type": "ClassLabel"},
    "mood": {"names": ["glad", "sad", "wild"], "_type": "ClassLabel"},
}


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def encoded(seed: int) -> bytes:
    stream = BytesIO()
    Image.fromarray(picture(seed)).save(stream, "PNG")
    return stream.getvalue()


def write(path: Path, seeds: range, columns: tuple[str, ...] = ("label",), **more: list) -> None:
    """Write pictures as a parquet file in groups of 7 rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = {"image": [{"bytes": encoded(seed), "path": f"{seed}.png"} for seed in seeds]}
    data |= {name: [seed % len(FEATURES[name]["names"]) for seed in seeds] for name in columns}
    table = pyarrow.table(data | more)
    features = {name: FEATURES[name] for name in ("image", *columns)}
    said = {"huggingface": json.dumps({"info": {"features": features}})}
    parquet.write_table(table.replace_schema_metadata(said), path, row_group_size=7)


def test_splits_names_of_classes_and_pixels(tmp_path):
    write(tmp_path / "in" / "data" / "train-00000-of-00002.parquet", range(20))
    write(tmp_path / "in" / "data" / "train-00001-of-00002.parquet", range(20, 30))
    write(tmp_path / "in" / "data" / "test-00000-of-00001.parquet", range(30, 40))
    (tmp_path / "in" / "README.md").write_text("x")
    info = prepare(str(tmp_path / "in"), tmp_path / "out", size=16, processes=1)
    data = Dataset.open(tmp_path / "out")
    assert (info.class_names, info.train, info.test) == (["cat", "dog"], 30, 10)
    assert all((image == picture(30 + at)).all() for at, image in enumerate(data.images[data.test]))
    assert (data.labels[data.test] == np.arange(10) % 2).all()
    assert [skip.path for skip in info.skipped] == ["README.md"]
    assert info.notes == ["labels are from the column label"]


def test_splits_as_folders_and_other_columns_of_labels(tmp_path):
    for part, seeds in (("train", range(30)), ("validation", range(30, 45))):
        write(tmp_path / "default" / part / "0000.parquet", seeds, ("label", "mood"))
    found = open_source(str(tmp_path))
    assert [item.split for item in found.items] == [0] * 30 + [1] * 15
    assert "other columns may be labels (mood)" in found.notes[1]
    moods = [item.class_name for item in open_source(str(tmp_path), "column=mood").items]
    assert moods[:4] == ["glad", "sad", "wild", "glad"]
    with pytest.raises(ValueError, match=r"column=age: .* has the columns label, mood"):
        open_source(str(tmp_path), "column=age")


def test_labels_without_names_and_pictures_without_labels(tmp_path):
    labels = [-1 if at == 3 else at % 2 for at in range(20)]
    path = tmp_path / "named" / "train-0.parquet"
    write(path, range(20), (), text=["a photo"] * 20)
    (tmp_path / "numbers").mkdir()
    table = parquet.read_table(path).append_column("label", pyarrow.array([0, 10] * 10))
    parquet.write_table(table, tmp_path / "numbers" / "all.parquet")
    items = open_source(str(tmp_path / "numbers")).items
    assert [item.class_name for item in items[:2]] == ["00", "10"]
    found = open_source(str(tmp_path / "named"))
    assert {item.class_name for item in found.items} == {"named"} and len(found.items) == 20
    assert found.notes == ["no column is called label"]
    table = parquet.read_table(path).append_column("label", pyarrow.array(labels))
    said = {"huggingface": json.dumps({"info": {"features": FEATURES}})}
    parquet.write_table(table.replace_schema_metadata(said), path)
    found = open_source(str(tmp_path / "named"))
    assert len(found.items) == 19 and [skip.reason for skip in found.skipped] == ["without a label"]


def test_pictures_that_cannot_be_had_are_skipped(tmp_path):
    images = [{"bytes": encoded(seed), "path": None} for seed in range(12)]
    images += [{"bytes": b"no picture", "path": None}, {"bytes": None, "path": "away.png"}]
    (tmp_path / "in").mkdir()
    table = pyarrow.table({"image": images, "label": ["cat"] * 14})
    parquet.write_table(table, tmp_path / "in" / "a.parquet")
    info = prepare(str(tmp_path / "in"), tmp_path / "out", size=16, processes=1)
    assert info.train + info.test == 12 and set(info.skipped_by_reason) == {
        "not an image",
        "its pixels are not in the parquet file",
    }


def test_several_data_sets_are_refused_and_named(tmp_path):
    for name in ("cropped", "full"):
        write(tmp_path / name / "train-00000-of-00001.parquet", range(12))
    with pytest.raises(ValueError, match=r"several data sets \(cropped, full\)"):
        open_source(str(tmp_path))


def test_what_is_no_parquet_file_of_pictures(tmp_path):
    path = tmp_path / "train-00000-of-00001.parquet"
    path.write_bytes(b"PAR1" + bytes(200) + b"PAR1")
    with pytest.raises(ValueError, match=r"train-.*parquet cannot be read as a parquet file"):
        open_source(str(tmp_path))
    parquet.write_table(pyarrow.table({"text": ["a"], "label": [1]}), path)
    with pytest.raises(ValueError, match=r"no column of pictures \(columns text, label\)"):
        open_source(str(tmp_path))


def test_without_pyarrow_one_line_says_how_to_install_it(tmp_path, monkeypatch):
    write(tmp_path / "train.parquet", range(3))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r"train\.parquet .*: pip install pyarrow$"):
        open_source(str(tmp_path))
