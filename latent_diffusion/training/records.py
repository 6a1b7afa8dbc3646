"""What a training writes down as it goes: metrics.jsonl and, where asked, TensorBoard events."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from latent_diffusion.extras import install
from latent_diffusion.parsing import read_log
from latent_diffusion.run import Part, write_atomic

EVENTS = "tensorboard"  # folder of a part


class Records:
    """The records of a training that has done `done` steps.

    What was recorded of later ones will be done again, and is dropped. Every record is on disk when
    its call returns, so that a training that is killed has lost none.
    """

    def __init__(self, part: Part, done: int, tensorboard: bool):
        self.part, self.done = part, done
        self.events: Any = None
        keep_until(part.metrics_path, done)
        if tensorboard:
            self.events = summary_writer()(str(part.folder / EVENTS), purge_step=done + 1)

    def figures(self, step: int, figures: dict[str, float]) -> None:
        """Record the figures of the steps up to this one."""
        rounded = {name: round(value, 6) for name, value in figures.items()}
        self.part.folder.mkdir(parents=True, exist_ok=True)
        with self.part.metrics_path.open("a") as file:
            file.write(json.dumps({"step": step, **rounded}) + "\n")
        if self.events:
            for name, value in figures.items():
                self.events.add_scalar(name, value, step)
            self.events.flush()

    def picture(self, step: int, path: Path | None) -> None:
        """Record a preview, if it left a picture.

        A finished training that is resumed draws its last one again, which is known already.
        """
        if self.events and path and step > self.done:
            pixels = np.asarray(Image.open(path).convert("RGB"))
            self.events.add_image("preview", pixels, step, dataformats="HWC")
            self.events.flush()


def keep_until(path: Path, step: int) -> None:
    """Drop the lines of later steps, and one that was cut off."""
    if path.is_file():
        kept = [record for record in read_log(path) if record["step"] <= step]
        write_atomic(path, "".join(json.dumps(record) + "\n" for record in kept).encode())


def summary_writer() -> type:
    """Return TensorBoard's writer; ValueError where the package is missing.

    It is imported only when asked for: that takes seconds.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ValueError(
            f"--tensorboard needs TensorBoard ({error}): {install('tensorboard')}, or leave it "
            "out: metrics.jsonl has the same figures"
        ) from None
    return SummaryWriter
