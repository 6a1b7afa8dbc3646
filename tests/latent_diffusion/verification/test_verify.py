"""`ldm verify`: a whole run passes, and what is wrong with another is found and named."""

import json
import shutil

import numpy as np
import pytest
import torch

from latent_diffusion.data.store import Dataset
from latent_diffusion.ema import PowerEMA
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.run import Run
from latent_diffusion.tensors import load_tensors, save_tensors
from latent_diffusion.training.checkpoint import Checkpoint
from latent_diffusion.training.stages import load_config
from latent_diffusion.verification import files, samples, scores
from latent_diffusion.verification.check import Unknown, check
from latent_diffusion.verification.samples import same_in_any_batch
from latent_diffusion.verification.trainings import resumes_alike, short_autoencoder

CPU = torch.device("cpu")


def judge_accuracy(folder) -> float:
    """The accuracy that the training of a run's judge recorded."""
    return Run(folder).read_scores()["judge"]["test_accuracy"]


@pytest.fixture(scope="session")
def scored_run(tiny_run, tmp_path_factory):
    """The tiny run with samples, and everything scored that can be."""
    from latent_diffusion.evaluation.reconstruction import reconstruct_images
    from latent_diffusion.evaluation.scoring import evaluate
    from latent_diffusion.samples import sample_to_folder

    run = Run(shutil.copytree(tiny_run, tmp_path_factory.mktemp("scored") / "run"))
    run.scores_path.unlink(missing_ok=True)  # what other tests recorded in the tiny run
    run.add_scores("judge", {"test_accuracy": judge_accuracy(tiny_run)})
    pipe, folder = Pipeline.from_run(run.folder, "cpu"), run.folder / "samples"
    sample_to_folder(pipe, folder, range(1, 31), None, "cycle", pipe.sampling, 30, lambda _: None)
    evaluate(run, folder, device="cpu")
    reconstruct_images(run, device="cpu")
    return run.folder


@pytest.fixture
def run(scored_run, tmp_path, monkeypatch) -> Run:
    """A copy of it, to be spoilt; samples that are drawn take one step."""
    monkeypatch.setattr(samples, "MOST_STEPS", 1)
    copy = Run(shutil.copytree(scored_run, tmp_path / "run"))
    text = copy.scores_path.read_text()
    copy.scores_path.write_text(text.replace(str(scored_run), str(copy.folder)))
    return copy


def flip(path, position=-3):
    content = bytearray(path.read_bytes())
    content[position] ^= 4
    path.write_bytes(content)


def failed(name, look) -> str:
    """What is said of a check that fails, in one line."""
    found = check(name, look)
    assert found.passed is False and "\n" not in found.detail
    return found.detail


def recorded(run: Run) -> dict:
    return json.loads(run.scores_path.read_text())


def samples_of(run: Run) -> str:
    """The name under which the scores of its samples are recorded."""
    (name,) = (name for name in recorded(run) if name.endswith("samples"))
    return name


def test_a_whole_run_passes_and_is_left_as_it_was(run, shapes, ldm):
    def state():
        return {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}

    before = state()
    status, output, errors = ldm("verify", run.folder, "--data", shapes, "--device", "cpu")
    assert status == 0, output + errors
    words = " ".join(output.split())
    assert "13 of 13 checks hold, 0 fail" in words, output
    assert state() == before


def test_a_check_that_fails_is_exit_status_1_and_the_others_go_on(run, ldm):
    flip(run.diffusion.model_path)
    status, output, errors = ldm("verify", run.folder, "--device", "cpu")
    assert status == 1 and not errors
    lines = {line.split("│")[1].strip(): line for line in output.splitlines() if "│" in line}
    assert "FAILED" in lines["checksums"] and "FAILED" in lines["denoiser"]
    assert "ok" in lines["resumed: judge"] and "ok" in lines["scores: judge"]
    assert " - " in lines["data set"]


def test_what_is_no_run_is_the_users_mistake(tmp_path, run, ldm):
    for arguments in ([tmp_path / "none"], [run.folder, "--data", tmp_path]):
        status, _, errors = ldm("verify", *arguments)
        assert status == 2 and errors.count("\n") == 1


@pytest.mark.parametrize(
    "file",
    [
        "autoencoder/model.safetensors",
        "classifier/model.safetensors",
        "diffusion/checkpoint/last.safetensors",
        "autoencoder/checkpoint/last.safetensors",
    ],
)
def test_a_flipped_bit_in_a_tensor_file(run, file):
    assert "hold their checksums" in files.tensor_files(run)
    flip(run.folder / file)
    assert f"{file} is damaged" in failed("checksums", lambda: files.tensor_files(run))


@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "judge.npz", "spatial.npz"])
def test_a_flipped_bit_in_what_the_run_keeps_of_its_data(run, name):
    assert "they hold their checksums" in files.reference_files(run)
    flip(run.reference / name, -1000 if name.endswith("z") else -8)
    said = failed("reference", lambda: files.reference_files(run))
    assert str(run.reference) in said


def test_a_run_of_an_earlier_version_has_no_checksums_and_passes(run):
    from safetensors.torch import save_file

    (run.reference / "checksums.json").unlink()
    for path in run.folder.rglob("*.safetensors"):
        tensors, metadata = load_tensors(path)
        save_file(tensors, path, metadata)
    assert "of an earlier version have none" in files.tensor_files(run)
    assert "51 held-out images of an earlier version have none" in files.reference_files(run)


def test_another_autoencoder_in_its_place(run):
    """Of the same shape, and whole."""
    tensors, _ = load_tensors(run.autoencoder.model_path)
    save_tensors(run.autoencoder.model_path, {n: t + 0.01 for n, t in tensors.items()})
    assert "hold their checksums" in files.tensor_files(run)
    said = failed("autoencoder", lambda: files.network(run, run.autoencoder))
    assert "is not what the training" in said
    said = failed("denoiser", lambda: files.network(run, run.diffusion))
    assert "latents of another autoencoder" in said
    assert "another autoencoder" in failed("bytes", lambda: same_in_any_batch(run, "cpu"))


def test_another_decoder_alone(run):
    """The latents stay, so nothing but the checkpoint says so."""
    tensors, _ = load_tensors(run.autoencoder.model_path)
    name = next(name for name in tensors if name.startswith("decoder."))
    save_tensors(run.autoencoder.model_path, {**tensors, name: tensors[name] * 1.01})
    assert name in failed("autoencoder", lambda: files.network(run, run.autoencoder))
    assert "it learnt the latents" in files.network(run, run.diffusion)


def test_another_judge_in_its_place(run):
    tensors, _ = load_tensors(run.classifier.model_path)
    save_tensors(run.classifier.model_path, {n: t + 0.01 for n, t in tensors.items()})
    shutil.rmtree(run.classifier.checkpoint_path.parent)
    assert "judge" in failed("judge", lambda: files.network(run, run.classifier))


def test_a_part_of_other_data(run):
    config = run.diffusion.read_config()
    config["data"]["checksum"] = "0" * 64
    run.diffusion.write_config(config)
    assert "other data" in failed("denoiser", lambda: files.network(run, run.diffusion))


def test_a_training_under_way_is_no_fault(run):
    config = run.diffusion.read_config()
    config["diffusion"]["training"]["steps"] = 600
    run.diffusion.write_config(config)
    assert "under way, at step 500 of 600" in files.network(run, run.diffusion)


def test_the_best_weights_of_a_training_that_ended_early(run):
    config = run.diffusion.read_config()
    config["diffusion"]["training"]["steps"] = 600
    run.diffusion.write_config(config)
    shutil.copy(run.diffusion.model_path, run.diffusion.best_path)
    assert "which ended at step 500" in files.network(run, run.diffusion)


def edit(run: Run, *keys, by=1.2):
    """Change one value of scores.json."""
    entries = recorded(run)
    inner = entries
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] *= by
    run.scores_path.write_text(json.dumps(entries))


@pytest.mark.parametrize(
    "keys",
    [
        ("scores", "fid", "value"),
        ("scores", "fid", "real"),
        ("scores", "kid", "high"),
        ("scores", "sharpness", "value"),
        ("class_fid", "disk", "fid"),
    ],
)
def test_an_edited_score_of_samples(run, keys):
    name = samples_of(run)
    edit(run, name, *keys)
    entry = recorded(run)[name]
    said = failed("scores", lambda: scores.of_samples(run, name, entry, "cpu"))
    assert ".".join(keys) in said and "recorded as" in said


def test_edited_scores_of_judge_and_autoencoder(run):
    entries = recorded(run)
    assert "the same" in scores.of_judge(run, entries["judge"], "cpu")
    assert "the same" in scores.of_reconstruction(run, entries["reconstruction"], "cpu")
    edit(run, "judge", "test_accuracy", by=0.9)
    edit(run, "reconstruction", "psnr")
    entries = recorded(run)
    for name, look in (("judge", scores.of_judge), ("reconstruction", scores.of_reconstruction)):
        failed(name, lambda look=look, name=name: look(run, entries[name], "cpu"))


def test_samples_that_changed_since_they_were_scored(run):
    name = samples_of(run)
    files_there = sorted((run.folder / "samples").glob("0*.png"))
    shutil.copy(files_there[0], files_there[1])
    entry = recorded(run)[name]
    failed("scores", lambda: scores.of_samples(run, name, entry, "cpu"))


def test_scores_of_samples_that_are_gone_or_of_others_are_left_out(run):
    name = samples_of(run)
    entry = recorded(run)[name]
    shutil.rmtree(run.folder / "samples")
    for what, of in (
        ("/nowhere/samples", entry),
        (f"{name} (judge of /nowhere)", entry),
        (f"{name} (pixels)", entry | {"network": "pixels"}),
        ("copies", {"n": 3}),
    ):
        found = check("scores", lambda what=what, of=of: scores.of_samples(run, what, of, "cpu"))
        assert found.passed is None and found.detail


def test_rounding_is_no_edit_and_a_picture_may_flip():
    made = {"n": 1000, "scores": {"fid": {"value": 0.6112}}, "counts": {"cat": 91}, "new": 3.0}
    before = {"n": 1000, "scores": {"fid": {"value": 0.6111}}, "counts": {"cat": 90}, "notes": "x"}
    assert "within 1%" in scores.compared(before, made)
    assert "the same" in scores.compared(made, made)
    with pytest.raises(Unknown):
        scores.compared({"a": 1.0}, {"b": 1.0})


def test_changed_pixels_and_other_data(run, shapes, tmp_path):
    data = shutil.copytree(shapes, tmp_path / "data")
    assert "have the checksum" in files.pixels(run, Dataset.open(data))
    flip(data / "images.npy", -1000)
    said = failed("data set", lambda: files.pixels(run, Dataset.open(data)))
    assert "has changed since" in said
    text = (data / "dataset.json").read_text()
    checksum = json.loads(text)["checksum"]
    (data / "dataset.json").write_text(text.replace(checksum, "0" * 64))
    said = failed("data set", lambda: files.pixels(run, Dataset.open(data)))
    assert "is not the data set" in said


def test_pictures_that_change_with_the_batch_are_found(run, monkeypatch):
    assert "same bytes" in same_in_any_batch(run, "cpu")
    generate = Pipeline.generate

    def dependent(self, seeds, labels, config, on_progress, batch_size):
        images = generate(self, seeds, labels, config, on_progress, batch_size)
        images[4, 0, 0, 0] ^= np.uint8(batch_size == 3)
        return images

    monkeypatch.setattr(Pipeline, "generate", dependent)
    assert "seed 5 " in failed("bytes", lambda: same_in_any_batch(run, "cpu"))


@pytest.mark.parametrize("forgotten", ["emas", "optimizers"])
def test_a_resume_that_forgets_something_is_found(run, monkeypatch, forgotten):
    fill = Checkpoint.fill

    def forgetful(self, model, emas, optimizers):
        kept = [{k: v.clone() for k, v in ema.tensors.items()} for ema in emas]
        fill(self, model, emas, optimizers)
        for ema, tensors in zip(emas, kept, strict=True):
            if forgotten == "emas":
                PowerEMA.load(ema, tensors)
        for optimizer in optimizers:
            if forgotten == "optimizers":
                optimizer.state.clear()

    assert "the same bits" in resumes_alike(run, run.classifier, None, CPU)
    monkeypatch.setattr(Checkpoint, "fill", forgetful)
    said = failed("resumed", lambda: resumes_alike(run, run.classifier, None, CPU))
    assert "killed after step 3 and resumed, ends with other bits" in said


def test_all_trainings_of_stage_one_are_killed_in_turn(run, shapes, tiny_config):
    """Also the perceptual classifier and the sharpening; a loss by VGG does without."""
    more = ["autoencoder.perceptual=classifier", "autoencoder.adversarial=true"]
    more += ["autoencoder.adversary.model.widths=[16,16,16]"]
    stage = load_config(tiny_config, more, "float32").autoencoder
    config = run.autoencoder.read_config()
    run.autoencoder.write_config({**config, "autoencoder": stage.model_dump(mode="json")})
    said = resumes_alike(run, run.autoencoder, Dataset.open(shapes), CPU)
    assert "perceptual classifier, autoencoder, sharpening" in said
    lpips = stage.model_copy(update={"perceptual": "lpips"})
    assert short_autoencoder(lpips).perceptual == "none"


def test_too_few_pictures_to_train_on_are_said(run):
    for name in ("images", "labels"):
        path = run.reference / f"{name}.npy"
        np.save(path, np.load(path)[:9])
    found = check("resumed", lambda: resumes_alike(run, run.classifier, None, CPU))
    assert found.passed is None and "--data" in found.detail


def test_a_student_is_verified_as_well(taught_run, tmp_path, ldm, monkeypatch):
    monkeypatch.setattr(samples, "MOST_STEPS", 1)
    run = Run(shutil.copytree(taught_run, tmp_path / "run"))
    status, output, errors = ldm("verify", run.folder, "--device", "cpu")
    words = " ".join(output.replace("│", " ").split())
    assert status == 0 and "same bytes: student" in words, output + errors
    assert "6 steps (student), straight and killed after 3: the same bits" in words
    assert "it learnt from this denoiser" in files.network(run, run.student)
    shutil.copy(run.classifier.model_path, run.diffusion.model_path)
    assert "learnt from another denoiser" in failed(
        "student", lambda: files.network(run, run.student)
    )
