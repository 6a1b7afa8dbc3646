"""The table of faults in latent_diffusion/README.md: each row happens here, or in the test named.

Whatever is given: the exit status of the table, one line, no traceback, nothing lost.
"""

import gzip
import io
import json
import os
import pickle
import re
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from latent_diffusion.data import arrays
from latent_diffusion.data import prepare as prepare_module
from latent_diffusion.data.sources import svhn
from latent_diffusion.data.store import Dataset

HERE = Path(__file__).parent
README = HERE.parents[1] / "latent_diffusion" / "README.md"


@dataclass
class Place:
    """Where a fault is made: a folder of its own, and good things to spoil copies of."""

    folder: Path
    good_run: Path
    good_data: Path
    config: Path

    def run(self) -> Path:
        return Path(shutil.copytree(self.good_run, self.folder / "run"))

    def data(self) -> Path:
        return Path(shutil.copytree(self.good_data, self.folder / "data"))

    def pictures(self, count: int = 12) -> Path:
        """A folder of two classes of good pictures."""
        for number in range(2 * count):
            path = self.folder / "in" / ("cat" if number % 2 else "dog") / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(number))
        return self.folder / "in"

    def train(self, data: Path, *more) -> list:
        short = ["--set", "classifier.training.steps=2", "--device", "cpu"]
        start = ["train-classifier", self.config, "--data", data, "--run", self.folder / "new"]
        return [*start, *short, *more]

    def setting(self, text: str) -> list:
        return self.train(self.good_data, "--set", text)

    def toml(self, text: str) -> list:
        path = self.folder / "mine.toml"
        path.write_text(text)
        return ["train-classifier", path, *self.train(self.good_data)[2:]]

    def prepare(self, source: Path, *more) -> list:
        return ["prepare", source, self.folder / "out", "--size", "16", *more]

    def sample(self, run: Path) -> list:
        more = ["--seeds", "1", "--steps", "1", "--device", "cpu"]
        return ["sample", run, self.folder / "samples", *more]

    def evaluate(self, samples: Path, run: Path | None = None) -> list:
        return ["evaluate", samples, "--run", run or self.good_run, "--device", "cpu"]


def png(seed: int, size: int = 16) -> bytes:
    stream = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, "PNG")
    return stream.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def huge_png(side: int) -> bytes:
    header = struct.pack(">2I5B", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def header_of(shape: tuple, kind: str = "|u1") -> bytes:
    """The beginning of an .npy of this shape."""
    stream = io.BytesIO()
    described = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, described)
    return stream.getvalue()


def flip(path: Path, position: int = -3) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 4
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def two_classes(more: dict[str, bytes]) -> dict[str, bytes]:
    """Good pictures of two classes, and more files."""
    return {f"{('cat', 'dog')[n % 2]}/{n}.png": png(n) for n in range(24)} | more


def edited(path: Path, change: Callable[[bytes], bytes]) -> Path:
    path.write_bytes(change(path.read_bytes()))
    return path


def spoilt(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def with_json(place: Place, name: str, change: Callable[[dict], None]) -> Path:
    data = place.data()
    content = json.loads((data / name).read_text())
    change(content)
    (data / name).write_text(json.dumps(content))
    return data


def cifar(place: Place, content: bytes) -> list:
    spoilt(place.folder / "cifar" / "data_batch_1", content)
    return place.prepare(place.folder / "cifar")


def idx(place: Place, images: bytes, labels: bytes, ending: str = "") -> list:
    for name, content in (("images-idx3", images), ("labels-idx1", labels)):
        packed = gzip.compress(content) if ending else content
        spoilt(place.folder / "idx" / f"train-{name}-ubyte{ending}", packed)
    return place.prepare(place.folder / "idx")


def matlab(place: Place, content: bytes) -> list:
    for name in ("train", "test"):
        spoilt(place.folder / "svhn" / f"{name}_32x32.mat", content)
    return place.prepare(place.folder / "svhn")


def cells() -> bytes:
    """A .mat whose X is a cell of cells."""
    from scipy.io import savemat

    stream, inner = io.BytesIO(), np.zeros(1, object)
    for _ in range(30):
        outer = np.zeros(1, object)
        outer[0] = inner
        inner = outer
    savemat(stream, {"X": inner, "y": np.ones(3)})
    return stream.getvalue()


def packed_mat(size: int) -> bytes:
    """A .mat with an element that unpacks to so many bytes of nothing."""
    body = zlib.compress(bytes(size))
    return b" " * 124 + b"\0\1IM" + struct.pack("<2I", 15, len(body)) + body


def huge_name_tar(path: Path) -> Path:
    """A .tar.gz with a name that claims to be of 4 GiB."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2**32
    with gzip.open(path, "wb") as file:
        file.write(info.tobuf() + bytes(2**20))
    return path


def deep_pickle() -> bytes:
    return b"\x80\x02}" + b")" + b"\x85" * 200_000 + b"K\x01s."


class Harm:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def fifo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    return path


def loop_of_links(place: Place) -> Path:
    source = place.pictures()
    (source / "cat" / "again").symlink_to(source, target_is_directory=True)
    (source / "itself").symlink_to(source / "itself")
    return source


def odd_names(place: Place) -> Path:
    source = place.pictures()
    for name in (b"two\nlines.png", b"no \xff utf-8.png", b"bad \xfe.png"):
        content = b"no picture" if b"bad" in name else png(len(name))
        (source / "cat" / os.fsdecode(name)).write_bytes(content)
    return source


def csv_bomb(place: Place) -> Path:
    source = place.pictures()
    (source / "labels.csv").write_text("," * 10**6 + "\n" + "x\n" * 10**5)
    return source


def good_zip(place: Place) -> Path:
    return zipped(place.folder / "s.zip", two_classes({}))


def claims_more(place: Place) -> Path:
    """A zip whose member unpacks to more than it says."""
    path = zipped(place.folder / "s.zip", two_classes({"cat/0.png": png(0) + bytes(10**6)}))
    old, new = (struct.pack("<I", size) for size in (len(png(0)) + 10**6, len(png(0))))
    return edited(path, lambda content: content.replace(old, new))


def checkpoints_flipped(place: Place) -> list:
    run = place.run()
    for path in run.glob("diffusion/checkpoint/*.safetensors"):
        flip(path)
    return ["train-diffusion", "--data", place.good_data, "--run", run, "--resume"]


def run_with(place: Place, name: str, content: bytes) -> Path:
    run = place.run()
    spoilt(run / name, content)
    return run


def run_but(place: Place, name: str, harm: Callable[[Path], None]) -> Path:
    run = place.run()
    harm(run / name)
    return run


def torch_pickle() -> bytes:
    stream = io.BytesIO()
    torch.save({"weight": torch.ones(2)}, stream)
    return stream.getvalue()


def images_npz(path: Path, shape: tuple, content: bytes) -> Path:
    return zipped(path, {"arr_0.npy": header_of(shape) + content})


def rubric(place: Place, text: str) -> list:
    path = place.folder / "mine.toml"
    path.write_text(text)
    return ["grade", place.good_data, "--run", place.good_run, "--rubric", path]


DEEP = 10_000
# What happens: how, the exit status, and words of what is said.
HERE_HAPPENS: dict[str, tuple[Callable[[Place], list], int, str]] = {
    "a setting that does not exist": (
        lambda p: p.setting("classifier.training.stepz=3"),
        *(2, "did you mean steps"),
    ),
    "a config nested 10,000 deep": (
        lambda p: p.toml(f"x = {'[' * DEEP}{']' * DEEP}"),
        *(2, "nested too deeply"),
    ),
    "`--set` of a name 10,000 deep": (
        lambda p: p.setting("a." * DEEP + "b=1"),
        *(2, "no setting so deep"),
    ),
    "configs that extend each other in a circle": (
        lambda p: p.toml('extends = "mine.toml"'),
        *(2, "goes in a circle"),
    ),
    "a config that is no UTF-8": (
        lambda p: [
            "train-classifier",
            spoilt(p.folder / "c.toml", b"x = '\xff'"),
            *p.train(p.good_data)[2:],
        ],
        *(2, "not valid TOML"),
    ),
    "a number of 5,000 digits": (
        lambda p: p.toml(f"[classifier.training]\nsteps = {'9' * 5000}"),
        *(2, "mine.toml"),
    ),
    "a learning rate of infinity": (
        lambda p: p.setting("classifier.training.learning_rate=inf"),
        *(2, "finite"),
    ),
    "a batch of 10^18 images": (
        lambda p: p.setting("classifier.training.batch_size=1000000000000000000"),
        *(2, "less than or equal"),
    ),
    "a network too large for any memory": (
        lambda p: p.setting("classifier.model.widths=[1000000000000]"),
        *(2, "out of memory"),
    ),
    "a folder that is no run": (lambda p: p.sample(p.good_data), 2, "is not a run"),
    "an empty `config.toml` in a run": (
        lambda p: p.sample(run_with(p, "diffusion/config.toml", b"")),
        *(2, "is not what a training"),
    ),
    "a run of a later version": (
        lambda p: p.sample(
            run_but(
                p,
                "diffusion/config.toml",
                lambda path: path.write_text(
                    path.read_text().replace("version = 2", "version = 9")
                ),
            )
        ),
        *(2, "update it"),
    ),
    "weights with one flipped bit": (
        lambda p: p.sample(run_but(p, "diffusion/model.safetensors", flip)),
        *(2, "checksum does not hold"),
    ),
    "weights cut short": (
        lambda p: p.sample(run_but(p, "diffusion/model.safetensors", cut)),
        *(2, "is damaged"),
    ),
    "weights whose header claims 2^60 bytes": (
        lambda p: p.sample(
            run_with(p, "diffusion/model.safetensors", (2**60).to_bytes(8, "little") + b"{}")
        ),
        *(2, "cut short"),
    ),
    "a pickle in the place of weights": (
        lambda p: p.sample(run_with(p, "diffusion/model.safetensors", torch_pickle())),
        *(2, "no safetensors file"),
    ),
    "both checkpoints damaged, and `--resume`": (
        checkpoints_flipped,
        *(2, "no checkpoint of the denoiser is whole"),
    ),
    "`reference/images.npy` claims 10^15 bytes": (
        lambda p: p.sample(run_with(p, "reference/images.npy", header_of((10**15,)))),
        *(0, ""),
    ),
    "… and is needed": (
        lambda p: p.evaluate(
            p.good_data, run_with(p, "reference/images.npy", header_of((10**15,)))
        ),
        *(2, "cut short"),
    ),
    "statistics of the judge that would unpack to gigabytes": (
        lambda p: p.evaluate(
            p.good_data,
            zipped(p.run() / "reference" / "judge.npz", {"mu.npy": bytes(2**22)}).parents[1],
        ),
        *(2, "would unpack to"),
    ),
    "`scores.json` holds something else": (
        lambda p: p.evaluate(p.good_data, run_with(p, "scores.json", b"[1, 2]")),
        *(0, "not recorded"),
    ),
    "`samples.json` nested 10,000 deep": (
        lambda p: p.evaluate(
            spoilt(p.pictures() / "samples.json", b'{"files":' + b"[" * DEEP).parent
        ),
        *(2, "is damaged"),
    ),
    "`samples.json` whose class is a list": (
        lambda p: p.evaluate(
            spoilt(p.pictures() / "samples.json", b'{"files": {"a.png": {"class": []}}}').parent
        ),
        *(2, "is damaged"),
    ),
    "a pipe in the place of samples": (
        lambda p: p.evaluate(fifo(p.folder / "pipe")),
        *(2, "no images at"),
    ),
    "an `.npy` of samples that claims 10^15 images": (
        lambda p: p.evaluate(spoilt(p.folder / "a.npy", header_of((10**15, 16, 16, 3)))),
        *(2, "cut short"),
    ),
    "an `.npz` of samples that would unpack to gigabytes": (
        lambda p: p.evaluate(images_npz(p.folder / "a.npz", (2**22,), bytes(2**22))),
        *(2, "would unpack to"),
    ),
    "an `.npy` that holds Python objects": (
        lambda p: p.evaluate(
            spoilt(p.folder / "a.npy", header_of((3,), "|O") + pickle.dumps([1, 2, 3]))
        ),
        *(2, "Python objects"),
    ),
    "`dataset.json` nested 10,000 deep": (
        lambda p: p.train(spoilt(p.data() / "dataset.json", b"[" * DEEP).parent),
        *(2, "is damaged"),
    ),
    "`images.npy` claims more than it has": (
        lambda p: p.train(spoilt(p.data() / "images.npy", header_of((10**15, 9))).parent),
        *(2, "cut short"),
    ),
    "`labels.npy` with labels of no class": (
        lambda p: p.train(edited(p.data() / "labels.npy", lambda b: b[:-8] + b"\x63" * 8).parent),
        *(2, "do not agree"),
    ),
    "one changed pixel, and `--check-data`": (
        lambda p: p.train(
            edited(p.data() / "images.npy", lambda b: b[:-9] + b"\x01" + b[-8:]).parent,
            "--check-data",
        ),
        *(2, "checksum does not hold"),
    ),
    "a zip that is cut short": (
        lambda p: p.prepare(edited(good_zip(p), lambda content: content[:-2000])),
        *(2, "zip file"),
    ),
    "a zip of which a piece is missing": (
        lambda p: p.prepare(edited(good_zip(p), lambda content: content[:2000] + content[2100:])),
        *(0, "21 images"),
    ),
    "a zip whose names lead out of it": (
        lambda p: p.prepare(zipped(p.folder / "s.zip", two_classes({"../../cat/up.png": png(99)}))),
        *(0, "25 images"),
    ),
    "a zip whose member unpacks to more than it says": (
        lambda p: p.prepare(claims_more(p)),
        *(0, "23 images"),
    ),
    "folders in a zip, 3,000 deep": (
        lambda p: p.prepare(
            zipped(p.folder / "s.zip", two_classes({"a/" * 3000 + "x.png": png(99)}))
        ),
        *(0, "24 images"),
    ),
    "a `.tar.gz` with a name of 4 GiB": (
        lambda p: p.prepare(huge_name_tar(p.folder / "s.tar.gz")),
        *(2, "tar file"),
    ),
    "a picture that claims 50,000 x 50,000": (
        lambda p: p.prepare(spoilt(p.pictures() / "cat" / "b.png", huge_png(50_000)).parents[1]),
        *(0, "megapixels"),
    ),
    "links that loop": (lambda p: p.prepare(loop_of_links(p)), 0, "24 images"),
    "a pipe among pictures": (
        lambda p: p.prepare(fifo(p.pictures() / "cat" / "p.png").parents[1]),
        *(0, "24 images"),
    ),
    "names with line ends, and of no alphabet": (
        lambda p: p.prepare(odd_names(p)),
        *(0, "26 images"),
    ),
    "a folder of which the name is of no alphabet": (
        lambda p: p.prepare(p.pictures().rename(p.folder / os.fsdecode(b"in \xff"))),
        *(0, "24 images"),
    ),
    "a list of labels with 10^11 cells": (lambda p: p.prepare(csv_bomb(p)), 0, "24 images"),
    "a CIFAR pickle that runs a command": (
        lambda p: cifar(p, pickle.dumps({"data": Harm(p.folder / "harmed")})),
        *(2, "not a plain CIFAR pickle"),
    ),
    "a CIFAR pickle that asks for 32 GB of memo": (
        lambda p: cifar(p, b"\x80\x02}r\xff\xff\xff\x7f."),
        *(2, "not a plain CIFAR pickle"),
    ),
    "a CIFAR pickle of 200,000 tuples in each other": (
        lambda p: cifar(p, deep_pickle()),
        *(2, "not a plain CIFAR pickle"),
    ),
    "idx files whose header claims gigabytes": (
        lambda p: idx(p, struct.pack(">4I", 0x803, 1, 2**16, 2**14), struct.pack(">2Ix", 0x801, 1)),
        *(2, "declares the size"),
    ),
    "packed idx files of 2,000,000,000 labels": (
        lambda p: idx(
            p,
            struct.pack(">4I", 0x803, 2 * 10**9, 1, 1),
            struct.pack(">2I", 0x801, 2 * 10**9) + bytes(10**6),
            ".gz",
        ),
        *(2, "declares the size"),
    ),
    "a `.mat` of cells in cells": (lambda p: matlab(p, cells()), 2, "is not SVHN's"),
    "a `.mat` that would unpack to gigabytes": (
        lambda p: matlab(p, packed_mat(2 * svhn.BLOCK)),
        *(2, "is not SVHN's"),
    ),
    "a rubric nested 10,000 deep": (
        lambda p: rubric(p, f"x = {'[' * DEEP}{']' * DEEP}"),
        *(2, "nested too deeply"),
    ),
}
ELSEWHERE = {
    "a zip bomb among pictures": "data/test_prepare.py::test_zip_bombs",
    "a picture that crashes or hangs its decoder": (
        "data/test_pool.py::test_a_crash_or_a_hang_costs_one_image_each"
    ),
    "`ldm prepare` killed while it writes": (
        "data/test_store.py::test_a_killed_prepare_leaves_the_old_data_set"
    ),
    "a second training on one run": (
        "test_lock.py::test_a_training_is_refused_and_readers_are_not"
    ),
    "a file system without locks": (
        "test_lock.py::test_without_locks_one_line_says_so_and_it_goes_on"
    ),
    "the newest checkpoint damaged, and `--resume`": (
        "training/test_faults.py::test_a_damaged_checkpoint_falls_back_to_the_other_and_ends_alike"
    ),
    "another optimizer, and `--resume`": (
        "training/test_faults.py::test_the_state_of_another_optimizer_is_refused"
    ),
    "a loss that is not finite, for a few steps": (
        "training/test_faults.py::test_single_failed_steps_are_skipped_and_counted"
    ),
    "… for good": (
        "training/test_faults.py::"
        "test_failures_that_come_back_stop_in_one_line_and_keep_the_checkpoint"
    ),
    "a disk that is too small": (
        "training/test_faults.py::test_room_is_estimated_as_it_will_be_taken"
    ),
    "a disk that fills up": (
        "training/test_faults.py::test_a_disk_that_fills_up_keeps_the_last_checkpoint_and_goes_on"
    ),
    "Ctrl-C, SIGTERM, a closed terminal": (
        "training/test_faults.py::test_signals_save_also_where_two_come_at_once"
    ),
    "SIGKILL, a power cut": (
        "experiments/test_kills.py::test_a_write_killed_at_any_moment_leaves_a_whole_checkpoint"
    ),
    "the data set shrinks under a training": (
        "training/test_faults.py::test_a_data_set_that_goes_away_under_a_training_is_one_line"
    ),
    "a training out of memory": "training/test_training.py::test_out_of_memory_is_one_line",
    "a data folder that cannot be written to": (
        "training/test_latents.py::test_they_go_elsewhere_where_the_data_set_cannot_be_written_to"
    ),
    "a run that cannot be written to, and `ldm evaluate`": (
        "test_refusals.py::test_scores_are_shown_though_they_cannot_be_recorded"
    ),
    "another autoencoder under a denoiser": (
        "test_refusals.py::test_a_denoiser_of_another_autoencoder"
    ),
    "a zip bomb handed in for a course": "test_submission.py::test_hostile_zips_are_faults",
}


@pytest.fixture
def place(tiny_run, shapes, tiny_config, tmp_path, monkeypatch) -> Place:
    monkeypatch.setattr(prepare_module, "cores", lambda: 1)
    monkeypatch.setattr(arrays, "ALWAYS", 2**20)
    monkeypatch.setattr(svhn, "MAX_MAT_BYTES", svhn.BLOCK)
    return Place(tmp_path, tiny_run, shapes, tiny_config)


@pytest.mark.parametrize("fault", HERE_HAPPENS)
def test_it_ends_as_the_table_says(fault, place, ldm):
    make, wanted, words = HERE_HAPPENS[fault]
    given = make(place)
    status, output, errors = ldm(*given)
    assert status == wanted, output + errors
    assert words in " ".join((output + errors).split()), output + errors
    assert "Traceback" not in output + errors
    if wanted == 2:
        assert errors.startswith("ldm: ") and errors.count("\n") == 1, errors
        assert len(errors) < 1000
    elif "prepare" in given:
        assert Dataset.open(place.folder / "out").info.train
    assert not (place.folder / "harmed").exists(), "code was executed"
    assert not list(place.folder.parent.glob("*.png")), "something was written outside"


def rows() -> dict[str, str]:
    """The table of the README: what happens, and the exit status."""
    section = README.read_text().partition("## When something is wrong")[2]
    lines = re.findall(r"^\| (.+?) \| (.+?) \| .+ \|$", section, re.MULTILINE)
    return {what: status for what, status in lines if status.strip("-") and status != "exit"}


def test_the_table_of_the_readme_is_what_is_tested():
    assert rows().keys() == HERE_HAPPENS.keys() | ELSEWHERE.keys()
    assert len(rows()) >= 40
    for what, (_, status, _) in HERE_HAPPENS.items():
        assert rows()[what] == str(status), what


@pytest.mark.parametrize("where", ELSEWHERE.values())
def test_the_tests_that_are_named_are_there(where):
    path, _, name = where.partition("::")
    assert f"def {name}(" in (HERE / path).read_text()
