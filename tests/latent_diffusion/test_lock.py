"""One writer at a time: what holds a lock, what lets it go, what a second writer is told."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time

import pytest

from latent_diffusion.lock import locked
from latent_diffusion.run import Run, remove_leftovers, write_atomic

HOLDER = """
import os, sys, time
from pathlib import Path
from latent_diffusion.lock import locked
with locked(Path(sys.argv[1])):
    if sys.argv[2] == "worker" and os.fork() == 0:
        print(os.getpid(), flush=True)
        time.sleep(60)
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder():
    """holder(path, kind): a process that holds a lock; and it is ended with the test."""
    started = []

    def start(path, kind="alone"):
        command = [sys.executable, "-c", HOLDER, str(path), kind]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process.pid)
        lines = [process.stdout.readline() for _ in range(1 + (kind == "worker"))]
        started.extend(int(line) for line in lines if line.strip().isdigit())
        return process

    yield start
    for number in started:
        try:
            os.kill(number, signal.SIGKILL)
        except ProcessLookupError:
            pass


def test_a_second_writer_is_refused_at_once_in_one_line(tmp_path, holder):
    process, path = holder(tmp_path / "run" / ".lock"), tmp_path / "run" / ".lock"
    began = time.monotonic()
    with pytest.raises(ValueError, match="is being written to") as refusal, locked(path):
        pass
    assert time.monotonic() - began < 1
    text = str(refusal.value)
    assert f"process {process.pid} on {os.uname().nodename}" in text and "\n" not in text


def test_it_dies_with_its_process_though_a_worker_lives_on(tmp_path, holder):
    path = tmp_path / ".lock"
    process = holder(path, "worker")
    process.kill()
    process.wait()
    with locked(path):
        pass
    assert not path.exists()


def test_a_part_of_the_work_may_ask_again_and_nothing_is_left(tmp_path):
    path = tmp_path / "run" / ".lock"
    with locked(path):
        with locked(path):
            pass
        assert path.is_file(), "the outer one holds on"
    assert not path.parent.exists()


def test_a_waiting_writer_gets_it_when_it_is_free(tmp_path, holder):
    """Also where the file it waits at is removed by the one that held it."""
    path, process = tmp_path / ".scores.lock", holder(tmp_path / ".scores.lock")
    ask = "import sys; from pathlib import Path; from latent_diffusion.lock import locked\n"
    ask += "with locked(Path(sys.argv[1]), wait=True): print('got it', Path(sys.argv[1]).is_file())"
    waiting = subprocess.Popen(
        [sys.executable, "-c", ask, str(path)], stdout=subprocess.PIPE, text=True
    )
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(1)
    process.kill()
    assert waiting.communicate(timeout=30)[0] == "got it True\n"


def test_without_locks_one_line_says_so_and_it_goes_on(tmp_path, monkeypatch, capsys):
    def none(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    with locked(tmp_path / ".lock"):
        (tmp_path / "work").touch()
    assert "file system without locks" in capsys.readouterr().out


def test_a_training_is_refused_and_readers_are_not(tiny_run, shapes, tmp_path, ldm, holder):
    run = Run(tiny_run)
    holder(run.lock_path)
    before = {path: path.stat().st_mtime_ns for path in tiny_run.rglob("*") if path.is_file()}
    for command in ("train-diffusion", "train-autoencoder", "train-classifier"):
        status, _, errors = ldm(command, "--data", shapes, "--run", tiny_run, "--resume")
        assert status == 2 and "is being written to by process" in errors, errors
    status, _, errors = ldm("sweep", tiny_run, "--guidance", "1,2", "--apply")
    assert status == 2 and "is being written to by process" in errors, errors
    assert before == {p: p.stat().st_mtime_ns for p in tiny_run.rglob("*") if p.is_file()}
    assert ldm("sample", tiny_run, tmp_path / "samples", "--seeds", "1-2")[0] == 0


def test_leftovers_of_dead_processes_go_and_nothing_else(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = {
        f".last.safetensors.{dead.pid}": False,
        f".last.safetensors.{os.getppid()}": True,  # lives
        ".notes.txt": True,
        f"mine.{dead.pid}": True,
        "last.safetensors": True,
    }
    folder = tmp_path / "checkpoint"
    for name in names:
        write_atomic(folder / name, b"x")
    remove_leftovers(tmp_path, age=60)
    assert {path.name for path in folder.iterdir()} == set(names), "just written"
    remove_leftovers(tmp_path)
    assert {path.name for path in folder.iterdir()} == {name for name in names if names[name]}
