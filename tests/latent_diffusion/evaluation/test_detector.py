"""The detector on layers: what it finds, what it must not, where it says it cannot tell."""

import numpy as np
import pytest

from latent_diffusion.data.faults import FAULTS
from latent_diffusion.evaluation import detector
from latent_diffusion.evaluation.detector import (
    Detection,
    Detector,
    Reals,
    blurred_glasses,
    cell_means,
    describe,
    grain_of,
    layers_of,
    numbers_of,
    rows_with,
    scale_of,
)
from latent_diffusion.evaluation.evidence import enlarged, evidence_picture, heat_maps
from metrics.detectability import linear_detector

SIZE = 32


class Eye:
    """Layers made by hand: colours, and edges at two resolutions."""

    name = "eye"
    identity = "by hand"

    def feature_maps(self, images: np.ndarray) -> list[np.ndarray]:
        pixels = images.astype(np.float32).transpose(0, 3, 1, 2) / 255
        edges = np.abs(np.diff(pixels, axis=3, append=pixels[..., -1:]))
        both = np.concatenate([pixels, edges], axis=1)
        n, c = both.shape[:2]
        return [
            both.reshape(n, c, SIZE // k, k, SIZE // k, k).mean(axis=(3, 5)) for k in (2, 8, 16)
        ]


def scenes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of two classes: a light square or a light bar on a coloured ground."""
    random = np.random.default_rng(seed)
    images = np.empty((count, SIZE, SIZE, 3), np.uint8)
    labels = np.arange(count) % 2
    for image, label in zip(images, labels, strict=True):
        image[:] = random.integers(40, 120, 3)
        y, x = random.integers(4, 16, 2)
        height, width = (12, 12) if label == 0 else (4, 16)
        image[y : y + height, x : x + width] = random.integers(160, 255, 3)
        image[random.integers(0, 32, 3)] = 20  # thin lines, which a smear takes away
    return images, labels


def test_the_numbers_of_a_layer_are_means_cells_and_covariances():
    layer = np.random.default_rng(0).normal(size=(3, 5, 6, 6)).astype(np.float32)
    numbers = numbers_of(layer)
    assert numbers.shape == (3, 5 * (1 + 16) + 15)
    assert numbers[:, :5] == pytest.approx(layer.mean(axis=(2, 3)), abs=1e-6)
    expected = np.cov(layer[1].reshape(5, -1), bias=True)[np.triu_indices(5)]
    assert numbers[1, -15:] == pytest.approx(expected, abs=1e-6)
    cells = cell_means(np.arange(64.0).reshape(1, 1, 8, 8))
    assert cells[0, 0, 0, 0] == np.mean([0, 1, 8, 9]) and cells.shape[2:] == (4, 4)


def test_scales_go_from_texture_to_layout():
    assert [scale_of(stride, 64) for stride in (4, 8, 16, 32)] == [
        "texture",
        "shapes",
        "shapes",
        "layout",
    ]


def test_a_plain_fault_is_told_and_a_grey_level_is_not():
    real, labels = scenes(160, 1)
    other, _ = scenes(160, 2)
    by_eye = Detector(Eye(), real, labels)
    warped = FAULTS["elastic warp"].at(other, labels, 4, np.random.default_rng(0))
    found = by_eye.detect(lambda rows: warped[rows], labels)
    assert isinstance(found, Detection)
    assert found.found.auc > 0.8 and found.reals.control.auc < 0.65
    lighter = by_eye.detect(lambda rows: (other + 1)[rows], labels)
    assert isinstance(lighter, Detection) and lighter.found.auc < 0.6
    assert lighter.reals is found.reals  # looked at once


def test_a_class_does_not_give_a_picture_away():
    """Samples of one class only, as good as real: compared with real ones of that class."""
    real, labels = scenes(200, 3)
    other, their_labels = scenes(400, 4)
    bars = other[their_labels == 1]
    found = Detector(Eye(), real, labels).detect(lambda rows: bars[rows], np.ones(200, np.int64))
    assert isinstance(found, Detection) and len(found.rows) == 100
    assert (found.reals.described.labels == 1).all() and found.found.auc < 0.62


def test_too_few_pictures_give_no_number(monkeypatch):
    real, labels = scenes(24, 5)
    other, _ = scenes(24, 6)

    def blind(images):
        random = np.random.default_rng(int(images.sum()) % 2**32)
        return random.normal(size=(len(images), 6, 4, 4)).astype(np.float32)

    class Blind(Eye):
        def feature_maps(self, images):
            return [blind(images)]

    monkeypatch.setattr(detector, "line_layer", blind)
    found = Detector(Blind(), real, labels).detect(lambda rows: other[rows], labels)
    assert isinstance(found, Reals) and found.too_few
    few = Detector(Eye(), real[:18], labels[:18])
    assert few.detect(lambda rows: other[rows], labels) is None


def test_glasses_hide_little_things_alone():
    real, _ = scenes(20, 7)
    assert (blurred_glasses(real) == blurred_glasses(real)).all()
    error = np.abs(blurred_glasses(real).astype(int) - real)
    assert 1 < error.mean() < 12


def test_grain_is_seen_at_both_sizes():
    flat = np.full((2, SIZE, SIZE, 3), 128, np.uint8)
    assert (grain_of(flat) == 0).all()
    grainy = FAULTS["noise"].at(flat, np.zeros(2), 2, np.random.default_rng(0))
    assert (grain_of(grainy) > 0.2).all() and grain_of(grainy).shape == (2, 10)


def test_heat_adds_up_to_the_evidence():
    real, labels = scenes(60, 8)
    other = FAULTS["patches swapped"].at(real, labels, 4, np.random.default_rng(0))
    first, second = (describe(Eye(), images, labels).all() for images in (real, other))
    fitted = linear_detector(first, second)
    heat = heat_maps(Eye(), fitted, other)
    layers = np.concatenate([numbers_of(layer) for _, layer in layers_of(Eye(), other)], axis=1)
    here = slice(layers.shape[1])  # after the layers and lines comes the grain
    evidence = (layers - fitted.mean[here]) @ fitted.weights[here]
    assert heat.sum(axis=(1, 2)) == pytest.approx(evidence, rel=1e-4, abs=1e-4)
    assert enlarged(np.ones((1, 3, 3)), 32).sum() == pytest.approx(9)


def test_the_picture_of_the_evidence_stands_beside_real_ones(tmp_path):
    real, labels = scenes(120, 9)
    other = FAULTS["blur"].at(scenes(120, 10)[0], labels, 4, np.random.default_rng(0))
    found = Detector(Eye(), real, labels).detect(lambda rows: other[rows], labels)
    assert isinstance(found, Detection)
    sheet = evidence_picture(Eye(), found, other[found.rows])
    assert sheet.width > 10 * SIZE and sheet.height > 6 * SIZE


def test_rows_have_the_counts_asked_for():
    labels = np.array([0, 1, 1, 2, 2, 2])
    rows = rows_with(labels, np.array([1, 0, 2]))
    assert labels[rows].tolist() == [0, 2, 2] and (np.diff(rows) > 0).all()
