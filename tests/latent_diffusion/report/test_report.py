"""The report of a tiny run whose names are hostile: everything in it, nothing from outside.

Its figures can be made again by the commands that it prints.
"""

import html
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from latent_diffusion.data.reference import DataFacts, Reference, write_reference
from latent_diffusion.data.store import Dataset
from latent_diffusion.report.curves import health_panel, thinned
from latent_diffusion.report.gather import Training, gather
from latent_diffusion.report.reproduce import commands, resolved_config
from latent_diffusion.run import Run
from latent_diffusion.studies.sweep.show import ON_A_PAGE, score_panels
from latent_diffusion.training.stages import load_config, resumed_config

HOSTILE, IMAGES = "<script>alert(1)</script>", 50  # as in conftest.py
CPU = ("--device", "cpu")
SECTIONS = {
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
}


class Elements(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def values(self, *names: str) -> list[str]:
        return [value for name, value in self.attributes if name in names]


def test_it_holds_every_part_and_needs_nothing_else(page):
    text = page.read_text()
    found = Elements(text)
    assert set(found.values("id")) >= SECTIONS
    assert not {"script", "link", "iframe"} & set(found.tags)
    assert all(value.startswith("data:image/webp;base64,") for value in found.values("src"))
    assert all(value.startswith("#") for value in found.values("href", "xlink:href"))
    assert "@import" not in text and not re.search(r"url\((?!#)", text)
    assert found.tags.count("svg") >= 5 + 1 + 1 + 4  # training, health, noise levels, sweep
    assert "of the best linear denoiser" in text
    # samples and real images, process, reconstructions, pairs
    assert found.tags.count("img") >= 3 * (8 + 6) + 3 + 10 + 20
    assert page.stat().st_size < 5e6


def test_health_is_drawn_beside_a_linear_denoiser_where_it_was_recorded():
    log = [{"step": 10, "loss": 1.0}, {"step": 20, "held_out_loss": 0.5, "training_loss": 0.3}]
    log[1]["linear_loss"] = 0.4
    training = Training("diffusion", "denoiser", "", True, {}, log)
    held_out, seen = health_panel(training).curves
    assert (list(held_out.x), list(held_out.y)) == ([20], [1.25])
    assert list(seen.y) == pytest.approx([0.75])
    assert health_panel(replace(training, log=log[:1])) is None


def test_names_are_text(page):
    text = page.read_text()
    assert HOSTILE not in text and html.escape(HOSTILE) in text and "<b>" not in text


def test_scores_are_recorded_and_are_what_the_printed_commands_measure(
    page, hostile_run, ldm, tmp_path
):
    recorded = json.loads((hostile_run / "scores.json").read_text())
    fid = recorded[f"seeds 1-{IMAGES} (report)"]["scores"]["fid"]
    text = page.read_text()
    assert f"{fid['value']:.3f}" in text and f"N = {IMAGES}" in text
    assert f"seeds 1-{IMAGES} (report) (memorisation)" in recorded
    assert recorded["reconstruction"]["rfid"] > 0
    samples = tmp_path / "s"
    options = ("--seeds", f"1-{IMAGES}", "--class-distribution", "data")
    assert ldm("sample", hostile_run, samples, *options, *CPU)[0] == 0
    assert ldm("evaluate", samples, "--run", hostile_run, *CPU)[0] == 0
    entries = json.loads((hostile_run / "scores.json").read_text())
    again = entries[str(samples)]["scores"]["fid"]
    assert again["value"] == pytest.approx(fid["value"])
    assert again["real"] == pytest.approx(fid["real"])


def test_the_config_in_the_page_is_the_one_of_the_run(page, tiny_run, tmp_path):
    found, run = gather(Run(tiny_run)), Run(tiny_run)
    path = tmp_path / "config.toml"
    path.write_text(resolved_config(found))
    again = load_config(path)
    for part in (run.autoencoder, run.classifier, run.diffusion):
        assert getattr(again, part.name) == getattr(resumed_config(part), part.name)
    assert again.sampling == resumed_config(run.diffusion).sampling
    assert again.diffusion.training.steps == 500
    shown = html.unescape(page.read_text())
    assert all(line in shown for line in path.read_text().splitlines() if "training" in line)


def test_the_commands_go_from_the_source_to_the_scores(tiny_run):
    lines = commands(gather(Run(tiny_run)), 70)
    verbs = "prepare train-autoencoder train-classifier train-diffusion sample evaluate"
    assert " ".join(line.split()[1] for line in lines) == verbs
    assert "--size 16" in lines[0] and "--flip" in lines[0] and "--seeds 1-70" in lines[4]


def test_a_run_with_stage_one_only_says_what_makes_the_rest(tiny_run, ldm, tmp_path):
    run = tmp_path / "one"
    for part in ("autoencoder", "reference"):
        shutil.copytree(tiny_run / part, run / part)
    status, _, errors = ldm("report", run, *CPU)
    assert status == 0, errors
    text = (run / "report.html").read_text()
    assert "run ldm train-classifier first" in text
    assert "run ldm train-diffusion first" in text
    assert "PSNR" in text and "No budget yet" in text
    assert set(Elements(text).values("id")) >= SECTIONS


def test_all_that_stage_one_trained_is_shown(tiny_config, shapes, ldm, tmp_path):
    run = tmp_path / "run"
    chosen = [
        "autoencoder.training.steps=4",
        "autoencoder.adversary.training.steps=4",
        "autoencoder.perceptual_classifier.training.steps=4",
        "autoencoder.adversarial=true",
        "autoencoder.perceptual=classifier",
    ]
    settings = [argument for setting in chosen for argument in ("--set", setting)]
    train = ("train-autoencoder", "--data", shapes, "--run", run, *CPU)
    assert ldm(*train, tiny_config, *settings)[0] == 0
    found = gather(Run(run))
    assert list(found.networks) == ["autoencoder", "perceptual", "adversary"]
    assert all(one.finished for one in found.networks.values())
    assert ldm("report", run, *CPU)[0] == 0
    text = (run / "report.html").read_text()
    for part in ("perceptual classifier", "sharpening"):
        assert f"<tr><td>{part}</td><td>4 of 4</td>" in text
    assert "sharpening: PSNR, dB" in text
    assert "sharpening: loss of the discriminator" in text
    assert "not finished" not in text
    assert ldm(*train, "--resume", "--set", "autoencoder.adversarial=false")[0] == 0
    assert list(gather(Run(run)).networks) == ["autoencoder", "perceptual"]


def test_without_a_judge_one_class_has_sharpness_alone_and_is_told_how_to_get_one(
    tiny_config, ldm, tmp_path
):
    source, data, run = tmp_path / "flat", tmp_path / "data", tmp_path / "run"
    source.mkdir()
    for number in range(40):
        pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(source / f"{number}.png")
    (source / "broken.png").write_bytes(b"no picture")
    assert ldm("prepare", source, data, "--size", "16")[0] == 0
    for stage in ("autoencoder", "diffusion"):
        short = ("--set", f"{stage}.training.steps=3", *CPU)
        assert ldm(f"train-{stage}", tiny_config, "--data", data, "--run", run, *short)[0] == 0
    page = tmp_path / "page.html"
    status, _, errors = ldm("report", run, "--images", "20", "--out", page, *CPU)
    assert status == 0 and not (run / "report.html").exists(), errors
    text = page.read_text()
    assert "ldm train-classifier trains one for data of one class" in " ".join(text.split())
    assert "sharpness" in text and "conditional accuracy" not in text
    (reason,) = Dataset.open(data).info.skipped_by_reason  # it is told without --data
    assert html.escape(reason, quote=False) in html.unescape(text)


def test_an_older_run_opens_and_is_not_taken_for_changed(tiny_run, shapes, tmp_path, capsys):
    run = tmp_path / "old"
    shutil.copytree(tiny_run / "reference", run / "reference")
    path = run / "reference" / "data.json"
    facts = json.loads(path.read_text())
    assert facts.pop("skipped") == {}
    path.write_text(json.dumps(facts))
    assert Reference.open(Run(run)).facts.skipped is None
    assert write_reference(Run(run), Dataset.open(shapes)).skipped == {}
    assert "changed" not in capsys.readouterr().out
    assert DataFacts.model_validate_json(path.read_text()).skipped == {}


def test_other_data_are_refused(tiny_run, shapes, tmp_path, ldm):
    other, page = tmp_path / "other", tmp_path / "x.html"
    shutil.copytree(shapes, other)
    info = json.loads((other / "dataset.json").read_text())
    (other / "dataset.json").write_text(json.dumps(info | {"checksum": "0" * 64}))
    status, _, errors = ldm("report", tiny_run, "--data", other, "--out", page, *CPU)
    assert status == 2 and "is not the data set" in errors and not page.exists()


def test_a_damaged_sweep_is_told(tiny_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(tiny_run / "autoencoder", run / "autoencoder")
    (run / "sweep").mkdir()
    (run / "sweep" / "sweep.json").write_text('[{"guidance": 1}]')
    found = gather(Run(run))
    assert found.trials == [] and "another version" in found.missing["sweep"]


def test_curves_keep_their_ends():
    x, y = thinned([(step, step / 1000) for step in range(1, 10_001)])
    assert len(x) == 200 and x[0] < 60 and x[-1] > 9_940
    assert np.allclose(y, np.array(x) / 1000)


def test_the_sweep_leaves_out_its_confirmation(page, hostile_run):
    trials = gather(Run(hostile_run)).trials
    assert len(trials) == 7
    panels = score_panels(trials, ON_A_PAGE)
    assert [panel.title for panel in panels] == ["FID", "accuracy", "precision", "recall"]
    (curve,) = panels[0].curves
    assert curve.x == [1, 1.25, 1.5, 2, 3, 4]
    assert curve.y == [trial.fid for trial in trials[:6]]
