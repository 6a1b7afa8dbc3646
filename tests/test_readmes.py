"""The pages for readers: what they point at is there, and the first one stays short."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("[a-z]*/README.md"), *ROOT.glob(".github/*.md")])
LINK = re.compile(r"\]\(([^)]+)\)")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings: lower case, hyphens for spaces, no punctuation."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.strip().lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_are_there(page):
    for link in LINK.findall(page.read_text()):
        if link.startswith("http"):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_picture_is_shown_somewhere():
    text = "".join(page.read_text() for page in PAGES)
    assets = (ROOT / ".github" / "assets").iterdir()
    assert not [path.name for path in assets if f"assets/{path.name})" not in text]


def test_the_first_page_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_every_config_and_rubric_is_introduced():
    text = (ROOT / "configs" / "README.md").read_text()
    assert not [p.stem for p in (ROOT / "configs").rglob("*.toml") if f"`{p.stem}`" not in text]
