"""Faults of settings, runs, samples and rubrics."""

import io
import pickle
from collections.abc import Callable
from pathlib import Path

import torch
from fault_places import DEEP, Place, fifo, header_of, spoilt, zipped


def flip(path: Path, position: int = -3) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 4
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


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


# What happens: how, the exit status, and words of what is said.
FAULTS: dict[str, tuple[Callable[[Place], list], int, str]] = {
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
    "a rubric nested 10,000 deep": (
        lambda p: rubric(p, f"x = {'[' * DEEP}{']' * DEEP}"),
        *(2, "nested too deeply"),
    ),
}
