"""Planted copies are found; held-out real images are not accused."""

import numpy as np
import pytest

from latent_diffusion.data.reference import Reference
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import choose_device
from latent_diffusion.evaluation.audit import RATE, audit
from latent_diffusion.evaluation.judge import Judge
from latent_diffusion.evaluation.sources import of_array
from latent_diffusion.run import Run


def look_for_copies(tiny_run, shapes, images, judge=True):
    run = Run(tiny_run)
    network = Judge.load(run, choose_device("cpu")) if judge else None
    return audit(Reference.open(run), Dataset.open(shapes), of_array(images), network)


def test_planted_copies_are_found(tiny_run, shapes, fresh_shapes):
    data = Dataset.open(shapes)
    planted = data.train[:20]
    noise = np.random.default_rng(0).integers(-2, 3, (20, 16, 16, 3))
    noised = np.clip(data.images[planted].astype(int) + noise, 0, 255).astype(np.uint8)
    found = look_for_copies(tiny_run, shapes, np.concatenate([noised, fresh_shapes[:40]]))
    pixels = found.findings["pixels"]
    assert pixels.copied and pixels.share >= 20 / 60 - 0.01
    assert all(sample < 20 and row == planted[sample] for sample, row, _ in pixels.pairs)
    exact_copies = np.concatenate([data.images[planted], fresh_shapes[:40]])
    exact = look_for_copies(tiny_run, shapes, exact_copies).findings
    _, _, least_distance = exact["features"].pairs[0]
    assert exact["features"].copied and least_distance == pytest.approx(0, abs=1e-3)
    assert exact["pixels"].identical == 20


def test_a_single_mirrored_copy_is_found(tiny_run, shapes, fresh_shapes):
    data = Dataset.open(shapes)
    copy = data.images[data.train[5:6], :, ::-1]
    images = np.concatenate([copy, fresh_shapes])
    found = look_for_copies(tiny_run, shapes, images, judge=False).findings["pixels"]
    assert found.identical == 1 and found.copied and found.pairs[0] == (0, int(data.train[5]), 0.0)


def test_fresh_images_are_not_accused(tiny_run, shapes, fresh_shapes):
    for finding in look_for_copies(tiny_run, shapes, fresh_shapes).findings.values():
        assert not finding.copied and finding.low <= finding.rate_high and finding.rate >= RATE


def test_command_line_and_picture(ldm, tiny_run, shapes, tmp_path):
    assert ldm("sample", tiny_run, tmp_path / "s", "--seeds", "1-12", "--device", "cpu")[0] == 0
    auditing = ("audit", tmp_path / "s", "--run", tiny_run, "--data", shapes)
    status, output, errors = ldm(*auditing, "--out", tmp_path / "m.png", "--device", "cpu")
    assert status == 0, errors
    assert "near copies" in output and (tmp_path / "m.png").is_file()
