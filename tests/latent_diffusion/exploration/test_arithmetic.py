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
    captions = [f"a: {count(run, 'disk')} images", f"b: {count(run, 'square')} images"]
    assert list(way.means) == captions
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
    a, b, c = (latents[0] + latents[1]) / 2, latents[2], latents[3]
    expected = np.asarray(pipe.decode((c + 0.5 * (a - b))[None])[0])
    assert np.abs(found.images[0].astype(int) - expected).max() <= 1


def test_a_square_turns_red(tiny_run):
    """Disks are red and squares are green."""
    a, b, c = ["class:disk"], ["class:square"], ["class:square/0"]
    images = add(Run.open(tiny_run), a, b, c, [-1, 0, 1, 2], "cpu").images.astype(float)
    redness = (images[..., 0] - images[..., 1]).mean(axis=(1, 2))
    assert (np.diff(redness) > 5).all(), redness


def test_command(tiny_run, tmp_path, ldm):
    options = "--a class:disk --a class:cross --b class:square --alpha -1,0,0.5,1,2 --device cpu"
    out = tmp_path / "new" / "out.png"
    status, _, errors = ldm("arithmetic", tiny_run, out, *options.split())
    assert status == 0, errors
    sheet = np.asarray(Image.open(out))
    assert sheet.shape == (2 * 132 + 2, 5 * 114 + 2, 3)
    assert sheet[2:114, 2 * 114 + 2 :].mean() == pytest.approx(255)  # two means, three gaps
