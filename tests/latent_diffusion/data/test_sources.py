"""The seam for data sources: what one more of them has to bring, and what it gets for that."""

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


class Captioned(Source):
    """Pictures whose class stands in a .txt file of the same name."""

    accepts = "pictures with a .txt each"

    def find(self, asked: Asked) -> Found | None:
        if not asked.holds_pictures:
            return None
        files = {file.path: file for file in asked.listing.files}
        beside = {path: path.rpartition(".")[0] + ".txt" for path in files}
        texts = {
            path: files[text] for path, text in beside.items() if text in files.keys() - {path}
        }
        if not texts:
            return None
        items = []
        for path, text in texts.items():
            name = read_file(asked.tree, text).decode().strip()
            items.append(Item(path, files[path].key, class_of(name), UNDECIDED))
        used = {text.path for text in texts.values()} | texts.keys()
        skipped = [Skip(path, "without a .txt") for path in files if path not in used]
        return Found("captions", sorted(items), FileLoader(asked.tree), sorted(skipped))


def test_one_more_source(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "SOURCES", (Captioned(), *sources.SOURCES))
    folder = tmp_path / "in"
    folder.mkdir()
    for seed in range(24):
        Image.fromarray(draw(("cat", "dog")[seed % 2], seed, 16)).save(folder / f"{seed}.png")
        (folder / f"{seed}.txt").write_text(("miaow\n", "woof\n")[seed % 2])
    Image.fromarray(draw("fish", 1, 16)).save(folder / "mute.png")
    info = prepare(str(folder), tmp_path / "out", size=16, processes=1)
    assert (info.kind, info.class_names) == ("captions", ["miaow", "woof"])
    assert info.train + info.test == 24
    assert info.skipped_by_reason == {"without a .txt": 1}
    with pytest.raises(ValueError, match=r"no such file .*pictures with a \.txt each"):
        sources.open_source(str(tmp_path / "nowhere"))
    assert sources.open_source("cartoons:3").kind == "cartoons"


def test_a_source_that_is_of_no_kind_is_refused_with_what_could_be(tmp_path):
    with pytest.raises(ValueError, match=r"no such file or folder") as refusal:
        sources.open_source(str(tmp_path / "nowhere"))
    assert all(source.accepts in str(refusal.value) for source in sources.SOURCES)
