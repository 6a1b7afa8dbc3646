"""Feature networks and statistics files: what compares, what is refused; memory stays bounded."""

import hashlib
import pickle
import tracemalloc

import numpy as np
import pytest
import torch
from PIL import Image

from latent_diffusion.data.store import Dataset
from latent_diffusion.evaluation import inception
from latent_diffusion.evaluation.features import Pixels, look
from latent_diffusion.evaluation.judge import Judge
from latent_diffusion.evaluation.networks import load_network, load_reference
from latent_diffusion.evaluation.references import (
    ReferenceStatistics,
    dataset_statistics,
    reference_statistics,
)
from latent_diffusion.evaluation.sources import of_array, of_dataset
from latent_diffusion.run import Run
from latent_diffusion.subsets import some
from metrics import frechet_distance, statistics


@pytest.fixture
def inception_weights(tmp_path, monkeypatch):
    """Random weights in the file format of the real ones, and its hash in place of theirs."""
    module = pytest.importorskip(
        "torch_fidelity.feature_extractor_inceptionv3", reason="torch-fidelity is not installed"
    )
    monkeypatch.setattr(
        module, "load_state_dict_from_url", lambda *_, **__: pytest.fail("a download was tried")
    )
    torch.manual_seed(0)
    path = tmp_path / "weights.pth"
    with monkeypatch.context() as patch:
        patch.setattr(module.FeatureExtractorInceptionV3, "load_state_dict", lambda *_, **__: None)
        patch.setattr(module, "load_state_dict_from_url", lambda *_, **__: {})
        network = module.FeatureExtractorInceptionV3("random", ["2048"])
    torch.save(network.state_dict(), path)
    monkeypatch.setattr(inception, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest()[:8])
    return path


def test_statistics_round_trip_and_are_readable_by_others(tiny_run, shapes, tmp_path):
    judge = Judge.load(Run(tiny_run), torch.device("cpu"))
    data = Dataset.open(shapes)
    found = reference_statistics(judge, of_dataset(data, data.train), data.info.class_names)
    found.save(tmp_path / "s.npz")
    again = ReferenceStatistics.load(tmp_path / "s.npz")
    with np.load(tmp_path / "s.npz") as file:
        assert {"mu", "sigma", "n", "network", "identity"} <= set(file)
        assert np.array_equal(file["mu"], found.statistics.mean)
    features = judge(data.images[data.train])[0]
    assert frechet_distance(again.statistics, statistics(features)) == pytest.approx(0, abs=1e-9)
    assert again.statistics.n == len(data.train) and len(again.classes) == 3
    shares = np.bincount(data.labels[data.train])
    assert np.allclose(again.weighted(shares).covariance, again.statistics.covariance)


def test_a_file_of_pytorch_fid_is_read(tmp_path):
    mu, sigma = np.zeros(4), np.eye(4)
    np.savez(tmp_path / "foreign.npz", mu=mu, sigma=sigma)
    found = ReferenceStatistics.load(tmp_path / "foreign.npz")
    assert found.identity == ""
    network = inception.Inception(torch.nn.Identity(), "abc", torch.device("cpu"))
    assert found.require(network, "foreign.npz") is found
    # As many features as ours would be by accident.
    with pytest.raises(ValueError, match="does not say which network made it"):
        found.require(Pixels(), "foreign.npz")


def test_statistics_of_different_networks_do_not_compare(tiny_run, shapes, tmp_path):
    data = Dataset.open(shapes)
    reference_statistics(Pixels(), of_dataset(data, data.train), []).save(tmp_path / "pixels.npz")
    judge = load_network("judge", Run(tiny_run), None, "cpu")
    with pytest.raises(ValueError, match="different networks do not compare"):
        load_reference(judge, Run(tiny_run), None, tmp_path / "pixels.npz")


def test_statistics_of_a_data_set_are_cached_by_checksum(shapes):
    class Counting(Pixels):
        calls = 0

        def __call__(self, images):
            Counting.calls += 1
            return super().__call__(images)

    first = dataset_statistics(Dataset.open(shapes), Counting())
    calls = Counting.calls
    second = dataset_statistics(Dataset.open(shapes), Counting())
    assert Counting.calls == calls > 0
    assert np.array_equal(first.statistics.mean, second.statistics.mean)


def test_inception_from_a_local_file(
    inception_weights, tiny_run, fresh_shapes, ldm, tmp_path, monkeypatch
):
    few, path = tmp_path / "few", tmp_path / "i.npz"
    few.mkdir()
    for number, image in enumerate(fresh_shapes[:5]):  # 299x299 is slow on a CPU
        Image.fromarray(image).save(few / f"{number}.png")
    options = ("--weights", inception_weights, "--device", "cpu")
    status, _, errors = ldm("statistics", few, path, *options)
    assert status == 0, errors
    found = ReferenceStatistics.load(path)
    assert found.network == "inception" and found.statistics.mean.shape == (2048,)
    evaluating = ("evaluate", few, "--run", tiny_run, "--features", "inception")
    status, output, errors = ldm(*evaluating, "--reference", path, *options)
    assert status == 0, errors
    assert "seen by inception" in output and "the statistics of a file" in output
    monkeypatch.setattr(inception, "SHA256", "00000000")
    status, _, errors = ldm("statistics", few, tmp_path / "j.npz", *options)
    assert status == 2 and "its sha256 begins" in errors and errors.count("\n") == 1


def test_inception_that_is_not_there_is_one_line_with_the_remedy(
    tiny_run, shapes, ldm, tmp_path, monkeypatch
):
    pytest.importorskip("torch_fidelity", reason="torch-fidelity is not installed")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    status, _, errors = ldm(
        "evaluate", shapes, "--run", tiny_run, "--features", "inception", "--data", shapes
    )
    assert status == 2 and errors.count("\n") == 1
    assert "weights-inception" in errors and "--weights" in errors


def test_a_file_that_holds_more_than_weights_is_never_unpickled(tmp_path, monkeypatch):
    pytest.importorskip("torch_fidelity", reason="torch-fidelity is not installed")
    path, mark = tmp_path / "evil.pth", tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return open, (str(mark), "w")

    path.write_bytes(pickle.dumps(Evil()))
    monkeypatch.setattr(inception, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest()[:8])
    with pytest.raises(ValueError, match="more than weights"):
        inception.load_inception(path, torch.device("cpu"))
    assert not mark.exists()


def test_pixels_score_too(tiny_run, shapes, ldm):
    status, output, errors = ldm(
        "evaluate", shapes, "--run", tiny_run, "--features", "pixels", "--data", shapes
    )
    assert status == 0, errors
    assert "seen by pixels" in output and "FID" in output and "Inception score" not in output


def test_rows_that_are_kept_are_of_all_classes():
    """Samples in turns of ten classes, or class by class: even steps would meet a few only."""
    for labels in (np.arange(4000) % 10, np.arange(4000) // 400):
        counts = np.bincount(labels[some(4000, 2000)], minlength=10)
        assert counts.sum() == 2000 and counts.min() > 150
    assert some(5, 10).tolist() == [0, 1, 2, 3, 4]


def test_a_damaged_cache_is_made_again(shapes):
    data = Dataset.open(shapes)
    wanted = dataset_statistics(data, Pixels())
    for path in (shapes / "statistics").glob("*.npz"):
        path.write_bytes(b"PK\x03\x04 half a file")
    again = dataset_statistics(data, Pixels())
    assert np.array_equal(again.statistics.mean, wanted.statistics.mean)


def test_one_pass_does_not_keep_the_images():
    """Forty times the images need no more than the few numbers that are kept of each."""

    def peak(count: int) -> int:
        one = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
        images = np.broadcast_to(one, (count, 64, 64, 3))
        tracemalloc.start()
        look(Pixels(), of_array(images).batches(), count, most_kept=100)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(10_240) < peak(256) + 2**20
