"""A report of the tiny run whose names are hostile, made once for all tests of pages."""

import shutil
from pathlib import Path

import pytest

HOSTILE, IMAGES = "<script>alert(1)</script>", 50


@pytest.fixture(scope="session")
def hostile_run(tiny_run, tmp_path_factory) -> Path:
    """A copy of the run in which a class and the folder are called what no page may obey."""
    run = tmp_path_factory.mktemp("report") / 'tiny "<b>"'
    shutil.copytree(tiny_run, run)
    for path in (run / "reference" / "data.json", *run.glob("*/config.toml")):
        path.write_text(path.read_text().replace('"cross"', f'"{HOSTILE}"'))
    return run


@pytest.fixture(scope="session")
def page(hostile_run, shapes) -> Path:
    from latent_diffusion.report.page import report

    return report(hostile_run, hostile_run / "report.html", IMAGES, shapes, "cpu", sweeping=True)
