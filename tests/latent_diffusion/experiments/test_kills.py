"""What is killed at any moment leaves a whole checkpoint, and trainings end alike."""

import json
import mmap
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from latent_diffusion.experiments.kills import Kill, Whole, kills_table
from latent_diffusion.experiments.kills_child import SEEN, Watch
from latent_diffusion.run import Part, remove_leftovers
from latent_diffusion.training import loop
from latent_diffusion.training.checkpoint import newest_checkpoint

ROOT = Path(__file__).parents[3]
SAVES = 3


def write_checkpoints(part: Part, shared: mmap.mmap, die_at: int | None) -> int:
    """Write some in a process of its own, which dies at a moment; return how it ended."""
    pid = os.fork()
    if pid == 0:
        Watch(shared, die_at).begin()
        for step in range(1, SAVES + 1):
            model = nn.Linear(100, 100)
            nn.init.constant_(model.weight, step)
            loop.save_checkpoint(part, step, {}, model, [], [])
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_write_killed_at_any_moment_leaves_a_whole_checkpoint(tmp_path):
    shared = mmap.mmap(-1, SEEN.size)
    assert write_checkpoints(Part(tmp_path / "whole" / "diffusion"), shared, None) == 0
    _, saved, moments, *_ = SEEN.unpack(shared[:])
    assert saved == SAVES and moments > 7 * SAVES  # pieces, flush, read back, names, folder
    for moment in range(1, int(moments) + 1):
        part = Part(tmp_path / str(moment) / "diffusion")
        shared[:] = bytes(SEEN.size)
        assert write_checkpoints(part, shared, moment) == -signal.SIGKILL
        saved = int(SEEN.unpack(shared[:])[1])
        said: list[str] = []
        found = newest_checkpoint(part, said.append)
        assert (found.done if found else 0) >= saved, f"moment {moment} cost a checkpoint"
        assert not said, "none is damaged"
        if found:
            assert found.tensors["model.weight"].equal(torch.full((100, 100), float(found.done)))
        remove_leftovers(tmp_path / str(moment))
        assert not list(part.folder.rglob(".*"))


def test_the_table_counts_by_training_and_death():
    whole = Whole({}, 9, 0.02, 0.1, 5000)
    kills = [
        Kill("autoencoder", "any moment", 7, 2, ""),
        Kill("autoencoder", "any moment", 9, 4, "ends with other bits"),
        Kill("autoencoder", "full disk", 9, 0, ""),
    ]
    table = kills_table(kills, {"autoencoder": whole})
    cells = [next(iter(column.cells)) for column in table.columns]
    assert cells == ["autoencoder", "1 of 2", "0 of 0", "1 of 1", "2", "4", "5 kB", "20 ms"]
    assert table.title == "2 of 3 killed trainings end bit-identical"


SMALL_DISK = """
import sys, time
from pathlib import Path
from latent_diffusion.experiments.kills import end_on_signals, small_disk
end_on_signals()
with small_disk(Path(sys.argv[1]), 2**20) as mounted:
    print(mounted, flush=True)
    time.sleep(60)
"""


def test_a_sigterm_leaves_no_disk_mounted(tmp_path):
    command = [sys.executable, "-c", SMALL_DISK, tmp_path / "disk"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        mounted = process.stdout.readline().strip()
        assert mounted == str(str(tmp_path) in Path("/proc/mounts").read_text())
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 128 + signal.SIGTERM
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    if mounted != "True":
        pytest.skip("no tmpfs may be mounted here")


@pytest.mark.slow
def test_killed_trainings_end_alike(tmp_path):
    command = [sys.executable, ROOT / "scripts" / "kill", tmp_path / "out", "--kills", "12"]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
    kills = json.loads((tmp_path / "out" / "kills.json").read_text())
    assert len(kills) == 12 and not any(kill["fault"] for kill in kills)
