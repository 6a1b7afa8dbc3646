"""`ldm reconstruct`: worst and best images, scores by class, one's own images."""

import json
import shutil
from io import StringIO

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from latent_diffusion.data.reference import Reference
from latent_diffusion.evaluation.judge import Judge, judge_statistics
from latent_diffusion.evaluation.reconstruction import ClassReconstruction, reconstruct_images
from latent_diffusion.evaluation.tables import class_reconstruction_table
from latent_diffusion.inspection.grids import cases_grid, grid
from latent_diffusion.run import Run
from metrics import frechet_distance, psnr, sharpness, ssim, statistics


@pytest.fixture
def run(tiny_run, tmp_path):
    return Run.open(shutil.copytree(tiny_run, tmp_path / "run"))


def test_classes_have_the_scores_of_their_own_images(run):
    originals, decoded, scores = reconstruct_images(run, device="cpu")
    reference, judge = Reference.open(run), Judge.load(run, torch.device("cpu"))
    known = judge_statistics(run, judge)
    assert set(scores.classes) == {"cross", "disk", "square"}
    assert sum(one.n for one in scores.classes.values()) == scores.n
    for label, name in enumerate(reference.facts.class_names):
        here, found = reference.labels == label, scores.classes[name]
        assert found.psnr == pytest.approx(psnr(originals[here], decoded[here]).mean())
        assert found.ssim == pytest.approx(ssim(originals[here], decoded[here]).mean())
        assert found.sharpness == pytest.approx(sharpness(decoded[here], originals[here]))
        for images, value in ((decoded, found.rfid), (originals, found.rfid_floor)):
            features, _ = judge(images[here])
            distance = frechet_distance(statistics(features), known.classes[label])
            assert value == pytest.approx(distance, rel=1e-3)
    distance = frechet_distance(statistics(judge(decoded)[0]), known.statistics)
    assert scores.rfid == pytest.approx(distance, rel=1e-3)
    mean = sum(one.n * one.psnr for one in scores.classes.values()) / scores.n
    assert scores.psnr == pytest.approx(mean)
    order = [one.psnr for one in scores.classes.values()]
    assert order == sorted(order)
    recorded = json.loads(run.scores_path.read_text())["reconstruction"]
    assert list(recorded["classes"]) == list(scores.classes) and recorded["rfid"] == scores.rfid


def test_without_a_judge_classes_have_no_rfid(run):
    shutil.rmtree(run.classifier.folder)
    scores = reconstruct_images(run, device="cpu")[2]
    assert scores.rfid is None
    assert all(one.rfid is None and one.psnr > 15 for one in scores.classes.values())
    assert [column.header for column in class_reconstruction_table(scores.classes).columns][
        -1
    ] == "sharpness"


def test_the_table_ends_where_it_is_long():
    one = ClassReconstruction(n=2, psnr=30.0, ssim=0.9, sharpness=1.0)
    shown = class_reconstruction_table({str(number): one for number in range(100)})
    assert shown.row_count == 40 and "60 more" in shown.caption


def test_worst_and_best_are_those_of_the_scores():
    """Image i is grey of level i, its reconstruction is black; scores fall with i."""
    originals = np.repeat(np.arange(50, dtype=np.uint8), 48 * 48 * 3).reshape(50, 48, 48, 3)
    sheet = np.asarray(cases_grid(originals, originals * 0, -np.arange(50.0), cases=3, typical=3))
    left = sheet.shape[1] - 3 * 50
    lines = sheet[:, left + 24 :: 50, 0].tolist()  # through the middle of each column
    spread, worst, best = [0, 24, 49], [49, 48, 47], [0, 1, 2]
    assert lines.index(spread) < lines.index(worst) < lines.index(best)
    sheet = cases_grid(originals[:4], originals[:4] * 0, np.arange(4.0), cases=3, typical=5)
    few = np.asarray(sheet)
    assert len(few) < 200  # one block of all
    assert few[20, -4 * 50 + 24 :: 50, 0].tolist() == [0, 1, 2, 3]


def test_captions_stand_under_their_images():
    images = np.zeros((2, 48, 48, 3), np.uint8)
    plain = grid([images, images])
    captioned = grid([images, images], captions=[[], ["", "25.0 dB"]])
    assert captioned.width == plain.width and plain.height < captioned.height < plain.height + 24
    strip = np.asarray(captioned)[plain.height - 2 :]
    assert (strip[:, :50] == 255).all() and strip[:, 52:].min() < 120


def test_pictures_of_held_out_images(run, ldm):
    status, output, errors = ldm("reconstruct", run.folder, "--device", "cpu", "--cases", 3)
    assert status == 0, errors
    assert "by class, lowest PSNR first" in output and "effective rank" in output
    for name in ("reconstructions.png", "latents.png", "latent_spectrum.png"):
        assert str(run.folder / name) in output
        assert np.asarray(Image.open(run.folder / name)).std() > 10
    assert json.loads(run.scores_path.read_text())["reconstruction"]["psnr"] > 15


def test_one_picture_of_ones_own_with_transparency(run, tmp_path, ldm):
    picture = Image.new("RGBA", (50, 40), (200, 30, 30, 255))
    picture.paste((0, 0, 0, 0), (20, 10, 40, 30))
    picture.save(tmp_path / "mine.png")
    (run.folder / "reconstructions.png").unlink(missing_ok=True)  # another test may have drawn it
    before = run.scores_path.read_text()
    reconstructing = ("reconstruct", run.folder, tmp_path / "mine.png", "--device", "cpu")
    status, output, errors = ldm(*reconstructing)
    assert status == 0 and "by class" not in output and "rFID" not in output, errors
    assert not (run.folder / "reconstructions.png").exists()
    assert run.scores_path.read_text() == before
    sheet = np.asarray(Image.open(run.folder / "own.png")).astype(int)
    assert ((sheet[..., 0] > 150) & (sheet[..., 1] < 90)).any()  # the red is there
    status, _, errors = ldm(*reconstructing, "--out", tmp_path / "new" / "r.png")
    assert status == 0, errors
    written = {path.name for path in (tmp_path / "new").iterdir()}
    assert written == {"r.png", "r-latents.png", "r-spectrum.png"}


def test_a_class_of_the_held_out_images_and_a_folder(run, tmp_path, ldm):
    status, output, errors = ldm(
        "reconstruct", run.folder, "class:disk", "--device", "cpu", "--out", tmp_path / "r.png"
    )
    assert status == 0 and "rFID" not in output, errors
    held_out = Reference.open(run)
    disks = int((held_out.labels == held_out.facts.class_names.index("disk")).sum())
    assert f"reconstruction of {disks} images" in output
    own = tmp_path / "own"
    own.mkdir()
    for name in "ab":
        Image.new("RGB", (40, 40), (200, 30, 30)).save(own / f"{name}.jpg")
    for name in ("r.png", "r-latents.png", "r-spectrum.png"):
        assert (tmp_path / name).is_file()
    status, output, errors = ldm(
        "reconstruct", run.folder, own, "--device", "cpu", "--out", tmp_path / "new" / "r.png"
    )
    assert status == 0 and "reconstruction of 2 images" in output, errors


def test_a_picture_of_a_single_colour_has_a_spectrum(run, tmp_path, ldm):
    Image.new("L", (64, 64), 128).save(tmp_path / "grey.png")
    status, _, errors = ldm("reconstruct", run.folder, tmp_path / "grey.png", "--device", "cpu")
    assert status == 0 and "Warning" not in errors, errors


def test_a_place_that_is_no_png_is_refused_before_the_work(run, tmp_path, ldm):
    status, _, errors = ldm("reconstruct", run.folder, "--out", tmp_path, "--device", "cpu")
    assert status == 2 and ".png" in errors and errors.count("\n") == 1


def test_class_names_with_brackets_stay_whole():
    one = ClassReconstruction(n=2, psnr=30.0, ssim=0.9, sharpness=1.0)
    console = Console(file=StringIO(), width=120)
    console.print(class_reconstruction_table({"dog [old]": one, "dog [new]": one}))
    assert "dog [old]" in console.file.getvalue() and "dog [new]" in console.file.getvalue()
