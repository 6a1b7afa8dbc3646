"""Trainings that are killed at random moments, and what that costs.

    scripts/kill OUT [--kills 100] [--minutes 15] [--config CONFIG]

The four trainings take turns (autoencoder, sharpening, judge, denoiser), and so do three deaths:
SIGKILL at any moment, SIGKILL inside the write of a checkpoint, and a disk (a tmpfs, where it may
be mounted) that fills up. Each is resumed once and compared, bit for bit, with one that never
stopped. OUT gets kills.json.
"""

import argparse
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from latent_diffusion.data.prepare import prepare
from latent_diffusion.experiments.kills_child import TRAININGS, Child, Killable
from latent_diffusion.progress import Progress, console, say
from latent_diffusion.run import write_json
from latent_diffusion.training.room import in_words

DEATHS = ("any moment", "inside a write", "full disk")
STEPS, CHECKPOINT_EVERY = 24, 5
IMAGES, SIZE = 132, 16
ROOM = 64 * 2**20  # bytes of the disk that fills up, at least
TINY = (
    "autoencoder.model.encoder_widths=[16]",
    "autoencoder.model.decoder_widths=[16]",
    "autoencoder.model.encoder_blocks=1",
    "autoencoder.model.decoder_blocks=1",
    "autoencoder.adversary.model.widths=[16,16,16]",
    "classifier.model.widths=[16,32]",
    "diffusion.model.widths=[16,32]",
    "diffusion.model.attention_levels=[1]",
    "diffusion.model.embedding_width=32",
)


@dataclass(frozen=True)
class Kill:
    """One training that was killed: how, what it lost, and whether it ended as it should.

    lost: steps that were done and were in no checkpoint, None where the training saved on its way
    out. fault: why it did not end bit-identical; "" where it did.
    """

    training: str
    death: str
    at_step: int
    lost: int
    fault: str


@dataclass(frozen=True)
class Whole:
    """A training that never stopped: its files, and what its checkpoints cost."""

    files: dict[str, str]
    moments: int  # inside of checkpoint writes
    seconds: float  # of one checkpoint
    step_seconds: float
    size: int  # bytes of a checkpoint


def straight(killable: Killable, folder: Path) -> Whole:
    """Run a training to its end."""
    run = killable.begin(folder)
    child = Child(killable, run, resume=killable.resumes)
    child.wait_for_end()
    if child.status != 0:
        raise ValueError(f"the {killable.name}'s training does not end: {child.said()}")
    seen = child.seen
    size = killable.checkpoint(run).stat().st_size
    return Whole(
        killable.files(run),
        seen.moments,
        seen.seconds_of_checkpoints / seen.checkpoints,
        seen.seconds_of_steps / STEPS,
        size,
    )


def killed(
    killable: Killable, whole: Whole, death: str, folder: Path, chance: random.Random
) -> Kill | None:
    """Kill a training once, resume it, and compare it with the whole one.

    Return None where it ended before it could be killed.
    """
    run = killable.begin(folder)
    inside = chance.randint(1, whole.moments) if death == "inside a write" else None
    child = Child(killable, run, resume=killable.resumes, die_at=inside)
    if death == "any moment":
        child.wait_for_step(chance.randint(1, STEPS - 1))
        time.sleep(chance.uniform(0, 2 * whole.step_seconds))
        child.kill()
    elif death == "full disk":
        child.wait_for_step(chance.randint(1, STEPS // 2))
        fill(folder, leave=chance.randint(0, whole.size // 2))
    child.wait_for_end()
    done, saved = child.seen.done, killable.steps_saved(run)
    fault = ""
    if death == "full disk":
        (folder / "filler").unlink()
        if child.status != 2 or "disk is full" not in child.said():
            fault = f"a full disk ended with status {child.status}: {child.said()}"
    elif child.status == 0:
        return None
    elif child.status != -9:
        fault = f"ended with status {child.status}: {child.said()}"
    if not fault:
        fault = resumed(killable, whole, run)
    shutil.rmtree(run, ignore_errors=True)
    return Kill(killable.name, death, done, max(0, done - saved), fault)


def resumed(killable: Killable, whole: Whole, run: Path) -> str:
    """Resume a training, and return what is wrong with its end, "" for nothing."""
    child = Child(killable, run, resume=True)
    child.wait_for_end()
    if child.status != 0:
        return f"cannot be resumed: {child.said()}"
    if killable.files(run) != whole.files:
        return "ends with other bits"
    left = [path.name for path in run.rglob(".*") if path.name != ".lock"]
    return f"leaves {left[0]} behind" if left else ""


def fill(folder: Path, leave: int) -> None:
    """Fill the disk of a folder but for so many bytes."""
    block = bytes(2**16)
    with (folder / "filler").open("wb", buffering=0) as file:
        free = shutil.disk_usage(folder).free
        while free > leave:
            try:
                file.write(block[: free - leave])
            except OSError:
                return
            free = shutil.disk_usage(folder).free


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[bool]:
    """Mount a tmpfs of so many bytes while the block lasts; False where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=False)


def end_on_signals() -> None:
    """End like Ctrl-C on SIGTERM and SIGHUP, so that no disk stays mounted."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))


def kill_all(options: argparse.Namespace) -> list[Kill]:
    """Kill as many trainings as are asked for, or as the time allows; show the table."""
    out, kills = options.out, list[Kill]()
    data = options.data or out / "data"
    if not options.data and not data.is_dir():
        prepare(f"cartoons:{IMAGES}", data, size=SIZE)
    settings = () if options.config else TINY
    killables = [
        Killable(name, data, out / "begun", options.config, settings, STEPS, CHECKPOINT_EVERY)
        for name in TRAININGS
    ]
    wholes = {one.name: straight(one, out / "straight" / one.name) for one in killables}
    end = time.monotonic() + 60 * options.minutes
    room = max(ROOM, 8 * max(whole.size for whole in wholes.values()))
    with small_disk(out / "disk", room) as has_disk, Progress("killing", options.kills) as progress:
        if not has_disk:
            say("no tmpfs may be mounted here: no disk fills up")
        number = 0
        while len(kills) < options.kills and time.monotonic() < end:
            killable = killables[number % len(killables)]
            deaths = DEATHS if has_disk else DEATHS[:2]
            death = deaths[number // len(killables) % len(deaths)]
            folder = out / "disk" if death == "full disk" else out / "killed"
            chance = random.Random(f"{options.seed} {number}")
            number += 1
            if kill := killed(killable, wholes[killable.name], death, folder, chance):
                kills.append(kill)
                write_json(out / "kills.json", [asdict(kill) for kill in kills])
                progress.advance()
                if kill.fault:
                    say(f"{kill.training}, {death}, step {kill.at_step}: {kill.fault}")
    console.print(kills_table(kills, wholes))
    return kills


def kills_table(kills: Sequence[Kill], wholes: dict[str, Whole]) -> Table:
    """Return what came of each training and of each death."""
    good = sum(not kill.fault for kill in kills)
    table = Table(title=f"{good} of {len(kills)} killed trainings end bit-identical")
    for name in ("training", *DEATHS, "steps lost, median", "most", "a checkpoint", "takes"):
        table.add_column(name, justify="left" if name == "training" else "right")
    table.columns[0].no_wrap = True
    for training, whole in wholes.items():
        own = [kill for kill in kills if kill.training == training]
        lost = [kill.lost for kill in own] or [0]
        by_death = [[kill for kill in own if kill.death == death] for death in DEATHS]
        table.add_row(
            training,
            *(f"{sum(not kill.fault for kill in of)} of {len(of)}" for of in by_death),
            f"{statistics.median(lost):g}",
            str(max(lost)),
            in_words(whole.size),
            f"{whole.seconds * 1000:.0f} ms",
        )
    table.caption = f"{STEPS} steps each, a checkpoint every {CHECKPOINT_EVERY}"
    return table


def main() -> None:
    """Run from the command line; exit status 1 where a training ends otherwise, 2 for a mistake."""
    parser = argparse.ArgumentParser(prog="scripts/kill", description=__doc__.split("\n\n")[0])
    parser.add_argument("out", type=Path, help="a new folder")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=15, help="no kill begins after them")
    parser.add_argument("--config", type=Path, help="its networks, instead of tiny ones")
    parser.add_argument("--data", type=Path, help="a prepared data set, instead of small cartoons")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    end_on_signals()
    try:
        if options.out.exists():
            raise ValueError(f"{options.out} is there already: give a new folder")
        kills = kill_all(options)
    except ValueError as error:
        print(f"kill: {error}", file=sys.stderr)
        sys.exit(2)
    sys.exit(any(kill.fault for kill in kills))
