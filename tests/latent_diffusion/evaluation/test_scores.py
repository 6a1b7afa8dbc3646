"""Scores against what must come out: real images score as real, noise and blur do not."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from latent_diffusion.data.reference import Reference
from latent_diffusion.data.store import Dataset
from latent_diffusion.evaluation.reals import DRAWS, draws, real_images
from latent_diffusion.evaluation.scores import evaluate
from latent_diffusion.run import Run
from latent_diffusion.sampling.folder import SamplesWriter


def folder_of(path, images, classes):
    names = [f"{number}.png" for number in range(len(images))]
    writer = SamplesWriter(path, names)
    for file, image, name in zip(names, images, classes):
        writer.add(file, image, {"class": name})
    writer.close()
    return path


@pytest.fixture
def held_out(tiny_run):
    reference = Reference.open(Run(tiny_run))
    return np.asarray(reference.images), [reference.facts.class_names[label] for label in reference.labels]


def test_held_out_images_score_as_real(tiny_run, held_out, tmp_path):
    images, classes = held_out
    scores = evaluate(Run(tiny_run), folder_of(tmp_path / "s", images, classes), device="cpu")
    assert scores.fid_over_floor == pytest.approx(1, abs=0.05)
    assert scores.conditional_accuracy == scores.real.conditional_accuracy > 0.9
    assert scores.sharpness == pytest.approx(1) and scores.class_coverage == pytest.approx(1, abs=0.05)
    assert scores.inception_score == pytest.approx(scores.real.inception_score, rel=0.05)
    assert scores.inception_score == pytest.approx(np.exp(scores.marginal_entropy - scores.conditional_entropy))
    assert sum(scores.counts.values()) == len(images)


def test_noise_and_a_missing_class_show(tiny_run, held_out, tmp_path):
    images, classes = held_out
    noise = np.random.default_rng(0).integers(0, 256, images.shape, dtype=np.uint8)
    scores = evaluate(Run(tiny_run), folder_of(tmp_path / "noise", noise, classes), device="cpu")
    assert scores.fid_over_floor > 20 and scores.sharpness > 2
    one = [image for image, name in zip(images, classes) if name == "disk"]
    scores = evaluate(Run(tiny_run), folder_of(tmp_path / "one", one, ["disk"] * len(one)), device="cpu")
    assert scores.class_coverage < 0.5 and set(scores.low_classes) == {"cross", "square"}


def test_blur_lowers_sharpness(tiny_run, held_out, tmp_path):
    images, classes = held_out
    blurred = [np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(1))) for image in images]
    assert evaluate(Run(tiny_run), folder_of(tmp_path / "b", blurred, classes), device="cpu").sharpness < 0.7


def test_more_samples_than_held_out_images_have_no_floor(tiny_run, held_out, tmp_path):
    images, classes = held_out
    scores = evaluate(Run(tiny_run), folder_of(tmp_path / "s", np.concatenate([images, images]), classes * 2), device="cpu")
    assert scores.real is None and scores.fid_over_floor is None and "no floor" in scores.notes[0]


def test_a_single_sample_and_unknown_classes_are_scored_as_far_as_it_goes(tiny_run, held_out, tmp_path):
    scores = evaluate(Run(tiny_run), folder_of(tmp_path / "s", held_out[0][:1], [None]), device="cpu")
    assert scores.fid is None and scores.conditional_accuracy is None and scores.inception_score == pytest.approx(1)


def test_cartoons_draw_extra_held_out_images(shapes, tiny_run):
    reference = Reference.open(Run(tiny_run))
    facts = reference.facts.model_copy(update={"source": "cartoons:100", "images": 100, "image_size": 16})
    extended = real_images(Reference(facts, reference.images, reference.labels), 80)
    assert len(extended) == 80 and len({image.tobytes() for image in extended}) == 80
    assert np.array_equal(extended[: len(reference.images)], reference.images)


def test_draws_are_disjoint_where_there_are_enough():
    rows = list(draws(60, 20))
    assert len(rows) == DRAWS and sorted(np.concatenate(rows)) == list(range(60))
    for row in draws(30, 20):
        assert len(set(row)) == 20


def test_another_runs_judge(tiny_run, held_out, tmp_path):
    images, classes = held_out
    samples = folder_of(tmp_path / "s", images, classes)
    assert evaluate(Run(tmp_path / "empty"), samples, Run(tiny_run), "cpu").judge == Run(tiny_run).classifier.checksum()


def test_a_data_set_of_one_class_says_which_scores_it_cannot_have(tmp_path, ldm, tiny_config):
    source = tmp_path / "flat"
    source.mkdir()
    for number in range(40):
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(source / f"{number}.png")
    data, run, short = tmp_path / "data", tmp_path / "run", []
    for setting in ("autoencoder.training.steps=3", "diffusion.training.steps=3"):
        short += ["--set", setting]
    assert ldm("prepare", source, data, "--size", "16")[0] == 0
    status, _, errors = ldm("train-classifier", tiny_config, "--data", data, "--run", run)
    assert status == 2 and "at least two" in errors
    for command in ("train-autoencoder", "train-diffusion"):
        assert ldm(command, tiny_config, "--data", data, "--run", run, *short)[0] == 0
    assert ldm("sample", run, tmp_path / "s", "--seeds", "1-3")[0] == 0
    status, output, _ = ldm("evaluate", tmp_path / "s", "--run", run)
    assert status == 0 and "one class" in output and "sharpness" in output
    assert len(Dataset.open(data)) == 40
