"""Scores against what must come out: real images score as real, noise and blur do not."""

import json
import zipfile

import numpy as np
import pytest
from PIL import Image, ImageFilter

from latent_diffusion.data.reference import Reference
from latent_diffusion.data.store import Dataset
from latent_diffusion.evaluation import reals
from latent_diffusion.evaluation.features import Seen
from latent_diffusion.evaluation.frechet import matched_floor
from latent_diffusion.evaluation.references import reference_statistics
from latent_diffusion.evaluation.scoring import evaluate, score
from latent_diffusion.evaluation.sources import of_array, of_dataset
from latent_diffusion.run import Run
from latent_diffusion.sampling.folder import SamplesWriter
from metrics import frechet_distance, statistics


def folder_of(path, images, classes):
    names = [f"{number}.png" for number in range(len(images))]
    about = [{"class": name} for name in classes]
    writer = SamplesWriter(path, dict(zip(names, about, strict=True)))
    for file, image in zip(names, images, strict=True):
        writer.add(file, image)
    writer.close()
    return path


@pytest.fixture
def held_out(tiny_run):
    """Images, and the names of their classes."""
    reference = Reference.open(Run(tiny_run))
    names = reference.facts.class_names
    return np.asarray(reference.images), [names[label] for label in reference.labels]


def disks(held_out) -> list[np.ndarray]:
    """The held-out images of one class alone."""
    return [image for image, name in zip(*held_out, strict=True) if name == "disk"]


def test_held_out_images_score_as_real(tiny_run, held_out, tmp_path):
    images, classes = held_out
    scores = evaluate(Run(tiny_run), folder_of(tmp_path / "s", images, classes), device="cpu")
    found = scores.scores
    assert scores.fid_over_floor == pytest.approx(1, abs=0.05)
    # They are all that is held out: the only set with these class counts.
    assert scores.matched_floor == pytest.approx(found["fid"].value)
    assert found["accuracy"].value == found["accuracy"].real > 0.9
    assert found["sharpness"].value == pytest.approx(1)
    assert found["class_coverage"].value == pytest.approx(1, abs=0.05)
    assert found["inception_score"].value == pytest.approx(found["inception_score"].real, rel=0.05)
    assert found["inception_score"].value == pytest.approx(
        np.exp(found["marginal_entropy"].value - found["conditional_entropy"].value)
    )
    assert found["precision"].value > 0.8 and found["recall"].value > 0.8
    assert sum(scores.counts.values()) == len(images)
    assert sum(sum(row.values()) for row in scores.confusion.values()) == len(images)


def test_every_score_has_an_interval_around_it(tiny_run, held_out, tmp_path):
    images, classes = held_out
    folder = folder_of(tmp_path / "s", images, classes)
    scores = evaluate(Run(tiny_run), folder, device="cpu")
    for name, one in scores.scores.items():
        assert one.low is not None and one.low <= one.value <= one.high, name
    recorded = json.loads((tiny_run / "scores.json").read_text())[str(folder)]
    assert recorded["scores"]["fid"]["low"] == scores.scores["fid"].low
    assert recorded["scores"]["fid"]["real"] > 0
    assert set(recorded["class_fid"]) == {"cross", "disk", "square"}
    assert recorded["class_fid"]["disk"]["floor"] > 0


def test_noise_and_a_missing_class_show(tiny_run, held_out, tmp_path):
    images, classes = held_out
    noise = np.random.default_rng(0).integers(0, 256, images.shape, dtype=np.uint8)
    scores = evaluate(Run(tiny_run), folder_of(tmp_path / "noise", noise, classes), device="cpu")
    assert scores.fid_over_floor > 20
    assert scores.value("sharpness") > 2
    assert scores.value("recall") < 0.2
    one = disks(held_out)
    folder = folder_of(tmp_path / "one", one, ["disk"] * len(one))
    scores = evaluate(Run(tiny_run), folder, device="cpu")
    assert scores.value("class_coverage") < 0.5
    assert set(scores.low_classes) == {"cross", "square"}


def test_like_is_compared_with_like(tiny_run, held_out, tmp_path):
    """Real images of one class alone are as good as real, if the reference has their shares."""
    one = disks(held_out)
    folder = folder_of(tmp_path / "named", one, ["disk"] * len(one))
    named = evaluate(Run(tiny_run), folder, device="cpu")
    folder = folder_of(tmp_path / "unnamed", one, [None] * len(one))
    unnamed = evaluate(Run(tiny_run), folder, device="cpu")
    assert "reweighted" in named.reference and "reweighted" not in unnamed.reference
    assert named.fid_over_floor < 1.5
    assert named.fid_over_matched_floor < 1.5 and unnamed.matched_floor is None
    assert unnamed.value("fid") > 5 * named.value("fid")


def test_blur_lowers_sharpness(tiny_run, held_out, tmp_path):
    images, classes = held_out
    blurred = [
        np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(1))) for image in images
    ]
    scores = evaluate(Run(tiny_run), folder_of(tmp_path / "b", blurred, classes), device="cpu")
    assert scores.value("sharpness") < 0.7


def test_more_samples_than_held_out_images_have_no_floor(tiny_run, held_out, tmp_path):
    images, classes = held_out
    folder = folder_of(tmp_path / "s", np.concatenate([images, images]), classes * 2)
    scores = evaluate(Run(tiny_run), folder, device="cpu")
    assert scores.scores["fid"].real is None and scores.fid_over_floor is None
    assert "no floor" in scores.notes[0]


def test_a_single_sample_and_unknown_classes_are_scored_as_far_as_it_goes(
    tiny_run, held_out, tmp_path
):
    folder = folder_of(tmp_path / "s", held_out[0][:1], [None])
    scores = evaluate(Run(tiny_run), folder, device="cpu")
    assert scores.value("fid") is None and scores.value("accuracy") is None
    assert scores.value("inception_score") == pytest.approx(1)


def test_a_zip_a_data_set_and_an_array_score_as_the_folder_does(
    tiny_run, shapes, held_out, tmp_path
):
    images, _ = held_out
    folder = folder_of(tmp_path / "s", images, [None] * len(images))
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        for path in folder.glob("*.png"):
            archive.write(path, path.name)
        archive.writestr("__MACOSX/._x.png", b"not a picture")
    wanted = evaluate(Run(tiny_run), folder, device="cpu").value("fid")
    for source in (tmp_path / "s.zip", images):
        assert evaluate(Run(tiny_run), source, device="cpu").value("fid") == pytest.approx(wanted)
    of_held_out = evaluate(Run(tiny_run), shapes, device="cpu")  # with their classes
    assert of_held_out.value("accuracy") > 0.9


def test_random_sets_are_disjoint_where_there_are_enough_and_follow_the_shares():
    labels = np.arange(60) % 3
    rows = reals.random_sets(labels, np.array([1, 1, 1]), 20)
    assert len(rows) == reals.SETS and sorted(np.concatenate(rows)) == list(range(60))
    for chosen in reals.random_sets(labels, np.array([1, 1, 1]), 40):
        assert len(set(chosen)) == 40
    for chosen in reals.random_sets(labels, np.array([0, 1, 3]), 12):
        assert len(set(chosen)) == 12 and not (labels[chosen] == 0).any()
    assert reals.random_sets(labels, np.array([1, 0, 0]), 21) == []
    just_enough = np.repeat([0, 1], [7, 100])  # 7 / 25 * 25 is a little more than 7
    assert len(reals.random_sets(just_enough, np.array([7, 18]), 25)) == reals.SETS
    scarce = np.repeat([0, 1], [100, 900])
    sets = reals.random_sets(scarce, np.array([1, 1]), 150)
    assert 60 < np.mean([(scarce[rows] == 0).sum() for rows in sets]) < 90  # it keeps its share


def test_matched_sets_have_the_class_counts():
    labels = np.repeat([0, 1], [60, 40])
    for rows in reals.matched_sets(labels, np.array([30, 20])):
        assert len(set(rows)) == 50 and np.bincount(labels[rows]).tolist() == [30, 20]
    for rows in reals.matched_sets(labels, np.array([46, 44])):  # 4 of 90 from elsewhere
        assert len(set(rows)) == 90 and np.bincount(labels[rows]).tolist() == [50, 40]
    for too_many in ([20, 60], [70, 40]):
        assert reals.matched_sets(labels, np.array(too_many)) == []


def test_the_matched_floor_lacks_what_chance_adds_to_the_floor():
    """Two classes far apart: the FID of real images is mostly that of their class counts."""
    random = np.random.default_rng(0)
    labels = random.permutation(np.repeat([0, 1], 500))
    features = (random.normal(size=(1000, 4)) + 20 * labels[:, None]).astype(np.float32)
    target = statistics(features)
    real = Seen(1000, target, features, np.arange(1000), None, np.zeros(1000))
    sets = reals.random_sets(labels, np.array([1, 1]), 40)
    by_chance = np.mean([frechet_distance(statistics(features[rows]), target) for rows in sets])
    assert 0 < matched_floor(real, labels, np.array([20, 20]), target) < 0.5 * by_chance
    assert matched_floor(real, labels, np.array([0, 600]), target) is None


class MeanColours:
    """A network of three features: so few that some dozens of images show the trend of FID."""

    name = "colours"
    identity = "mean-colours"

    def __call__(self, images):
        return images.mean(axis=(1, 2), dtype=np.float64) / 255, None


def test_fid_at_infinitely_many_samples_stands_where_there_are_enough(tiny_run, shapes, held_out):
    """An FID is too high by c / N: real images have 0 in the limit, within the interval."""
    data, network = Dataset.open(shapes), MeanColours()
    reference = Reference.open(Run(tiny_run))
    against = reference_statistics(network, of_dataset(data, data.train), data.info.class_names)
    images, _ = held_out
    scores = score(reference, of_array(images), network, against)
    assert scores.trend[0].n == len(images) and len(scores.trend) > 2
    limit = scores.scores["fid_infinity"]
    assert limit.value < scores.value("fid") and limit.low <= 0 <= limit.high
    few = score(reference, of_array(images[:11]), network, against)
    assert few.value("fid_infinity") is None and few.trend == []


def test_apportion_and_rows_with_shares():
    assert reals.apportion(np.array([1, 1, 1]), 10).tolist() == [4, 3, 3]
    labels = np.repeat([0, 1], [50, 10])
    rows = reals.rows_with_shares(labels, np.array([1, 1]), 100)
    assert np.bincount(labels[rows]).tolist() == [10, 10]
    assert len(reals.rows_with_shares(labels, np.array([5, 1]), 30)) == 30


def test_another_runs_judge(tiny_run, held_out, tmp_path):
    images, classes = held_out
    samples = folder_of(tmp_path / "s", images, classes)
    scores = evaluate(Run(tmp_path / "empty"), samples, Run(tiny_run), "cpu")
    assert scores.identity == Run(tiny_run).classifier.checksum()


def test_a_flat_folder_of_one_class_has_a_judge_and_all_that_goes_with_it(
    tmp_path, ldm, tiny_config
):
    """Trained, scored, swept and audited; what needs classes is not there."""
    source = tmp_path / "flat"
    source.mkdir()
    random = np.random.default_rng(0)
    for number in range(500):
        image = np.full((32, 32, 3), random.integers(0, 256, 3), np.uint8)
        image[:: random.integers(4, 7)] = image[:, random.integers(8, 24) :] = 0  # a fence
        Image.fromarray(image).save(source / f"{number}.png")
    data, run, samples = tmp_path / "data", tmp_path / "run", tmp_path / "s"
    short = []
    for stage in ("autoencoder", "diffusion"):
        short += ["--set", f"{stage}.training.steps=4"]
    assert ldm("prepare", source, data, "--size", "32", "--holdout", "0.5")[0] == 0
    for command in ("train-classifier", "train-autoencoder", "train-diffusion"):
        assert ldm(command, tiny_config, "--data", data, "--run", run, *short)[0] == 0
    assert Run(run).classifier.read_config()["scheme"] == "outlines"
    assert ldm("sample", run, samples, "--seeds", "1-120")[0] == 0
    status, output, errors = ldm("evaluate", samples, "--run", run)
    assert status == 0 and "judge of outlines" in output, errors
    (scores,) = (
        one for name, one in json.loads((run / "scores.json").read_text()).items() if "s" in name
    )
    assert {"fid", "precision", "recall", "detectability", "sharpness"} <= set(scores["scores"])
    assert not {"accuracy", "inception_score", "class_coverage"} & set(scores["scores"])
    assert scores["scores"]["detectability"]["value"] > 0.8  # four steps are none
    sweep = ("sweep", run, "--guidance", "1,2", "--images", "50", "--by", "detectability")
    status, output, errors = ldm(*sweep)
    assert status == 0 and "told" in output, errors
    status, output, errors = ldm("audit", samples, "--run", run, "--data", data)
    assert status == 0 and "judge" in output, errors
    status, _, errors = ldm(
        *("train-classifier", tiny_config, "--data", data, "--run", run, "--overwrite"),
        *("--set", "classifier.labels=classes"),
    )
    assert status == 2 and "classes to tell are at least two" in errors
