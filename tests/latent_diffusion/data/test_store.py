"""What a failing `prepare` leaves behind, and what it and `Dataset.open` refuse, in one line."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latent_diffusion.data import prepare as prepare_module
from latent_diffusion.data import writer as writer_module
from latent_diffusion.data.prepare import prepare
from latent_diffusion.data.store import Dataset

SIZE = 8


def fill(folder: Path, seeds: range) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        noise = np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{seed}.png")


def test_a_killed_prepare_leaves_the_old_data_set(tmp_path):
    fill(tmp_path / "in" / "a", range(20))
    old = prepare(str(tmp_path / "in"), tmp_path / "out", size=SIZE, processes=1)
    # Killed from within, at the moment when all images are written but not yet in place.
    script = (
        "import os, signal, sys\n"
        "from latent_diffusion.data.prepare import prepare\n"
        "def die(done, total):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "prepare(sys.argv[1], sys.argv[2], size=16, on_progress=die, processes=2)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "in"), str(tmp_path / "out")]
    environment = os.environ | {"PYTHONPATH": str(Path(prepare_module.__file__).parents[2])}
    assert subprocess.run(command, env=environment, timeout=60).returncode == -signal.SIGKILL
    assert (tmp_path / "out" / ".preparing").is_dir() and Dataset.open(tmp_path / "out").info == old
    prepare(str(tmp_path / "in"), tmp_path / "out", size=16, processes=1)
    assert (
        Dataset.open(tmp_path / "out").info.image_size == 16
        and not (tmp_path / "out" / ".preparing").exists()
    )


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("moved", [1, 2, 3])
def test_a_prepare_that_ended_while_it_moved_what_it_made_can_be_done_again(
    tmp_path, monkeypatch, moved, killed
):
    fill(tmp_path / "in" / "a", range(20))
    calls, replace = [], os.replace

    def ends(source, target):
        calls.append(target)
        if len(calls) > moved:
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(writer_module.os, "replace", ends)
        if killed:  # as SIGKILL does: nothing is cleaned up
            patch.setattr(writer_module.Writer, "_clean", lambda writer: writer._lock.close())
        with pytest.raises(KeyboardInterrupt):
            prepare(str(tmp_path / "in"), tmp_path / "out", size=SIZE, processes=1)
    assert (tmp_path / "out" / "images.npy").is_file() and not (
        tmp_path / "out" / "dataset.json"
    ).exists()
    prepare(str(tmp_path / "in"), tmp_path / "out", size=SIZE, processes=1)
    assert (
        len(Dataset.open(tmp_path / "out")) == 20 and not (tmp_path / "out" / ".preparing").exists()
    )


def test_a_failed_prepare_leaves_the_old_data_set(tmp_path, monkeypatch):
    fill(tmp_path / "in" / "a", range(20))
    old = prepare(str(tmp_path / "in"), tmp_path / "out", size=SIZE, processes=1)
    (tmp_path / "out" / "latents-abc.npy").write_bytes(b"a cache of somebody")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare_module, "usable", interrupted)
    fill(tmp_path / "in" / "a", range(100, 120))
    with pytest.raises(KeyboardInterrupt):
        prepare(str(tmp_path / "in"), tmp_path / "out", size=SIZE, processes=1)
    with pytest.raises(KeyboardInterrupt):
        prepare(str(tmp_path / "in"), tmp_path / "new", size=SIZE, processes=1)
    assert Dataset.open(tmp_path / "out").info == old and not (tmp_path / "new").exists()

    monkeypatch.undo()  # what a killed one leaves behind does not hinder the next
    (tmp_path / "out" / ".preparing").mkdir()
    (tmp_path / "out" / ".preparing" / "images.npy").write_bytes(b"half")
    assert (
        prepare(str(tmp_path / "in"), tmp_path / "out", size=SIZE, processes=1).checksum
        != old.checksum
    )
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "dataset.json",
        "images.npy",
        "labels.npy",
        "split.npy",
        "latents-abc.npy",
    }


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda p: None, "no such file or folder"),
        (lambda p: p.mkdir(), "no pictures in .*it is empty"),
        (lambda p: (p.mkdir(), (p / "a.txt").write_text("x")), "nothing usable .*1 x not an image"),
        (lambda p: fill(p / "cat", range(3)), "class cat: 3 usable images, at least 10 are needed"),
        (lambda p: p.write_text("x"), "a single file of a kind that is not known"),
        (
            lambda p: (p.mkdir(), (p / "dataset.json").touch(), (p / "images.npy").touch()),
            "a prepared data set",
        ),
    ],
)
def test_nothing_usable_is_one_clear_line(tmp_path, make, message):
    make(tmp_path / "in")
    with pytest.raises(ValueError, match=message) as error:
        prepare(str(tmp_path / "in"), tmp_path / "out", processes=1)
    assert "\n" not in str(error.value) and not (tmp_path / "out").exists()


def test_mistakes_in_the_arguments(tmp_path):
    fill(tmp_path / "in", range(12))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.doc").write_text("precious")
    for arguments, message in [
        ({"folder": tmp_path / "full"}, "not empty and not a prepared data set"),
        ({"folder": tmp_path / "full" / "thesis.doc"}, "is a file"),
        ({"folder": tmp_path / "in" / "out"}, "lies inside the source"),
        ({"size": 0}, "size is 0 pixels"),
        ({"holdout": 1.5}, "holdout is 1.5"),
        ({"source": "cartoons:many"}, "COUNT must be a whole number"),
    ]:
        with pytest.raises(ValueError, match=message):
            prepare(**{"source": str(tmp_path / "in"), "folder": tmp_path / "out"} | arguments)
    assert (tmp_path / "full" / "thesis.doc").read_text() == "precious"


def test_open_refuses_what_is_no_complete_data_set(tmp_path):
    with pytest.raises(ValueError, match="ldm prepare SOURCE"):
        Dataset.open(tmp_path / "absent")
    fill(tmp_path / "in", range(12))
    prepare(str(tmp_path / "in"), tmp_path / "out", size=SIZE, processes=1)
    np.save(tmp_path / "out" / "labels.npy", np.zeros(5, np.int64))
    with pytest.raises(ValueError, match="inconsistent"):
        Dataset.open(tmp_path / "out")
    np.save(tmp_path / "out" / "labels.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match="damaged"):
        Dataset.open(tmp_path / "out")
    record = json.loads((tmp_path / "out" / "dataset.json").read_text())
    (tmp_path / "out" / "dataset.json").write_text(json.dumps(record | {"image_size": "large"}))
    with pytest.raises(ValueError, match="image_size"):
        Dataset.open(tmp_path / "out")
    (tmp_path / "out" / "dataset.json").write_text("{")
    with pytest.raises(ValueError, match="damaged"):
        Dataset.open(tmp_path / "out")
