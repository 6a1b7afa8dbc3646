"""Points as a course gives them, worked out by hand; "unknown" where only the course could know."""

import numpy as np
import pytest
import torch
from PIL import Image

from latent_diffusion.data.reference import Reference
from latent_diffusion.evaluation.grading import grade
from latent_diffusion.evaluation.judge import Judge, judge_statistics
from latent_diffusion.evaluation.rubric import Rubric
from latent_diffusion.evaluation.sources import of_array, open_images
from latent_diffusion.evaluation.views import CourseFeatures
from latent_diffusion.run import Run
from metrics import linear_points

MINE = """
title = "mine"
images = 30
size = 16
[[parts]]
name = "FID"
score = "fid"
network = "course"
zero_at = 1400.0
full_at = 500.0
points = 30
[[parts]]
name = "Inception score"
score = "inception_score"
zero_at = 1.0
full_at = 9.0
points = 30
[[parts]]
name = "classes"
score = "class_coverage"
threshold = 0.05
points = 30
[[parts]]
name = "ours"
score = "by eye"
points = 10
"""


@pytest.fixture
def rubric(tmp_path):
    (tmp_path / "mine.toml").write_text(MINE)
    return Rubric.load(tmp_path / "mine.toml")


@pytest.fixture
def judges(tiny_run):
    judge = Judge.load(Run(tiny_run), torch.device("cpu"))
    return [(judge, judge_statistics(Run(tiny_run), judge))]


def course(tmp_path, fid: float, probabilities: np.ndarray) -> CourseFeatures:
    """Features of unit covariance, their mean sqrt(fid) from the data set's: their FID is `fid`."""
    n, d = len(probabilities), 4
    random = np.random.default_rng(0)
    features = random.normal(size=(n, d))
    features -= features.mean(axis=0)
    whitening = np.linalg.inv(np.linalg.cholesky(np.cov(features.T))).T
    np.savez(
        tmp_path / "course.npz",
        features=features @ whitening + np.sqrt(fid) * np.eye(d)[0],
        probabilities=probabilities,
        mu=np.zeros(d),
        sigma=np.eye(d),
    )
    return CourseFeatures(tmp_path / "course.npz")


@pytest.mark.parametrize("fid, points", [(500, 30), (300, 30), (950, 15), (1400, 0), (2000, 0)])
def test_fid_points_by_the_courses_own_features(rubric, tiny_run, judges, tmp_path, fid, points):
    images = of_array(np.zeros((30, 16, 16, 3), np.uint8))
    even = np.full((30, 11), 1 / 11)
    found = grade(
        rubric, Reference.open(Run(tiny_run)), images, judges, course=course(tmp_path, fid, even)
    )
    assert found.parts[0].points == pytest.approx(points, abs=1e-6)
    assert found.parts[1].points == pytest.approx(0)  # Inception score 1
    assert found.parts[2].points == pytest.approx(30) and "no class is LOW" in found.parts[2].detail
    assert found.parts[3].points is None and found.parts[3].detail == "by eye"
    assert found.points == pytest.approx(points + 30) and found.possible == 90


def test_eleven_certain_classes_and_a_low_one(rubric, tiny_run, judges, tmp_path):
    """33 certain images of 11 classes: IS 11, all points.

    Without class 10 that is LOW, and 30 x 10 / 11 points remain.
    """
    images = of_array(np.zeros((33, 16, 16, 3), np.uint8))
    reference = Reference.open(Run(tiny_run))
    certain = np.eye(11)[np.arange(33) % 11]
    found = grade(rubric, reference, images, judges, course=course(tmp_path, 500, certain))
    assert [part.points for part in found.parts[:3]] == [pytest.approx(30)] * 3
    assert "33" in found.notes[0] and "30" in found.notes[0]
    without_one = np.eye(11)[np.arange(33) % 10]
    found = grade(rubric, reference, images, judges, course=course(tmp_path, 500, without_one))
    assert found.parts[2].points == pytest.approx(30 * 10 / 11)
    assert "LOW: 10" in found.parts[2].detail
    halved = np.eye(5)[np.arange(30) % 5]  # five certain classes: IS 5 of the scale 1 .. 9
    images = of_array(np.zeros((30, 16, 16, 3), np.uint8))
    found = grade(rubric, reference, images, judges, course=course(tmp_path, 950, halved))
    assert [part.points for part in found.parts[:2]] == [pytest.approx(15)] * 2


def test_without_the_courses_features_its_fid_points_are_unknown(rubric, tiny_run, shapes, judges):
    images = open_images(shapes)
    found = grade(rubric, Reference.open(Run(tiny_run)), images, judges)
    assert found.parts[0].points is None and "from noise to real" in found.parts[0].detail
    assert found.parts[1].points == pytest.approx(30 * (3 - 1) / 8, abs=1)  # three classes
    assert found.possible == 60


def test_the_homework():
    rubric = Rubric.load("mnist-hw3")
    part = rubric.parts[0]
    for fid, points in ((40, 100), (12, 100), (70, 50), (100, 0), (180, 0)):
        assert linear_points(fid, part.zero_at, part.full_at, part.points) == pytest.approx(points)
    assert part.network == "inception" and (rubric.images, rubric.size) == (10_000, 28)


def test_command_line_with_two_judges(ldm, tiny_run, tiny_config, shapes, tmp_path):
    (tmp_path / "mine.toml").write_text(MINE)
    other = tmp_path / "other"
    options = ("--set", "classifier.training.seed=1", "--device", "cpu")
    train = ("train-classifier", tiny_config, "--data", shapes, "--run", other)
    assert ldm(*train, *options)[0] == 0
    grading = ("grade", shapes, "--run", tiny_run, "--rubric", tmp_path / "mine.toml")
    status, output, errors = ldm(*grading, "--device", "cpu", "--judge", other)
    assert status == 0, errors
    assert "unknown" in output and "by eye" in output
    assert "Inception score by 2 judges" in output and "differ by up to" in output
    same_twice = ldm(*grading, "--device", "cpu", "--judge", tiny_run)[1]
    assert "judges" not in same_twice


@pytest.mark.parametrize(
    "change, hint",
    [
        ('title = "mine"', "title"),
        ("full_at = 500.0", "full_at"),
        ('score = "fid"', "score"),
        ("points = 10", "points"),
    ],
)
def test_a_rubric_that_lacks_something_is_refused_in_one_line(
    tmp_path, change, hint, ldm, tiny_run, shapes
):
    (tmp_path / "bad.toml").write_text(MINE.replace(change, ""))
    status, _, errors = ldm("grade", shapes, "--run", tiny_run, "--rubric", tmp_path / "bad.toml")
    assert status == 2 and hint in errors and "bad.toml" in errors and errors.count("\n") == 1


def test_options_that_would_do_nothing_are_refused(ldm, tiny_run, shapes, tmp_path):
    (tmp_path / "mine.toml").write_text(MINE)
    grading = ("grade", shapes, "--run", tiny_run, "--rubric", tmp_path / "mine.toml")
    status, _, errors = ldm(*grading, "--data", shapes)
    assert status == 2 and "Inception" in errors
    status, _, errors = ldm(*grading, "--judge", tiny_run, "--course", "x.npz")
    assert status == 2 and "--judge" in errors


def test_favourites_are_not_graded(ldm, tiny_run, shapes, tmp_path, fresh_shapes):
    (tmp_path / "mine.toml").write_text(
        MINE + '[submission]\nfiles = "fixed-{seed:03d}.png"\nfavourites = 2\n'
    )
    (tmp_path / "s").mkdir()
    names = [f"fixed-{seed:03d}.png" for seed in range(1, 31)]
    names += ["favorite-31.png", "favorite-32.png"]
    for name, image in zip(names, fresh_shapes, strict=False):
        Image.fromarray(image).save(tmp_path / "s" / name)
    grading = ("grade", tmp_path / "s", "--run", tiny_run, "--rubric", tmp_path / "mine.toml")
    status, output, errors = ldm(*grading, "--device", "cpu")
    assert status == 0 and "30 images" in output, errors


def test_unknown_rubric_and_wrong_size(ldm, tiny_run, shapes):
    status, _, errors = ldm("grade", shapes, "--run", tiny_run, "--rubric", "hw9")
    assert status == 2 and "mnist-hw3" in errors
    status, _, errors = ldm("grade", shapes, "--run", tiny_run, "--rubric", "synth-cute")
    assert status == 2 and "64x64" in errors
