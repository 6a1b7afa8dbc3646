"""Whatever is handed to `ldm evaluate`: a defined score, or one clear line. Never a traceback."""

import json
import shutil
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latent_diffusion.run import Run
from latent_diffusion.tensors import load_tensors, save_tensors

SIZE = 16
CLASSES = ("disk", "cross", "square")


def pictures(folder: Path, images, classes=None, mode="RGB") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        Image.fromarray(image).convert(mode).save(folder / f"{number}.png")
    if classes:
        files = {f"{number}.png": {"class": name} for number, name in enumerate(classes)}
        (folder / "samples.json").write_text(json.dumps({"files": files}))
    return folder


def noise(count: int, size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def constant(value: int, count: int = 30) -> np.ndarray:
    return np.full((count, SIZE, SIZE, 3), value, np.uint8)


def with_file(folder: Path, name: str, content: bytes) -> Path:
    pictures(folder, noise(5))
    (folder / name).write_bytes(content)
    return folder


def png(image: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def listed(folder: Path, text: str) -> Path:
    pictures(folder, noise(3))
    (folder / "samples.json").write_text(text)
    return folder


def written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def empty(folder: Path) -> Path:
    folder.mkdir()
    return folder


def damaged_zip(folder: Path) -> Path:
    whole = zipped(folder / "t.zip", {"1.png": png(noise(1)[0])})
    return written(folder / "s.zip", whole.read_bytes()[20:])


# What is given, and in REFUSED a word of the one line that says what is wrong.
SCORED = {
    "one image": lambda p: pictures(p / "s", noise(1)),
    "two images": lambda p: pictures(p / "s", noise(2), ("disk", "cross")),
    "three images": lambda p: pictures(p / "s", noise(3), CLASSES),
    "seven images, fewer than intervals need": lambda p: pictures(p / "s", noise(7)),
    "nine images": lambda p: pictures(p / "s", noise(9), CLASSES * 3),
    "black": lambda p: pictures(p / "s", constant(0), CLASSES * 10),
    "white": lambda p: pictures(p / "s", constant(255), CLASSES * 10),
    "the same noise thirty times": lambda p: pictures(
        p / "s", np.repeat(noise(1), 30, axis=0), CLASSES * 10
    ),
    "a class never generated": lambda p: pictures(p / "s", noise(20), ("disk", "cross") * 10),
    "one class alone": lambda p: pictures(p / "s", noise(20), ("disk",) * 20),
    "classes that the judge does not know": lambda p: pictures(
        p / "s", noise(20), ("unicorn",) * 20
    ),
    "grey": lambda p: pictures(p / "s", noise(12), mode="L"),
    "transparent": lambda p: pictures(p / "s", noise(12), mode="RGBA"),
    "palette": lambda p: pictures(p / "s", noise(12), mode="P"),
    "more than there are held-out images": lambda p: pictures(p / "s", noise(80)),
    "a zip with a folder and hidden files": lambda p: zipped(
        p / "s.zip",
        {
            "a/1.png": png(noise(1)[0]),
            "a/2.png": png(constant(3)[0]),
            "__MACOSX/a/._1.png": b"x",
            "a/.DS_Store": b"x",
            "notes.txt": b"x",
        },
    ),
    "a stray text file": lambda p: with_file(p / "s", "notes.txt", b"hello"),
}
REFUSED = {
    "nothing there": (lambda p: p / "none", "no images at"),
    "an empty folder": (lambda p: empty(p / "s"), "no picture"),
    "a folder of texts": (lambda p: written(p / "s" / "a.txt", b"x").parent, "no picture"),
    "a text as samples": (lambda p: written(p / "t.txt", b"x"), "no images at"),
    "a damaged zip": (damaged_zip, "s.zip"),
    "an empty zip": (lambda p: zipped(p / "s.zip", {}), "no picture"),
    "two sizes mixed": (lambda p: with_file(p / "s", "9.png", png(noise(1, 20)[0])), "20x20"),
    "another size": (lambda p: pictures(p / "s", noise(5, 32)), "32x32"),
    "not square": (lambda p: with_file(p / "s", "9.png", png(noise(1, 20)[0][:16])), "20x16"),
    "an empty file": (lambda p: with_file(p / "s", "9.png", b""), "9.png"),
    "a truncated file": (lambda p: with_file(p / "s", "9.png", png(noise(1)[0])[:200]), "9.png"),
    "a text called .png": (lambda p: with_file(p / "s", "9.png", b"hello"), "9.png"),
    "a truncated file in a zip": (
        lambda p: zipped(p / "s.zip", {"1.png": png(noise(1)[0])[:200]}),
        "1.png",
    ),
    "a damaged list": (lambda p: listed(p / "s", "{"), "damaged"),
    "an interrupted sampling": (
        lambda p: listed(p / "s", '{"files": {}, "pending": ["0.png"]}'),
        "interrupted",
    ),
    "a list of files that are not there": (
        lambda p: listed(p / "s", '{"files": {"gone.png": {}}}'),
        "gone.png",
    ),
    "a list that leads elsewhere": (
        lambda p: listed(p / "s", '{"files": {"../0.png": {}}}'),
        "damaged",
    ),
}


@pytest.mark.parametrize("case", SCORED)
def test_gets_defined_scores(case, tiny_run, tmp_path, ldm):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    given = SCORED[case](tmp_path)
    status, output, errors = ldm("evaluate", given, "--run", run, "--device", "cpu")
    assert status == 0, errors
    # JSON has no NaN: scores that are NaN would not have been written.
    scores = json.loads((run / "scores.json").read_text())[str(given)]
    for name, score in scores["scores"].items():
        assert np.isfinite(score["value"]), name
        assert score["low"] is None or score["low"] <= score["value"] <= score["high"], name
    assert "sharpness" in output and "inception_score" in scores["scores"]


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused_in_one_line(case, tiny_run, tmp_path, ldm):
    make, hint = REFUSED[case]
    status, _, errors = ldm("evaluate", make(tmp_path), "--run", tiny_run, "--device", "cpu")
    assert status == 2 and hint in errors, errors
    assert errors.startswith("ldm: ") and errors.count("\n") == 1


@pytest.mark.parametrize(
    "arrays, hint",
    [
        (None, "no file of statistics"),
        ("zip", "no file of statistics"),
        ({"mu": np.zeros(3)}, "sigma"),
        ({"mu": np.zeros(3), "sigma": np.eye(3)}, "dimension"),
        ({"mu": np.full(48, np.nan), "sigma": np.eye(48)}, "finite"),
        ({"mu": np.zeros(48), "sigma": np.eye(47)}, "agree"),
    ],
)
def test_bad_statistics_are_refused_in_one_line(arrays, hint, tiny_run, shapes, tmp_path, ldm):
    path = tmp_path / "s.npz"
    if isinstance(arrays, dict):
        np.savez(path, **arrays, network="judge", identity=Run(tiny_run).classifier.checksum())
    else:
        path.write_bytes(b"PK\x03\x04 half a download" if arrays else b"nothing")
    status, _, errors = ldm(
        "evaluate", shapes, "--run", tiny_run, "--reference", path, "--device", "cpu"
    )
    assert status == 2 and errors.count("\n") == 1 and hint in errors, errors


def test_nan_weights_are_named(tiny_run, shapes, tmp_path, ldm):
    run = Run(shutil.copytree(tiny_run, tmp_path / "run"))
    tensors, metadata = load_tensors(run.classifier.model_path)
    for name, tensor in tensors.items():
        if tensor.is_floating_point():
            tensors[name] = tensor * float("nan")
    save_tensors(run.classifier.model_path, tensors, metadata)
    status, _, errors = ldm("evaluate", shapes, "--run", run.folder, "--device", "cpu")
    assert status == 2 and errors.count("\n") == 1
    assert "different networks" in errors
    status, _, errors = ldm(
        "evaluate", shapes, "--run", run.folder, "--data", shapes, "--device", "cpu"
    )
    assert status == 2 and errors.count("\n") == 1 and "damaged" in errors
