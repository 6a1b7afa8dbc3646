"""What may happen to a training, and what is left: on a network of a few numbers, in no time."""

import errno
import json
import os
import shutil
import signal

import numpy as np
import pytest
import torch
from torch import nn

from latent_diffusion.data.checksum import check_pixels
from latent_diffusion.data.store import Dataset
from latent_diffusion.distributed import World
from latent_diffusion.ema import PowerEMA
from latent_diffusion.progress import Progress
from latent_diffusion.run import Interrupted, Part, Run
from latent_diffusion.tensors import load_tensors
from latent_diffusion.training import checkpoint, room
from latent_diffusion.training.checkpoint import newest_checkpoint
from latent_diffusion.training.classifier import train_classifier
from latent_diffusion.training.config import TrainingConfig
from latent_diffusion.training.loop import Task, Trainer
from latent_diffusion.training.optimizers import make_optimizers, step_unless
from latent_diffusion.training.records import Records
from latent_diffusion.training.stages import load_config
from latent_diffusion.training.step import MOST_IN_A_ROW

CPU = torch.device("cpu")
WORLD = World(0, 1, CPU)


class Objective(nn.Module):
    """A small convolution and a line, which shall give nought; some steps give what is asked."""

    def __init__(self, faults=None):
        super().__init__()
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 1))
        self.faults, self.calls = faults or {}, 0

    def forward(self, batch, random):
        self.calls += 1
        loss = self.model(batch + random.normal_like(batch)).square().mean()
        return loss * self.faults.get(self.calls, 1.0), {"term": loss.detach()}


class Killed(Exception):
    pass


def config(**settings) -> TrainingConfig:
    short = {"steps": 60, "batch_size": 4, "checkpoint_every": 10, "warmup_steps": 2}
    return TrainingConfig(**{**short, "precision": "float32", "learning_rate": 0.01, **settings})


def training(part, faults=None, resume=False, settings=None, preview=None, said=print):
    """Train in a part's folder; return the trainer."""
    images = torch.linspace(-1, 1, 8 * 16).view(8, 1, 4, 4)
    objective = Objective(faults)
    task = Task(objective.model, objective, 8, lambda rows: images[torch.from_numpy(rows)])
    trainer = Trainer(task, config(**(settings or {})), part, WORLD, preview)
    if resume:
        found = newest_checkpoint(part, said)
        if found:
            trainer.resume(found)
    trainer.train()
    return trainer


def part(folder) -> Part:
    return Part(folder / "diffusion")


def weights(part) -> dict:
    """The tensors of the last checkpoint."""
    return load_tensors(part.checkpoint_path)[0]


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(v, other[k]) for k, v in one.items())


def steps_done(path) -> int:
    return checkpoint.Checkpoint.read(path).done


def flip(path, position=-3):
    content = bytearray(path.read_bytes())
    content[position] ^= 4
    path.write_bytes(content)


def test_two_checkpoints_are_kept(tmp_path):
    run = part(tmp_path)
    training(run)
    assert steps_done(run.checkpoint_path) == 60 and steps_done(run.earlier_checkpoint_path) == 50
    assert len(list(run.checkpoint_path.parent.iterdir())) == 2


@pytest.mark.parametrize("harm", ["flip", "cut", "gone", "empty"])
def test_a_damaged_checkpoint_falls_back_to_the_other_and_ends_alike(tmp_path, harm):
    whole, broken, said = part(tmp_path / "whole"), part(tmp_path / "broken"), []
    training(whole)

    def kill(model, step):
        if step == 35:
            raise Killed

    with pytest.raises(Killed):
        training(broken, settings={"preview_every": 5}, preview=kill)
    last = broken.checkpoint_path
    assert steps_done(last) == 30
    if harm == "flip":
        flip(last)
    elif harm == "gone":
        last.unlink()
    else:
        last.write_bytes(last.read_bytes()[: 500 * (harm == "cut")])
    trainer = training(broken, resume=True, said=said.append)
    assert trainer.done == 60 and same(weights(whole), weights(broken))
    assert harm == "gone" or ("last.safetensors is damaged" in said[0] and "step 20" in said[0])
    assert "\n" not in "".join(said)


def test_a_damaged_checkpoint_never_replaces_the_good_one(tmp_path, monkeypatch):
    run = part(tmp_path)
    training(run, settings={"steps": 30})
    flip(run.checkpoint_path)
    trainer = training(run, resume=True, settings={"steps": 30}, said=lambda text: None)
    assert steps_done(run.earlier_checkpoint_path) == 20, "the damaged one was let go, not this"
    assert steps_done(run.checkpoint_path) == 30 and trainer.last_is_good


def test_two_damaged_checkpoints_are_one_line(tmp_path):
    run = part(tmp_path)
    training(run, settings={"steps": 20})
    flip(run.checkpoint_path)
    flip(run.earlier_checkpoint_path)
    with pytest.raises(ValueError, match="no checkpoint of the denoiser is whole"):
        newest_checkpoint(run, print)


@pytest.mark.parametrize(("one", "other"), [("muon", "adamw"), ("adamw", "muon")])
def test_the_state_of_another_optimizer_is_refused(tmp_path, one, other):
    run = part(tmp_path)
    training(run, settings={"steps": 20, "optimizer": one})
    with pytest.raises(ValueError, match="written by another optimizer"):
        training(run, settings={"optimizer": other}, resume=True)
    assert steps_done(run.checkpoint_path) == 20


def test_a_failed_step_changes_nothing():
    """Neither weights nor what the optimizers keep, to the last bit; and then all goes on."""
    for name in ("muon", "adamw"):
        model = Objective().model
        optimizers = make_optimizers(model, name, 0.01, 0.1, CPU)
        for step in range(4):
            before = [p.detach().clone() for p in model.parameters()]
            states = [str(optimizer.state_dict()["state"]) for optimizer in optimizers]
            for parameter in model.parameters():
                parameter.grad = torch.full_like(parameter, np.nan if step == 2 else step + 1.0)
            step_unless(torch.tensor(step == 2), optimizers)
            unchanged = all(map(torch.equal, before, model.parameters()))
            assert unchanged == (step == 2)
            if step == 2:
                assert states == [str(o.state_dict()["state"]) for o in optimizers]
        assert all(p.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_single_failed_steps_are_skipped_and_counted(tmp_path, value, capsys):
    run = part(tmp_path)
    trainer = training(run, {7: value, 8: value, 33: value})
    assert "3 steps were skipped" in capsys.readouterr().out
    assert trainer.objective.calls == 60 and trainer.faults.share == 1
    assert all(value.isfinite().all() for value in weights(run).values())
    lines = [json.loads(line) for line in run.metrics_path.read_text().splitlines()]
    assert [line.get("failed_steps") for line in lines] == [2, 2, 2, 3, 3, 3]
    assert all(np.isfinite(line["loss"]) for line in lines)


def test_counts_and_the_lower_rate_are_resumed(tmp_path):
    """Killed in the middle of what was lowered, it ends like one that was not."""
    faults = dict.fromkeys(range(33, 33 + MOST_IN_A_ROW + 8), np.nan)  # seen at step 50
    whole, broken, seen = part(tmp_path / "whole"), part(tmp_path / "broken"), []
    trainer = training(whole, faults)
    assert trainer.faults.look() == (MOST_IN_A_ROW + 8, 0) and trainer.faults.share < 1

    def kill(model, step):
        seen.append(step)
        if seen.count(45) == 2:
            raise Killed

    with pytest.raises(Killed):
        training(broken, faults, settings={"preview_every": 5}, preview=kill)
    resumed = training(broken, resume=True)
    assert resumed.faults.share == trainer.faults.share and resumed.faults.look()[0] > 0
    assert same(weights(whole), weights(broken))
    again = training(broken, resume=True, settings={"steps": 61, "learning_rate": 0.001})
    assert again.faults.share == 1, "a learning rate that was set is taken as it is"


def test_an_interrupt_between_failed_steps_keeps_the_good_state_beside(tmp_path):
    """Going back goes to that, not to what the interrupt saved."""
    run = part(tmp_path)

    def interrupt(model, step):
        os.kill(os.getpid(), signal.SIGINT)

    failing = dict.fromkeys(range(33, 60), np.nan)
    with pytest.raises(Interrupted, match="after step 36"):
        training(run, failing, settings={"preview_every": 35}, preview=interrupt)
    kept = checkpoint.Checkpoint.read(run.earlier_checkpoint_path)
    assert steps_done(run.checkpoint_path) == 36 and kept.done == 30 and kept.is_good
    trainer = training(run, dict.fromkeys(range(1, 20), np.nan), resume=True)
    assert trainer.done == 60 and trainer.faults.share < 1
    assert trainer.objective.calls == 14 + 30, "from step 36 to 50, and then from 30 to the end"


@pytest.mark.parametrize("first", [3, 33])
def test_failures_in_a_row_go_back_once_at_a_lower_rate(tmp_path, first, capsys):
    """Also before there is a checkpoint: then from the beginning."""
    run = part(tmp_path)
    trainer = training(run, dict.fromkeys(range(first, first + 18), np.nan))
    words = " ".join(capsys.readouterr().out.split())
    after = 0 if first == 3 else 30
    assert f"going on after step {after} with a third of the learning rate" in words
    assert trainer.done == 60 and all(value.isfinite().all() for value in weights(run).values())
    lines = [json.loads(line) for line in run.metrics_path.read_text().splitlines()]
    assert [line["step"] for line in lines] == sorted({line["step"] for line in lines})
    assert lines[-1]["learning_rate"] == pytest.approx(config().learning_rate_at(59) / 3, abs=1e-6)


def test_failures_that_come_back_stop_in_one_line_and_keep_the_checkpoint(tmp_path):
    run = part(tmp_path)
    with pytest.raises(ValueError, match="not finite") as stop:
        training(run, dict.fromkeys(range(33, 1000), np.nan))
    text = str(stop.value)
    assert "diffusion.training.learning_rate=0.001" in text and "after step 30 is kept" in text
    assert "\n" not in text
    assert steps_done(run.checkpoint_path) == 30 and steps_done(run.earlier_checkpoint_path) == 20


def test_nothing_waits_for_the_device_between_looks(tmp_path, monkeypatch):
    """A tensor's value is asked for at looks alone: the same number of times in 20 steps as 5."""
    counts = []
    for every in (5, 20):
        asked: list[int] = []
        for name in ("item", "tolist", "__bool__", "__int__", "__float__"):
            real = getattr(torch.Tensor, name)
            monkeypatch.setattr(
                torch.Tensor,
                name,
                lambda self, real=real, asked=asked: (asked.append(1), real(self))[1],
            )
        training(part(tmp_path / str(every)), settings={"steps": every, "checkpoint_every": 20})
        monkeypatch.undo()
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_room_is_estimated_as_it_will_be_taken(tmp_path, monkeypatch):
    """Three checkpoints as large as they are, the weights twice, four snapshots of half of them."""
    settings, run = config(snapshots=2), part(tmp_path)
    model = nn.Linear(1000, 1000)
    emas = [PowerEMA(model, length) for length in settings.ema_lengths]
    optimizers = make_optimizers(model, "adamw", 0.01, 0.1, CPU)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizers[0].step()
    checkpoint.save_checkpoint(run, 1, {}, model, emas, optimizers)
    size, weights = run.checkpoint_path.stat().st_size, 4.004e6
    state = (model, emas, optimizers, settings)
    needed = 2 * size + 2 * weights + 4 * weights / 2  # one is there

    def fits(free, done):
        monkeypatch.setattr(room, "free_bytes", lambda folder: free)
        room.check_room(run, *state, done)

    fits(1.01 * needed, 0)
    with pytest.raises(ValueError, match=r"needs 56 MB .* and the disk has 55 MB free"):
        fits(0.98 * needed, 0)
    fits(0.98 * needed, 40)  # two of the snapshots are there


@pytest.mark.parametrize("moment", ["checkpoint", "metrics"])
def test_a_disk_that_fills_up_keeps_the_last_checkpoint_and_goes_on(tmp_path, monkeypatch, moment):
    whole, broken = part(tmp_path / "whole"), part(tmp_path / "broken")
    training(whole)
    with monkeypatch.context() as patched, pytest.raises(OSError) as stop:
        if moment == "checkpoint":
            patched.setattr(os, "fsync", full_after(6, os.fsync))
        else:
            patched.setattr(Records, "figures", full_after(3, Records.figures))
        training(broken)
    assert room.is_full(stop.value)
    text = str(room.full_disk(stop.value, broken, "all is kept"))
    assert "disk is full" in text and "--resume" in text and "\n" not in text
    assert not [path for path in broken.folder.rglob(".*")], "nothing half-written is left"
    training(broken, resume=True)
    assert same(weights(whole), weights(broken))


def full_after(calls, real):
    """A function that works so many times, and then finds the disk full."""
    counted = []

    def call(*arguments):
        counted.append(1)
        if len(counted) > calls:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments)

    return call


@pytest.fixture
def hang_ups():
    """SIGHUP ends a process, however these tests were started, and is then as it was."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_save_also_where_two_come_at_once(tmp_path, number, hang_ups):
    whole, broken = part(tmp_path / "whole"), part(tmp_path / "broken")
    training(whole)

    def interrupt(model, step):
        os.kill(os.getpid(), number)
        if number != signal.SIGINT:  # as systemd and terminals do
            os.kill(os.getpid(), signal.SIGHUP)

    with pytest.raises(Interrupted, match="saved after step 26"):
        training(broken, settings={"preview_every": 25}, preview=interrupt)
    assert steps_done(broken.checkpoint_path) == 26
    training(broken, resume=True)
    assert same(weights(whole), weights(broken))


def test_nohup_stays_as_it_was(tmp_path, hang_ups):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def hang_up(model, step):
        os.kill(os.getpid(), signal.SIGHUP)

    assert training(part(tmp_path), settings={"preview_every": 25}, preview=hang_up).done == 60


def test_a_terminal_that_is_gone_saves(tmp_path, monkeypatch):
    def gone(self, count, **figures):
        if self.done + count >= 40:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        self.done += count

    monkeypatch.setattr(Progress, "advance", gone)
    with pytest.raises(Interrupted, match="saved after step 40"):
        training(part(tmp_path))
    assert steps_done(part(tmp_path).checkpoint_path) == 40


@pytest.mark.parametrize("harm", ["shrinks", "vanishes"])
def test_a_data_set_that_goes_away_under_a_training_is_one_line(
    shapes, tmp_path, harm, tiny_config
):
    """Is one line, not the bus error of a mapping; a deleted file is read to the end."""
    folder = shutil.copytree(shapes, tmp_path / "data")
    data, run = Dataset.open(folder), Run(tmp_path / "run")
    settings = ["classifier.training.steps=30", "classifier.training.checkpoint_every=10"]
    stage = load_config(tiny_config, settings, "float32").classifier
    images = folder / "images.npy"

    def harmed(self, step, figures, real=Records.figures):
        real(self, step, figures)
        if step == 20 and harm == "shrinks":
            os.truncate(images, 1000)
        elif step == 20:
            images.unlink()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Records, "figures", harmed)
        if harm == "vanishes":
            train_classifier(run, data, stage, WORLD)
            assert run.classifier.trained
            return
        with pytest.raises(ValueError, match=r"images\.npy is shorter") as stop:
            train_classifier(run, data, stage, WORLD)
    assert "checkpoint after step" in str(stop.value) and "\n" not in str(stop.value)
    assert steps_done(run.classifier.checkpoint_path) in (10, 20)


def test_check_data_finds_one_changed_pixel(shapes, tmp_path):
    folder = shutil.copytree(shapes, tmp_path / "data")
    check_pixels(Dataset.open(folder))
    flip(folder / "images.npy", -1000)
    with pytest.raises(ValueError, match="checksum does not hold"):
        check_pixels(Dataset.open(folder))
