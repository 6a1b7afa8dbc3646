"""A submission is what the course wants, byte for byte again; every planted fault is found."""

import io
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latent_diffusion.evaluation.rubric import Rubric
from latent_diffusion.submission import checking
from latent_diffusion.submission.checking import find_faults

MINE = """
title = "mine"
images = 20
size = 16
[[parts]]
name = "FID"
score = "fid"
zero_at = 100.0
full_at = 40.0
points = 100
[submission]
files = "fixed-{seed:03d}.png"
favourites = 3
"""
ZIPPED = (
    MINE.replace("favourites = 3", "zip = true\nprocess = true")
    .replace("fixed-{seed:03d}", "{seed:05d}")
    .replace('"mine"', '"zipped"')
)


@pytest.fixture(scope="module")
def rubrics(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rubrics")
    for name, text in (("mine", MINE), ("zipped", ZIPPED)):
        (folder / f"{name}.toml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def built(rubrics, tiny_run, tmp_path_factory):
    from latent_diffusion.run import Run
    from latent_diffusion.submission.building import submit

    out, run = tmp_path_factory.mktemp("handin"), Run(tiny_run)
    made = {}
    for name in ("mine", "zipped"):
        rules = Rubric.load(rubrics / f"{name}.toml")
        made[name] = submit(run, out / name, rules, None, "cpu", lambda _: None)
    return made


def test_a_folder_with_favourites(built, rubrics):
    names = sorted(path.name for path in built["mine"].path.iterdir())
    assert names[3:] == [f"fixed-{seed:03d}.png" for seed in range(1, 21)]
    assert names[:3] == sorted(f"favorite-{seed}.png" for seed in built["mine"].favourites)
    assert min(built["mine"].favourites) > 20
    assert find_faults(built["mine"].path, Rubric.load(rubrics / "mine.toml")) == []
    assert [path.name for path in built["mine"].beside] == ["mine-contact.png"]


def test_a_flat_zip_with_the_process_beside_it(built, rubrics):
    with zipfile.ZipFile(built["zipped"].path) as archive:
        assert archive.namelist() == [f"{seed:05d}.png" for seed in range(1, 21)]
    assert find_faults(built["zipped"].path, Rubric.load(rubrics / "zipped.toml")) == []
    assert Image.open(built["zipped"].beside[1]).size == (8 * 16, 8 * 16)


def test_the_files_are_those_that_sample_draws(built, tiny_run, ldm, tmp_path):
    assert ldm("sample", tiny_run, tmp_path / "s", "--seeds", "1-20", "--device", "cpu")[0] == 0
    for seed in (1, 20):
        handed = built["mine"].path / f"fixed-{seed:03d}.png"
        assert handed.read_bytes() == (tmp_path / "s" / f"{seed:05d}.png").read_bytes()


def save(path: Path, mode="RGB", size=(16, 16), form="PNG") -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path, form)


def save_in_folder(path: Path) -> None:
    path.parent.mkdir()
    save(path)


def pad_favourite(folder: Path) -> None:
    favourite = next(folder.glob("favorite-*"))
    favourite.rename(folder / favourite.name.replace("-", "-0"))


FAULTS = {
    "missing zero padding": (
        lambda d: (d / "fixed-007.png").rename(d / "fixed-7.png"),
        "must be called fixed-007.png",
    ),
    "one image too few": (
        lambda d: (d / "fixed-020.png").unlink(),
        "1 of 20 files are missing: fixed-020.png",
    ),
    "transparent": (lambda d: save(d / "fixed-003.png", "RGBA"), "mode RGBA"),
    "grey": (lambda d: save(d / "fixed-003.png", "L"), "mode L"),
    "palette": (lambda d: save(d / "fixed-003.png", "P"), "mode P"),
    "wrong size": (lambda d: save(d / "fixed-003.png", size=(32, 32)), "32x32, not 16x16"),
    "a sub-folder": (lambda d: save_in_folder(d / "more" / "a.png"), "sub-folder"),
    ".DS_Store": (lambda d: (d / ".DS_Store").write_bytes(b"x"), "hidden file"),
    "a duplicate": (
        lambda d: shutil.copy(d / "fixed-001.png", d / "fixed-002.png"),
        "the same picture as fixed-001.png",
    ),
    "a JPEG called .png": (lambda d: save(d / "fixed-003.png", form="JPEG"), "a JPEG file"),
    "truncated": (
        lambda d: (d / "fixed-003.png").write_bytes((d / "fixed-004.png").read_bytes()[:90]),
        "damaged",
    ),
    "an empty file": (lambda d: (d / "fixed-003.png").write_bytes(b""), "not a picture"),
    "a stray file": (lambda d: (d / "notes.txt").write_text("x"), "does not belong"),
    "a favourite too few": (
        lambda d: next(d.glob("favorite-*")).unlink(),
        "2 favourites instead of 3",
    ),
    "a padded favourite": (pad_favourite, "without leading zeros"),
    "upper case": (
        lambda d: (d / "fixed-007.png").rename(d / "Fixed-007.PNG"),
        "must be called fixed-007.png",
    ),
    "one image too many": (lambda d: save(d / "fixed-021.png"), "fixed-021.png: does not belong"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_found(fault, built, rubrics, tmp_path):
    handed = shutil.copytree(built["mine"].path, tmp_path / "handed")
    FAULTS[fault][0](handed)
    found = find_faults(handed, Rubric.load(rubrics / "mine.toml"))
    assert any(FAULTS[fault][1] in line for line in found), found


def test_faults_of_a_zip(built, rubrics, tmp_path):
    rules = Rubric.load(rubrics / "zipped.toml")
    picture = io.BytesIO()
    save(picture)
    with (
        zipfile.ZipFile(built["zipped"].path) as archive,
        zipfile.ZipFile(tmp_path / "bad.zip", "w") as bad,
    ):
        for name in archive.namelist()[:-1]:
            bad.writestr(f"folder/{name}" if name == "00003.png" else name, archive.read(name))
        bad.writestr("__MACOSX/._00001.png", b"x")
    found = find_faults(tmp_path / "bad.zip", rules)
    for fault in ("sub-folder", "hidden", "2 of 20"):
        assert any(fault in line for line in found), fault
    assert "a folder, where one .zip is wanted" in find_faults(built["mine"].path, rules)


def test_command_line(built, rubrics, tiny_run, ldm, tmp_path):
    own, other, rules = tmp_path / "own", tmp_path / "x", ["--rubric", rubrics / "mine.toml"]
    status, output, errors = ldm("submit", "--check", built["mine"].path, *rules)
    assert status == 0 and "can be handed in" in output
    options = "--favourites 30,31,32 --device cpu".split()
    status, output, errors = ldm("submit", tiny_run, own, *rules, *options)
    assert status == 0 and (own / "favorite-31.png").is_file(), errors
    (own / ".DS_Store").write_bytes(b"x")
    status, output, errors = ldm("submit", "--check", own, *rules)
    assert status == 2 and "1 faults" in errors and ".DS_Store" in output
    for arguments, hint in (
        (rules, "--check"),
        ([tiny_run, own, *rules], "already"),
        ([tiny_run, other], "64x64"),
        ([tiny_run, other, *rules, "--favourites", "3"], "3 favourites"),
    ):
        status, _, errors = ldm("submit", *arguments)
        assert status == 2 and hint in errors and errors.count("\n") == 1


def test_what_cannot_be_drawn_is_refused_before_anything_is(rubrics, tiny_run, ldm, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    config, before = run / "diffusion" / "config.toml", '[sampling]\nsampler = "dpmpp_2m"\nsteps = '
    config.write_text(config.read_text().replace(f"{before}8", f"{before}5"))
    mine = ["--rubric", rubrics / "mine.toml", "--device", "cpu"]
    zipped = ["--rubric", rubrics / "zipped.toml", "--device", "cpu"]
    status, _, errors = ldm("submit", run, tmp_path / "hand.v2", *zipped)
    assert status == 2 and "wants the process in 7 parts, and" in errors and "5 steps" in errors
    shutil.rmtree(run / "classifier")
    status, _, errors = ldm("submit", run, tmp_path / "hand", *mine)
    assert status == 2 and "train-classifier" in errors
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    status, _, errors = ldm("submit", run, tmp_path / "hand", *mine, "--favourites", "x")
    assert status == 2 and "--favourites 'x'" in errors
    assert ldm("submit", tiny_run, tmp_path / "hand.v2", *zipped)[0] == 0
    made = sorted(path.name for path in tmp_path.glob("hand*"))
    assert made == ["hand.v2-contact.png", "hand.v2-process.png", "hand.v2.zip"]


@pytest.mark.parametrize(
    "pattern", ["fixed-{number}.png", "fixed.png", "fixed-{seed:03d", "{}.png", "{seed[0]}.png"]
)
def test_file_names_of_a_rubric_need_the_seed(tmp_path, pattern):
    (tmp_path / "r.toml").write_text(MINE.replace("fixed-{seed:03d}.png", pattern))
    with pytest.raises(ValueError, match=r"must have \{seed\} in it"):
        Rubric.load(tmp_path / "r.toml")


@pytest.mark.parametrize(
    "pattern", ["fav-{seed:03d}.png", "fav.png", "{seed[0]}.png", "{seed}{seed}.png"]
)
def test_file_names_of_favourites_have_the_seed_as_it_is(tmp_path, pattern):
    (tmp_path / "r.toml").write_text(MINE + f'favourite_files = "{pattern}"')
    with pytest.raises(ValueError, match=r"favourite_files.* must have \{seed\} in it, just so"):
        Rubric.load(tmp_path / "r.toml")


def test_hostile_zips_are_faults(rubrics, ldm, tmp_path, monkeypatch):
    """A bomb is one fault, not read; a damaged zip is one line; nobody waits at a pipe."""
    monkeypatch.setattr(checking, "MAX_FILE_BYTES", 2**16)
    path, folder = tmp_path / "handed.zip", tmp_path / "handed"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", bytes(2**20))
    check = ("submit", "--rubric", rubrics / "zipped.toml", "--check")
    status, output, _ = ldm(*check, path)
    assert status == 2 and "bomb.png: cannot be read (larger than" in " ".join(output.split())
    path.write_bytes(path.read_bytes()[:40] + path.read_bytes()[60:])
    status, _, errors = ldm(*check, path)
    assert status == 2 and errors.count("\n") == 1
    folder.mkdir()
    os.mkfifo(folder / "pipe.png")
    status, output, _ = ldm(*check, folder)
    assert status == 2 and "pipe.png: cannot be read (not a regular file)" in output
