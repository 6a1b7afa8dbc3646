"""Real images by name, and what is said to names that stand for none."""

import shutil

import numpy as np
import pytest
from PIL import Image

from latent_diffusion.data.reference import Reference
from latent_diffusion.exploration.pictures import find_pictures
from latent_diffusion.run import Run


def test_files_folders_and_classes(tiny_run, tmp_path, fresh_shapes):
    run = Run.open(tiny_run)
    reference = Reference.open(run)
    for name in ("b.png", "a.png", "grid.png"):
        Image.fromarray(fresh_shapes[0] if name == "a.png" else fresh_shapes[1]).save(
            tmp_path / name
        )
    (tmp_path / "notes.txt").write_text("no picture")
    disk = reference.facts.class_names.index("disk")
    found = find_pictures([tmp_path, "class:disk/2", "class:disk"], run)
    assert np.array_equal(found.images[:2], fresh_shapes[:2])
    assert found.captions[:3] == ["a", "b", "disk"]
    disks = np.asarray(reference.images)[reference.labels == disk]
    assert np.array_equal(found.images[2], disks[2]) and np.array_equal(found.images[3:], disks)
    assert found.labels == [3, 3] + [disk] * (1 + len(disks))  # files have the null label
    files = find_pictures([tmp_path / "a.png", tmp_path / "b.png"], run)
    assert files.relabelled(["cross", "disk"], reference.facts).labels == [0, 1]


@pytest.mark.parametrize(
    "command, hint",
    [
        ("interpolate RUN OUT.png --seeds 3 --classes disk", "name two --seeds"),
        ("interpolate RUN OUT.png --seeds 1-3", "a walk has two ends"),
        ("interpolate RUN OUT.png --classes disk,cross,square", "a walk has two ends"),
        ("interpolate RUN OUT.png --classes disk,cow", "its classes are cross, disk, square"),
        ("interpolate RUN OUT.png --images nowhere.png class:disk/0", "cannot read nowhere.png"),
        ("interpolate RUN OUT.png --images class:disk class:disk/0", "a walk has two ends"),
        (
            "interpolate RUN OUT.png --images class:disk/1 class:disk/0 --seeds 1,2",
            "leave out --seeds",
        ),
        (
            "interpolate RUN OUT.png --images class:disk/1 class:disk/0 --sampler ddpm",
            "ddpm draws fresh noise",
        ),
        ("interpolate RUN OUT.mp4", "must end in"),
        ("arithmetic RUN OUT.png --a class:disk --b EMPTY", "holds no pictures"),
        (
            "arithmetic RUN OUT.png --a class:disk --b class:cow",
            "its classes are cross, disk, square",
        ),
        (
            "arithmetic RUN OUT.png --a class:disk --b class:cross --alpha 1,much",
            "--alpha '1,much'",
        ),
        ("arithmetic RUN OUT.png --a class:disk --b class:cross --alpha nan", "finite"),
        ("invert RUN OUT.png class:disk/99", "numbered 0 to"),
        (
            "invert RUN OUT.png class:disk/1 class:disk/2 --classes disk,disk,disk",
            "one for all, or one for each",
        ),
        ("vary RUN OUT.png class:disk/x --strength 0.5", "numbered 0 to"),
        ("vary RUN OUT.png class:disk/0 --strength 2", "at most 1"),
        ("vary RUN OUT.gif class:disk/0", "must end in"),
    ],
)
def test_refusals(tiny_run, tmp_path, ldm, command, hint):
    (tmp_path / "empty").mkdir()
    paths = {"RUN": tiny_run, "EMPTY": tmp_path / "empty"}
    paths |= {f"OUT.{suffix}": tmp_path / f"OUT.{suffix}" for suffix in ("png", "gif", "mp4")}
    arguments = [paths.get(word, word) for word in command.split()]
    status, _, errors = ldm(*arguments, "--device", "cpu")
    assert status == 2 and errors.count("\n") == 1 and hint in errors, errors
    assert not list(tmp_path.glob("OUT*"))


def test_arithmetic_needs_no_denoiser_and_the_others_say_so(tiny_run, tmp_path, ldm):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    (run / "diffusion" / "model.safetensors").unlink()
    sets = "--a class:disk --b class:cross".split()
    assert ldm("arithmetic", run, tmp_path / "a.png", *sets)[0] == 0
    for command in (["interpolate"], ["invert"], ["vary", "class:disk/0"]):
        status, _, errors = ldm(command[0], run, tmp_path / "x.png", *command[1:])
        assert status == 2 and "train-diffusion" in errors
