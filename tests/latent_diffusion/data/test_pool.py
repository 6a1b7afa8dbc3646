"""Workers that crash, hang or cannot start.

The loaders live in a module written here, where workers can import it.
"""

import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from latent_diffusion.data import pool
from latent_diffusion.data.worker import Job

LOADERS = """
    import os, time
    import numpy as np
    from latent_diffusion.data.decode import Unreadable

    class Loader:
        def load(self, key, size):
            if key == "crash":
                os._exit(11)
            if key == "hang":
                time.sleep(60)
            if key == "bad":
                raise Unreadable("bad")
            if key == "bug":
                raise KeyError("a mistake of ours")
            return np.full((size, size, 3), key, np.uint8), key, False

    class Unloadable:
        def __setstate__(self, state):
            os._exit(3)

        def __getstate__(self):
            return {"a": 1}
"""


@pytest.fixture
def job(tmp_path, monkeypatch):
    (tmp_path / "loaders_of_this_test.py").write_text(textwrap.dedent(LOADERS))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    import loaders_of_this_test

    (tmp_path / "images").touch()
    yield Job(loaders_of_this_test.Loader(), 8, str(tmp_path / "images"), 10)
    del sys.modules["loaders_of_this_test"]


def test_a_crash_or_a_hang_costs_one_image_each(job):
    keys: list = list(range(70))
    keys[5], keys[20], keys[40], keys[41] = "crash", "bad", "hang", "crash"
    results = dict(pool.run(job, keys, 2, patience_s=0.5))
    assert sorted(results) == list(range(70))
    bad = {row: result for row, result in results.items() if isinstance(result, str)}
    assert bad == {
        5: "crashes the decoder",
        20: "bad",
        40: "not decoded within 0.5 s",
        41: "crashes the decoder",
    }
    written = np.frombuffer(Path(job.images).read_bytes()[10:], np.uint8).reshape(-1, 192)
    assert all((written[row] == row).all() for row in range(70) if row not in bad)


def test_a_mistake_of_ours_is_not_blamed_on_the_picture(job):
    with pytest.raises(KeyError, match="a mistake of ours"):
        list(pool.run(job, ["bug"], 1))


def test_workers_that_cannot_start_end_the_job(job):
    import loaders_of_this_test

    job.loader = loaders_of_this_test.Unloadable()
    with pytest.raises(RuntimeError, match="cannot start"):
        list(pool.run(job, [1, 2], 2))
