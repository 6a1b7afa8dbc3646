"""--tensorboard: the events hold what metrics.jsonl and pictures/ hold.

Each step is there once, however often a training was stopped.
"""

import importlib
import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from latent_diffusion.data.store import Dataset
from latent_diffusion.distributed import World
from latent_diffusion.inspection.previews import reconstruction_preview
from latent_diffusion.run import Part, Run
from latent_diffusion.training.autoencoder import train_autoencoder
from latent_diffusion.training.stage import Start
from latent_diffusion.training.stages import load_config

WORLD = World(0, 1, torch.device("cpu"))
SETTINGS = [
    f"autoencoder.training.{one}"
    for one in ("steps=62", "checkpoint_every=30", "preview_every=13", "batch_size=4")
]
KILLED = 52  # after a checkpoint at 30, figures of 40 and a picture of 39


class Killed(Exception):
    pass


def check_events(part: Part, pictures: set[int]) -> None:
    """Scalars are those of metrics.jsonl, pictures those of pictures/, each once."""
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulators.EventAccumulator(
        str(part.folder / "tensorboard"), size_guidance={"scalars": 0, "images": 0}
    ).Reload()
    records = [json.loads(line) for line in part.metrics_path.read_text().splitlines()]
    names = {name for record in records for name in record} - {"step"}
    assert (
        set(events.Tags()["scalars"]) == names
        and {"loss", "gradient_norm", "learning_rate", "images_per_second"} <= names
    )
    for name in names:
        found = events.Scalars(name)
        assert [event.step for event in found] == [record["step"] for record in records]
        assert [event.value for event in found] == pytest.approx(
            [record[name] for record in records], rel=1e-6, abs=1e-6
        )
    assert [event.step for event in events.Images("preview")] == sorted(pictures)
    for event in events.Images("preview"):
        drawn = Image.open(part.folder / "pictures" / f"{event.step:06d}.png")
        (part.folder / "event.png").write_bytes(event.encoded_image_string)
        assert np.array_equal(np.asarray(Image.open(part.folder / "event.png")), np.asarray(drawn))


def test_events_are_the_log_and_the_pictures(shapes, tiny_config, tmp_path):
    pytest.importorskip("tensorboard")
    run, data, stage = (
        Run(tmp_path / "run"),
        Dataset.open(shapes),
        load_config(tiny_config, SETTINGS).autoencoder,
    )
    draw = reconstruction_preview(run, data)

    def kill(model, step):
        if step == KILLED:
            raise Killed
        return draw(model, step)

    with pytest.raises(Killed):
        train_autoencoder(run, data, stage, WORLD, Start(tensorboard=True), kill)
    check_events(run.autoencoder, {13, 26, 39})  # on disk without any goodbye
    for _ in range(2):  # the second one has nothing left to do
        train_autoencoder(run, data, stage, WORLD, Start(resume=True, tensorboard=True), draw)
        check_events(run.autoencoder, {13, 26, 39, 52, 62})
    short = load_config(tiny_config, ["autoencoder.training.steps=2"]).autoencoder
    train_autoencoder(run, data, short, WORLD, Start(overwrite=True, tensorboard=True), draw)
    check_events(run.autoencoder, {2})
    train_autoencoder(run, data, short, WORLD, Start(overwrite=True), draw)
    assert not (run.autoencoder.folder / "tensorboard").exists()  # what it showed is gone


def test_the_three_commands_take_the_option(shapes, tiny_config, tmp_path, ldm):
    pytest.importorskip("tensorboard")
    for command, part in (
        ("train-autoencoder", "autoencoder"),
        ("train-classifier", "classifier"),
        ("train-diffusion", "diffusion"),
    ):
        arguments = [
            command,
            tiny_config,
            "--data",
            shapes,
            "--run",
            tmp_path / "run",
            f"--set={part}.training.steps=4",
        ]
        status, _, errors = ldm(
            *arguments, "--set=sampling.steps=2", "--tensorboard", "--device", "cpu"
        )
        assert status == 0 and list((tmp_path / "run" / part / "tensorboard").glob("events.*")), (
            errors
        )
    check_events(Run(tmp_path / "run").diffusion, {4})


def test_without_the_package_it_is_one_line_and_nothing_begins(
    shapes, tiny_config, tmp_path, ldm, monkeypatch
):
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ImportError):
        importlib.import_module("torch.utils.tensorboard")
    arguments = [
        "train-autoencoder",
        tiny_config,
        "--data",
        shapes,
        "--run",
        tmp_path / "run",
        "--set=autoencoder.training.steps=2",
    ]
    status, _, errors = ldm(*arguments, "--tensorboard")
    assert status == 2 and "[tensorboard]" in errors and errors.count("\n") == 1
    assert not (tmp_path / "run").exists()
    assert ldm(*arguments, "--device", "cpu")[0] == 0  # without the option nothing asks for it
