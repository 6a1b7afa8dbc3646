"""Studies show what they are for: scores notice disturbances, features forgive a shift."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from latent_diffusion.denoiser.dit import DiTConfig
from latent_diffusion.run import Run
from latent_diffusion.studies import blind
from latent_diffusion.studies.blind import draw_sheet, opened
from latent_diffusion.studies.disturbances import (
    ForeignCrops,
    gaussian_blur,
    gaussian_noise,
    salt_and_pepper,
)
from latent_diffusion.studies.probe import Watched, accuracy, pooled


@pytest.fixture
def study(ldm, tiny_run, tmp_path):
    def call(name, *arguments) -> dict:
        status, _, errors = ldm("study", name, tiny_run, tmp_path, *arguments, "--device", "cpu")
        assert status == 0, errors
        assert (tmp_path / f"{name}.png").stat().st_size > 5_000
        return json.loads((tmp_path / f"{name}.json").read_text())

    return call


def test_sensitivity(study):
    numbers = study("sensitivity")
    for name in ("Gaussian noise", "Gaussian blur", "salt and pepper", "foreign crops"):
        fids = numbers[name]["fid"]
        assert fids[-1] > fids[0] and len(fids) == 8, name
    fids = numbers["foreign crops"]["fid"]
    assert fids[-1] > 3 * fids[0]
    inception_scores = numbers["Gaussian noise"]["inception_score"]
    assert inception_scores[-1] < inception_scores[0]


def test_distance(study):
    numbers = study("distance")
    assert numbers["pixels"][0] == numbers["features"][0] == 0
    assert all(0 < numbers[name][1] < numbers[name][4] for name in ("pixels", "features"))


def test_sample_size(study, shapes):
    numbers = study("sample-size")["real, held out"]
    fids = [mean for mean, _ in numbers["fid"]]
    assert fids[0] > fids[-1] > 0  # biased for few images


def test_probe(study, shapes):
    accuracies = study("probe", "--data", shapes)["accuracy"]
    assert accuracies["latents"] > 0.8
    assert {"pixels", "denoiser middle"} <= set(accuracies)


def test_probe_needs_its_data(ldm, tiny_run, tmp_path):
    status, _, errors = ldm("study", "probe", tiny_run, tmp_path)
    assert status == 2 and "--data" in errors


def test_the_layers_of_a_dit_are_watched_while_asked_for():
    config = DiTConfig(patch=2, width=64, depth=2)
    network = config.build(latent_channels=4, num_classes=3)
    x, noise, labels = torch.randn(5, 4, 8, 8), torch.full((5,), 0.5), torch.arange(5) % 3
    watched = Watched(network)
    with watched, torch.inference_mode():
        network(x, noise, labels)
    assert list(watched.outputs) == ["block 1", "block 2"]
    seen = watched.outputs["block 1"]
    assert seen.shape == (5, 64, 4, 4)
    assert pooled(seen, 2).shape == (5, 64 * 2 * 2)
    with torch.inference_mode():
        network(x + 1, noise, labels)
    assert watched.outputs["block 1"] is seen


def test_disturbances_leave_level_0_alone_and_grow():
    images = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    for disturb in (gaussian_noise, gaussian_blur, salt_and_pepper, ForeignCrops(255 - images)):
        errors = []
        for level in (0, 0.3, 1):
            spoilt = disturb(images, level, np.random.default_rng(0))
            errors.append(np.abs(spoilt.astype(int) - images).mean())
        assert errors[0] == 0 < errors[1] < errors[2]


def test_the_linear_classifier_separates_what_is_separable_and_nothing_else():
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(300) % 3
    features = torch.randn(300, 10, generator=random)
    features[torch.arange(300), labels] += 8
    assert accuracy(features[:200], labels[:200], features[200:], labels[200:], 3) > 0.98
    shuffled = labels[torch.randperm(300, generator=random)]
    assert accuracy(features[:200], shuffled[:200], features[200:], shuffled[200:], 3) < 0.6


def test_the_ladder_of_faults(study):
    numbers = study("faults", "--images", "25")
    assert set(numbers["faults"]) == {
        "elastic warp",
        "median smear",
        "patches swapped",
        "blur",
        "noise",
    }
    low, high = numbers["band"]["sharpness"]
    assert numbers["faults"]["blur"]["sharpness"][-1] < low < 1.1 and high > 0.9
    assert numbers["faults"]["noise"]["sharpness"][-1] > high
    grainy = numbers["faults"]["noise"]["detectability"]
    assert grainy[-1] > 0.7 and grainy[-1] > grainy[0]
    assert "noise" not in numbers["blind"]["sharpness"]


def test_the_key_of_a_blind_sheet_is_sealed_and_its_answers_are_scored(ldm, tiny_run, tmp_path):
    status, output, errors = ldm("study", "blind", tiny_run, tmp_path)
    assert status == 0 and "sheet 1 is drawn" in " ".join(output.split()), errors
    assert Image.open(tmp_path / "blind-1.png").width >= 8 * 4 * 16
    assert b"real" not in (tmp_path / "blind-1.key").read_bytes()
    real = opened(tmp_path / "blind-1.key")
    assert real.sum() == 20 and len(real) == 40
    for said, right in ((real, 40), (~real, 0), (real | True, 20)):
        numbers = ",".join(str(number) for number in np.flatnonzero(said) + 1)
        assert ldm("study", "blind", tiny_run, tmp_path, "--answers", numbers)[0] == 0
        found = json.loads((tmp_path / "blind.json").read_text())
        assert found["1"] == {"pictures": 40, "right": right}
    for options, words in (
        ((), "is there already"),
        (("--sheet", "2"), "needs 40 held-out pictures"),
        (("--sheet", "9", "--answers", "1"), "draw the sheet first"),
        (("--answers", "41"), "numbers from 1 to 40"),
    ):
        status, _, errors = ldm("study", "blind", tiny_run, tmp_path, *options)
        assert status == 2 and words in errors


def test_blind_sheets_share_no_picture(tiny_run, monkeypatch):
    monkeypatch.setattr(blind, "PICTURES", 20)
    sheets = [draw_sheet(Run(tiny_run), None, "cpu", number) for number in (1, 2)]
    shown = [image.tobytes() for sheet in sheets for image in sheet.images]
    assert len(set(shown)) == 40 and [int(sheet.real.sum()) for sheet in sheets] == [10, 10]


def test_a_sheet_of_a_folder_has_its_samples(tiny_run, tmp_path, ldm):
    samples = tmp_path / "samples"
    assert ldm("sample", tiny_run, samples, "--seeds", "1-90")[0] == 0
    sheet = draw_sheet(Run(tiny_run), samples, "cpu", 1)
    drawn = {np.asarray(Image.open(path)).tobytes() for path in samples.glob("*[0-9].png")}
    assert {image.tobytes() in drawn for image in sheet.images[~sheet.real]} == {True}
    kept = np.load(tiny_run / "reference" / "images.npy")
    real = {image.tobytes() for image in kept}
    assert {image.tobytes() in real for image in sheet.images[sheet.real]} == {True}
