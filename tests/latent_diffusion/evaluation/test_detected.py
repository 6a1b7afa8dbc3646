"""Detectability as scores of a run: its own samples, held-out pictures, and too few of either."""

import json

import numpy as np
import pytest
from PIL import Image

from latent_diffusion.data.reference import Reference
from latent_diffusion.evaluation import detector
from latent_diffusion.evaluation.scores import Scores
from latent_diffusion.evaluation.scoring import EVIDENCE, evaluate
from latent_diffusion.run import Run


@pytest.fixture
def told_at_once(monkeypatch):
    """The held-out pictures of the tiny run are few: let any known fault count as found."""
    monkeypatch.setattr(detector.Reals, "too_few", property(lambda reals: False))


def test_a_runs_own_samples_are_told_by_stage_and_drawn(ldm, tiny_run, tmp_path, told_at_once):
    samples = tmp_path / "samples"
    assert ldm("sample", tiny_run, samples, "--seeds", "1-60")[0] == 0
    scores = evaluate(Run(tiny_run), samples, device="cpu").scores
    stages = {"detectability_decoder", "detectability_denoiser"}
    scales = {"detectability_lines", "detectability_grain"}
    assert stages | scales | {"detectability"} <= set(scores)
    assert all(0 <= scores[name].low <= scores[name].high <= 1 for name in stages)
    assert Image.open(tiny_run / EVIDENCE).height > 100
    recorded = json.loads((tiny_run / "scores.json").read_text())[str(samples.resolve())]
    assert recorded["detected"] >= 20 and recorded["detector"] == detector.SEEN_BY
    del recorded["detector"]  # of an earlier version, which saw no lines
    assert Scores.model_validate(recorded).detector != detector.SEEN_BY
    # Pictures that the run did not draw say nothing of its stages.
    pixels = np.stack([np.asarray(Image.open(path)) for path in sorted(samples.glob("*[0-9].png"))])
    other = evaluate(Run(tiny_run), pixels, device="cpu").scores
    assert "detectability" in other and not stages & set(other)


def test_held_out_pictures_are_not_told_from_themselves(tiny_run, told_at_once):
    pixels, _ = Reference.open(Run(tiny_run)).held_out()
    found = evaluate(Run(tiny_run), pixels, device="cpu")
    assert "detectability" not in found.scores
    assert any("hold held-out pictures" in note for note in found.notes)
    assert not (tiny_run / EVIDENCE).exists()


def test_too_few_pictures_are_said_and_give_no_number(tiny_run):
    random = np.random.default_rng(0)
    few = random.integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    found = evaluate(Run(tiny_run), few, device="cpu")
    assert "detectability" not in found.scores and found.detected is None
    assert any("too few pictures to tell samples from real ones" in note for note in found.notes)


def test_the_grid_of_samples_has_real_pictures_beside_them(ldm, tiny_run, tmp_path):
    samples = tmp_path / "samples"
    assert ldm("sample", tiny_run, samples, "--seeds", "1-6")[0] == 0
    sheet = np.asarray(Image.open(samples / "grid.png"))
    kept = np.load(tiny_run / "reference" / "images.npy")
    labels = np.load(tiny_run / "reference" / "labels.npy")
    first = kept[np.flatnonzero(labels == 0)[0]]
    windows = np.lib.stride_tricks.sliding_window_view(sheet, first.shape)[..., 0, :, :, :]
    assert (windows == first).all(axis=(2, 3, 4)).any()
