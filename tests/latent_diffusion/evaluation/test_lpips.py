"""LPIPS is used where its weights are, left out where they are not.

It is low where a class is always one picture.
"""

import numpy as np
import pytest
import torch

from latent_diffusion.evaluation import lpips


def mean_difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(a.astype(float) - b).mean(axis=(1, 2, 3))


def test_without_weights_there_is_none_and_nothing_is_downloaded(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert lpips.find_lpips(None, torch.device("cpu")) is None
    with pytest.raises(ValueError, match="vgg16"):
        lpips.find_lpips(tmp_path / "vgg.pth", torch.device("cpu"))


def test_diversity_is_within_classes():
    images = np.zeros((40, 8, 8, 3), np.uint8)
    images[:20] = 200  # two classes far apart, each always the same picture
    labels = np.repeat([0, 1], 20)
    assert lpips.diversity(mean_difference, lambda rows: images[rows], labels) == (0.0, 0.0)
    images[::2] += 10
    mean, error = lpips.diversity(mean_difference, lambda rows: images[rows], labels)
    assert 2 < mean < 8 and error > 0  # half of the pairs differ by 10
    no_pairs = np.arange(40)
    assert lpips.diversity(mean_difference, lambda rows: images[rows], no_pairs) is None


def test_a_table_row_where_weights_are(monkeypatch, tiny_run, shapes, ldm):
    monkeypatch.setattr(lpips, "find_lpips", lambda backbone, device: mean_difference)
    status, output, errors = ldm("evaluate", shapes, "--run", tiny_run, "--device", "cpu")
    assert status == 0 and "LPIPS within class" in output, errors
    status, output, errors = ldm("reconstruct", tiny_run, "--device", "cpu")
    assert status == 0 and "LPIPS" in output and "no weights here" not in output, errors
