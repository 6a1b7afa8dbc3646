"""The examples of "From Python" run as they stand: the public faces of a run and both libraries."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "latent_diffusion" / "README.md"


def examples() -> list[str]:
    section = re.search(r"^## From Python\n(.*?)^## ", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert section
    return re.findall(r"```python\n(.*?)```", section[1], re.DOTALL)


@pytest.mark.parametrize("example", examples(), ids=["pipeline", "autoencoder", "metrics"])
def test_it_runs(example, random_run, tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "demo").symlink_to(random_run)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, str(PAGE), "exec"), {})
