"""The seam for data sources: what one more of them has to bring, and what it gets for that."""

import csv

import pytest
from PIL import Image

from latent_diffusion.data import sources
from latent_diffusion.data.cartoons import draw
from latent_diffusion.data.prepare import prepare
from latent_diffusion.data.sources.source import (
    Asked,
    FileLoader,
    Found,
    Item,
    Source,
    class_of,
    read_file,
)
from latent_diffusion.data.split import UNDECIDED
from latent_diffusion.data.tree import Skip


class LabelsCsv(Source):
    """Pictures with a labels.csv beside them, whose columns are `file` and `label`."""

    accepts = "pictures with a labels.csv"

    def find(self, asked: Asked) -> Found | None:
        files = {file.path: file for file in asked.listing.files}
        if "labels.csv" not in files or not asked.holds_pictures:
            return None
        lines = read_file(asked.tree, files.pop("labels.csv")).decode().splitlines()
        classes = {row["file"]: class_of(row["label"]) for row in csv.DictReader(lines)}
        items = [Item(p, f.key, classes[p], UNDECIDED) for p, f in files.items() if p in classes]
        skipped = [Skip(path, "not in labels.csv") for path in files if path not in classes]
        return Found("labels.csv", items, FileLoader(asked.tree), asked.listing.skipped + skipped)


def test_one_more_source(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "SOURCES", (LabelsCsv(), *sources.SOURCES))
    folder = tmp_path / "in"
    folder.mkdir()
    lines = ["file,label"]
    for seed in range(24):
        Image.fromarray(draw(("cat", "dog")[seed % 2], seed, 16)).save(folder / f"{seed}.png")
        lines.append(f"{seed}.png,{('miaow', 'woof')[seed % 2]}")
    Image.fromarray(draw("fish", 1, 16)).save(folder / "mute.png")
    (folder / "labels.csv").write_text("\n".join(lines))
    info = prepare(str(folder), tmp_path / "out", size=16, processes=1)
    assert (info.kind, info.class_names) == ("labels.csv", ["miaow", "woof"])
    assert info.train + info.test == 24
    assert info.skipped_by_reason == {"not in labels.csv": 1}
    with pytest.raises(ValueError, match=r"no such file .*pictures with a labels\.csv"):
        sources.open_source(str(tmp_path / "nowhere"))
    assert sources.open_source("cartoons:3").kind == "cartoons"


def test_a_source_that_is_of_no_kind_is_refused_with_what_could_be(tmp_path):
    with pytest.raises(ValueError, match=r"no such file or folder") as refusal:
        sources.open_source(str(tmp_path / "nowhere"))
    assert all(source.accepts in str(refusal.value) for source in sources.SOURCES)
