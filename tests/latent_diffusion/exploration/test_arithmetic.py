"""Sums of latents: what must hold of the numbers, and what shows in the colours."""

import numpy as np
import pytest
from PIL import Image

from latent_diffusion import Pipeline
from latent_diffusion.exploration.arithmetic import add
from latent_diffusion.run import Run
from metrics import psnr


def test_identities(tiny_run):
    run = Run.open(tiny_run)
    same = add(run, ["class:disk"], ["class:disk"], ["class:cross/0"], [-1, 0, 3], "cpu")
    assert all(np.array_equal(image, same.means["c: 1 image"]) for image in same.images)
    way = add(run, ["class:disk"], ["class:square"], None, [0, 1], "cpu")
    assert list(way.means) == [
        f"a: {count(run, 'disk')} images",
        f"b: {count(run, 'square')} images",
    ]
    assert psnr(way.images, np.stack(list(way.means.values())[::-1])).min() > 50  # from b to a


def count(run: Run, name: str) -> int:
    pipe = Pipeline.from_run(run.folder, "cpu")
    return int((np.load(run.reference / "labels.npy") == pipe.labels([name])[0]).sum())


def test_latents_are_averaged_and_added(tiny_run, fresh_shapes, tmp_path):
    pipe, files = Pipeline.from_run(tiny_run, "cpu"), []
    for number, image in enumerate(fresh_shapes[:4]):
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(image).save(files[-1])
    found = add(Run.open(tiny_run), files[:2], files[2:3], files[3:], [0.5], "cpu")
    latents = pipe.encode([Image.open(file) for file in files])
    expected = np.asarray(
        pipe.decode(latents[3:] + 0.5 * ((latents[:1] + latents[1:2]) / 2 - latents[2:3]))[0]
    )
    assert np.abs(found.images[0].astype(int) - expected).max() <= 1


def test_a_square_turns_red(tiny_run):
    """Disks are red and squares are green."""
    images = add(
        Run.open(tiny_run),
        ["class:disk"],
        ["class:square"],
        ["class:square/0"],
        [-1, 0, 1, 2],
        "cpu",
    ).images.astype(float)
    redness = (images[..., 0] - images[..., 1]).mean(axis=(1, 2))
    assert (np.diff(redness) > 5).all(), redness


def test_command(tiny_run, tmp_path, ldm):
    status, _, errors = ldm(
        "arithmetic",
        tiny_run,
        tmp_path / "new" / "out.png",
        "--a",
        "class:disk",
        "--a",
        "class:cross",
        "--b",
        "class:square",
        "--alpha",
        "-1,0,0.5,1,2",
        "--device",
        "cpu",
    )
    assert status == 0, errors
    assert Image.open(tmp_path / "new" / "out.png").size == (5 * 114 + 2, 2 * 132 + 2)
    assert (
        pytest.approx(255)
        == np.asarray(Image.open(tmp_path / "new" / "out.png"))[2:114, 2 * 114 + 2 :].mean()
    )  # two means, three gaps
