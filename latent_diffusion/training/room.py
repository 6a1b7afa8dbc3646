"""Whether the disk holds what a training will write: asked before its first step, and told when
it turns out otherwise. The stage driver calls it.
"""

import errno
import shutil
from pathlib import Path

import torch
from torch import nn

from latent_diffusion.ema import SNAPSHOT_LENGTHS, PowerEMA
from latent_diffusion.run import Part
from latent_diffusion.training.config import TrainingConfig
from latent_diffusion.training.optimizers import state_bytes

AT_ONCE = 3  # checkpoints: the two that are kept, and a new one that is being written


def check_room(
    part: Part,
    model: nn.Module,
    emas: list[PowerEMA],
    optimizers: list[torch.optim.Optimizer],
    config: TrainingConfig,
    done: int,
) -> None:
    """Raise ValueError where a disk has no room for what a training writes after `done` steps."""
    weights = sum(value.nbytes for value in model.state_dict().values())
    checkpoint = weights * (1 + len(emas)) + sum(map(state_bytes, optimizers))
    kept = sum(ema.length in SNAPSHOT_LENGTHS for ema in emas)
    snapshots = weights // 2 * kept * sum(step > done for step in config.snapshot_steps)
    replaced = [part.checkpoint_path, part.earlier_checkpoint_path, part.model_path]
    if not done:
        replaced += part.ema_folder.glob("*.safetensors")
    there = sum(path.stat().st_size for path in replaced if path.is_file())
    needed = AT_ONCE * checkpoint + 2 * weights + snapshots - there
    free = free_bytes(part.folder)
    if needed > free:
        raise ValueError(
            f"{part.folder} needs {in_words(needed)} for checkpoints, weights and snapshots, and "
            f"the disk has {in_words(free)} free: free some, or give a --run elsewhere"
        )


def free_bytes(folder: Path) -> int:
    """Return what is free on the disk of a folder that may not be there yet."""
    while not folder.is_dir():
        folder = folder.absolute().parent
    return shutil.disk_usage(folder).free


def is_full(error: OSError) -> bool:
    """Return whether an error says that a disk, or a share of it, is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def full_disk(error: OSError, part: Part, kept: str) -> ValueError:
    """Return what to say where the disk of a part is full; `kept` says what is left of it."""
    there = [path.stat().st_size for path in part.checkpoint_path.parent.glob("*.safetensors")]
    takes = f"a checkpoint of the {part.caption} takes {in_words(max(there))}, " if there else ""
    return ValueError(
        f"the disk is full ({error.filename or part.folder}): {takes}"
        f"{in_words(free_bytes(part.folder))} are free. Free some space, then give the same "
        f"command with --resume; {kept}"
    )


def in_words(count: float) -> str:
    """Return a number of bytes as people say it."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
