"""Two runs that differ in two settings: exactly these are named, and one judge scores both."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from latent_diffusion.evaluation.scores import Score
from latent_diffusion.report.compare import compare_runs, short_names, within
from latent_diffusion.report.comparison import score_rows, write_page
from latent_diffusion.run import Run

IMAGES = 36  # as many as there are held-out images, so that there is a floor
CPU = ("--device", "cpu")


@pytest.fixture(scope="module")
def pair(tiny_run, shapes, tmp_path_factory) -> tuple[Path, Path]:
    """The run, and a copy without a judge.

    The denoiser of the copy was trained a little longer with another label dropout.
    """
    from latent_diffusion import cli

    folder = tmp_path_factory.mktemp("pair")
    first, second = folder / "first", folder / "<i>second"
    shutil.copytree(tiny_run, first)
    shutil.copytree(tiny_run, second)
    train = ["ldm", "train-diffusion", "--data", str(shapes), "--run", str(second), "--resume"]
    settings = ["diffusion.training.steps=520", "diffusion.label_dropout=0.2"]
    arguments = sys.argv
    try:
        sys.argv = [*train, "--set", settings[0], "--set", settings[1], *CPU]
        cli.main()
    finally:
        sys.argv = arguments
    shutil.rmtree(second / "classifier")
    return first, second


@pytest.fixture(scope="module")
def before(pair) -> list[str]:
    return [(folder / "scores.json").read_text() for folder in pair]


@pytest.fixture(scope="module")
def compared(pair, before):
    return compare_runs(pair, None, IMAGES, "cpu")


def test_it_names_exactly_the_settings_that_differ(compared):
    assert dict(compared.settings) == {
        "diffusion.training.steps": ["500", "520"],
        "diffusion.label_dropout": ["0.1", "0.2"],
    }


def test_one_judge_scores_both_and_runs_are_left_alone(compared, before, pair, ldm, tmp_path):
    assert [(folder / "scores.json").read_text() for folder in pair] == before
    first, second = compared.entries
    assert first.scores.identity == second.scores.identity == Run(pair[0]).classifier.checksum()
    fids = [entry.scores.scores["fid"] for entry in compared.entries]
    assert fids[0].value != fids[1].value and fids[0].real == fids[1].real > 0
    samples = tmp_path / "s"
    options = ("--seeds", f"1-{IMAGES}", "--class-distribution", "data")
    assert ldm("sample", pair[1], samples, *options, *CPU)[0] == 0
    assert ldm("evaluate", samples, "--run", pair[1], "--judge", pair[0], *CPU)[0] == 0
    entries = json.loads((pair[1] / "scores.json").read_text())
    (recorded,) = (entry for name, entry in entries.items() if name.startswith(str(samples)))
    assert recorded["scores"]["fid"]["value"] == pytest.approx(second.scores.value("fid"))


def test_rows(compared):
    rows = {row[0]: row[1:] for row in score_rows(compared)}
    assert "(floor)" in rows[f"FID, N = {IMAGES}"][2]
    first, second, _, difference = rows["PSNR, dB"]
    assert first == second and difference == "none"
    assert rows["FID / floor"][2] == "1"
    assert rows["FID / matched floor"][2].startswith("1 (matched floor 0.")
    assert any("intervals" in row[-1] for row in rows.values())


def test_page(compared, tmp_path):
    path = write_page(compared, tmp_path / "page.html")
    text = path.read_text()
    assert "diffusion.label_dropout" in text and "autoencoder.training" not in text
    assert "&lt;i&gt;second" in text and "<i>second" not in text
    assert text.count("<img") == 3 * 2 * 5
    assert path.stat().st_size < 5e6


def test_command(pair, ldm, tmp_path):
    page = tmp_path / "again.html"
    status, output, errors = ldm("compare", *pair, "--images", "20", "--out", page, *CPU)
    assert status == 0 and page.is_file(), errors
    assert "diffusion.label_dropout" in output and "sampling." not in output


def test_an_untrained_part_is_a_note_and_no_difference_of_settings(pair, tmp_path):
    half = tmp_path / "half"
    for part in ("autoencoder", "reference"):
        shutil.copytree(pair[0] / part, half / part)
    found = compare_runs([pair[0], half], None, 20, "cpu")
    assert found.settings == []
    (note,) = (note for note in found.notes if "ldm train-diffusion" in note)
    assert note.startswith("half")
    assert {row[0]: row[2] for row in score_rows(found)}["precision"] == "-"


def test_what_cannot_be_compared_is_refused_in_one_line(pair, tmp_path, ldm):
    other, page = tmp_path / "other", tmp_path / "x.html"
    shutil.copytree(pair[0], other)
    path = other / "reference" / "data.json"
    path.write_text(path.read_text().replace('"disk"', '"dog"'))
    for arguments, words in (
        ((pair[0], other), "other classes"),
        ((pair[0],), "two or more"),
        ((pair[0], pair[0]), "named twice"),
        ((pair[1], pair[0]), "--judge"),
        ((pair[0], tmp_path / "nothing"), "there is no run"),
    ):
        status, _, errors = ldm("compare", *arguments, "--images", "20", "--out", page, *CPU)
        assert status == 2 and words in errors and errors.count("\n") == 1, errors
    assert not page.exists()


def test_within_the_intervals():
    def score(value, half):
        return Score(value=value, low=value - half, high=value + half)

    assert within(score(1.0, 0.3), score(1.49, 0.4)) is True  # hypot(3, 4) = 5
    assert within(score(1.0, 0.3), score(1.51, 0.4)) is False
    skewed = Score(value=1.0, low=0.0, high=1.3)  # the sides that face each other count
    assert within(skewed, score(1.51, 0.4)) is False
    assert within(score(0.2, 0.4), skewed) is True
    assert within(score(1.0, 0.3), Score(value=1.0)) is None
    assert within(None, score(1.0, 0.1)) is None


def test_names_are_as_short_as_they_can_be(tmp_path):
    assert short_names([tmp_path / "a" / "x", tmp_path / "b" / "x"]) == ["a/x", "b/x"]
    assert short_names([tmp_path / "x", tmp_path / "y"]) == ["x", "y"]
