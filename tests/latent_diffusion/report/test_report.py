"""The report of a tiny run whose names are hostile: everything in it, nothing from outside, and figures that can be made again."""

import html
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from latent_diffusion.data.reference import DataFacts, Reference, write_reference
from latent_diffusion.data.store import Dataset
from latent_diffusion.report.curves import sweep_panels, thinned
from latent_diffusion.report.gather import gather
from latent_diffusion.report.reproduce import commands, resolved_config
from latent_diffusion.run import Run
from latent_diffusion.training.stages import load_config, resumed_config

HOSTILE, IMAGES = "<script>alert(1)</script>", 50  # as in conftest.py
SECTIONS = (
    "summary",
    "budget",
    "samples",
    "scores",
    "reconstructions",
    "training",
    "levels",
    "memorisation",
    "data",
    "reproduce",
)


class Elements(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes


def test_it_holds_every_part_and_needs_nothing_else(page):
    text = page.read_text()
    found = Elements(text)
    assert {value for name, value in found.attributes if name == "id"} >= set(SECTIONS)
    assert "script" not in found.tags and "link" not in found.tags and "iframe" not in found.tags
    assert all(
        value.startswith("data:image/webp;base64,")
        for name, value in found.attributes
        if name == "src"
    )
    assert all(
        value.startswith("#") for name, value in found.attributes if name in ("href", "xlink:href")
    )
    assert "@import" not in text and not re.search(r"url\((?!#)", text)
    assert found.tags.count("svg") >= 5 + 1 + 4  # training, noise levels, sweep
    assert (
        found.tags.count("img") >= 3 * (8 + 6) + 3 + 10 + 20
    )  # samples and real images, process, reconstructions, pairs
    assert page.stat().st_size < 5e6


def test_names_are_text(page):
    text = page.read_text()
    assert HOSTILE not in text and html.escape(HOSTILE) in text and "<b>" not in text


def test_scores_are_recorded_and_are_what_the_printed_commands_measure(
    page, hostile_run, ldm, tmp_path
):
    recorded = json.loads((hostile_run / "scores.json").read_text())
    fid = recorded[f"seeds 1-{IMAGES} (report)"]["scores"]["fid"]
    assert f"{fid['value']:.3f}" in page.read_text() and f"N = {IMAGES}" in page.read_text()
    assert (
        f"seeds 1-{IMAGES} (report) (memorisation)" in recorded
        and recorded["reconstruction"]["rfid"] > 0
    )
    assert (
        ldm(
            "sample",
            hostile_run,
            tmp_path / "s",
            "--seeds",
            f"1-{IMAGES}",
            "--class-distribution",
            "data",
            "--device",
            "cpu",
        )[0]
        == 0
    )
    assert ldm("evaluate", tmp_path / "s", "--run", hostile_run, "--device", "cpu")[0] == 0
    again = json.loads((hostile_run / "scores.json").read_text())[str(tmp_path / "s")]["scores"][
        "fid"
    ]
    assert again["value"] == pytest.approx(fid["value"]) and again["real"] == pytest.approx(
        fid["real"]
    )


def test_the_config_in_the_page_is_the_one_of_the_run(page, tiny_run, tmp_path):
    found, run = gather(Run(tiny_run)), Run(tiny_run)
    path = tmp_path / "config.toml"
    path.write_text(resolved_config(found))
    again = load_config(path)
    for part in (run.autoencoder, run.classifier, run.diffusion):
        assert getattr(again, part.name) == getattr(resumed_config(part), part.name)
    assert (
        again.sampling == resumed_config(run.diffusion).sampling
        and again.diffusion.training.steps == 500
    )
    lines = commands(found, 70)
    verbs = "prepare train-autoencoder train-classifier train-diffusion sample evaluate"
    assert " ".join(line.split()[1] for line in lines) == verbs
    assert "--size 16" in lines[0] and "--flip" in lines[0] and "--seeds 1-70" in lines[4]
    assert all(
        line in html.unescape(page.read_text())
        for line in path.read_text().splitlines()
        if "training" in line
    )


def test_a_run_with_stage_one_only_says_what_makes_the_rest(tiny_run, ldm, tmp_path):
    run = tmp_path / "one"
    shutil.copytree(tiny_run / "autoencoder", run / "autoencoder")
    shutil.copytree(tiny_run / "reference", run / "reference")
    status, _, errors = ldm("report", run, "--device", "cpu")
    assert status == 0, errors
    text = (run / "report.html").read_text()
    assert (
        "run ldm train-classifier first" in text
        and "run ldm train-diffusion first" in text
        and "PSNR" in text
    )
    assert "No budget yet" in text and {
        value for name, value in Elements(text).attributes if name == "id"
    } >= set(SECTIONS)


def test_all_that_stage_one_trained_is_shown(tiny_config, shapes, ldm, tmp_path):
    short = [
        f"autoencoder.{one}training.steps=4" for one in ("", "adversary.", "perceptual_classifier.")
    ]
    chosen = [*short, "autoencoder.adversarial=true", "autoencoder.perceptual=classifier"]
    settings = [argument for setting in chosen for argument in ("--set", setting)]
    where = ("train-autoencoder", "--data", shapes, "--run", tmp_path / "run", "--device", "cpu")
    assert ldm(*where, tiny_config, *settings)[0] == 0
    found = gather(Run(tmp_path / "run"))
    assert list(found.networks) == ["autoencoder", "perceptual", "adversary"] and all(
        one.finished for one in found.networks.values()
    )
    assert ldm("report", tmp_path / "run", "--device", "cpu")[0] == 0
    text = (tmp_path / "run" / "report.html").read_text()
    for part in ("perceptual classifier", "sharpening"):
        assert f"<tr><td>{part}</td><td>4 of 4</td>" in text
    assert (
        "sharpening: PSNR, dB" in text
        and "sharpening: loss of the discriminator" in text
        and "not finished" not in text
    )
    assert ldm(*where, "--resume", "--set", "autoencoder.adversarial=false")[0] == 0
    assert list(gather(Run(tmp_path / "run")).networks) == ["autoencoder", "perceptual"]


def test_one_class_has_no_scores_of_a_judge(tiny_config, ldm, tmp_path):
    source, data, run = tmp_path / "flat", tmp_path / "data", tmp_path / "run"
    source.mkdir()
    for number in range(40):
        Image.fromarray(
            np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        ).save(source / f"{number}.png")
    (source / "broken.png").write_bytes(b"no picture")
    assert ldm("prepare", source, data, "--size", "16")[0] == 0
    for stage in ("autoencoder", "diffusion"):
        short = ("--set", f"{stage}.training.steps=3", "--device", "cpu")
        assert ldm(f"train-{stage}", tiny_config, "--data", data, "--run", run, *short)[0] == 0
    status, _, errors = ldm(
        "report", run, "--images", "20", "--device", "cpu", "--out", tmp_path / "page.html"
    )
    text = (tmp_path / "page.html").read_text()
    assert status == 0 and not (run / "report.html").exists(), errors
    assert (
        "the data has one class" in text
        and "sharpness" in text
        and "conditional accuracy" not in text
    )
    (reason,) = Dataset.open(data).info.skipped_by_reason
    assert html.escape(reason, quote=False) in html.unescape(
        text
    )  # what was skipped, without --data


def test_an_older_run_opens_and_is_not_taken_for_changed(tiny_run, shapes, tmp_path, capsys):
    run = tmp_path / "old"
    shutil.copytree(tiny_run / "reference", run / "reference")
    path = run / "reference" / "data.json"
    facts = json.loads(path.read_text())
    assert facts.pop("skipped") == {}
    path.write_text(json.dumps(facts))
    assert Reference.open(Run(run)).facts.skipped is None
    assert (
        write_reference(Run(run), Dataset.open(shapes)).skipped == {}
        and "changed" not in capsys.readouterr().out
    )
    assert DataFacts.model_validate_json(path.read_text()).skipped == {}


def test_other_data_and_damaged_sweeps_are_told(tiny_run, shapes, tmp_path, ldm):
    other = tmp_path / "other"
    shutil.copytree(shapes, other)
    info = json.loads((other / "dataset.json").read_text())
    (other / "dataset.json").write_text(json.dumps(info | {"checksum": "0" * 64}))
    status, _, errors = ldm(
        "report", tiny_run, "--data", other, "--out", tmp_path / "x.html", "--device", "cpu"
    )
    assert status == 2 and "is not the data set" in errors and not (tmp_path / "x.html").exists()
    shutil.copytree(tiny_run / "autoencoder", tmp_path / "run" / "autoencoder")
    (tmp_path / "run" / "sweep").mkdir()
    (tmp_path / "run" / "sweep" / "sweep.json").write_text('[{"guidance": 1}]')
    found = gather(Run(tmp_path / "run"))
    assert found.trials == [] and "another version" in found.missing["sweep"]


def test_curves_keep_their_ends_and_the_sweep_leaves_out_its_confirmation(page, hostile_run):
    x, y = thinned([(step, step / 1000) for step in range(1, 10_001)])
    assert len(x) == 200 and x[0] < 60 and x[-1] > 9_940 and np.allclose(y, np.array(x) / 1000)
    trials = gather(Run(hostile_run)).trials
    panels = sweep_panels(trials)
    assert [panel.title for panel in panels] == ["FID", "accuracy", "precision", "recall"]
    assert panels[0].curves[0].x == [1, 1.25, 1.5, 2, 3, 4] and len(trials) == 7
    assert panels[0].curves[0].y == [trial.scores.value("fid") for trial in trials[:6]]
