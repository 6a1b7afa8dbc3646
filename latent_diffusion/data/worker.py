"""One worker process of `ldm prepare`: loads images and writes them straight into the images file.

Started by `pool` as `python -m latent_diffusion.data.worker FD`, not forked: it shares no memory, threads or imports
(torch least of all) with its parent, and needs no `if __name__ == "__main__"` in a user's script.
"""

import os
import signal
import sys
import warnings
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from latent_diffusion.data.decode import Unreadable

READY = "ready"


@dataclass
class Job:
    """What to load, and where image `row` belongs: `size * size * 3` bytes at `offset + row * size * size * 3`."""

    loader: Any  # load(place, size) -> Loaded; raises Unreadable
    size: int
    images: str
    offset: int

    def do(self, file: int, row: int, place: Any) -> tuple[int, bool] | str:
        """Writes one image; its fingerprint and whether it was enlarged, or the reason why there is none."""
        try:
            pixels, fingerprint, enlarged = self.loader.load(place, self.size)
        except Unreadable as error:
            return str(error)
        os.pwrite(file, pixels.tobytes(), self.offset + row * pixels.nbytes)
        return fingerprint, enlarged


def serve(pipe: Connection) -> None:
    """Says READY, then answers each list of (row, place) by what `Job.do` says of each, until the pipe is closed."""
    job = pipe.recv()
    file = os.open(job.images, os.O_WRONLY)
    pipe.send(READY)
    while True:
        chunk = pipe.recv()
        try:
            answer = [job.do(file, row, place) for row, place in chunk]
        except (
            Exception
        ) as error:  # not the picture's fault (disk full, a mistake of ours): the parent raises it
            answer = error
        pipe.send(answer)


def main() -> None:
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole group; the parent decides
    warnings.simplefilter(
        "ignore"
    )  # Pillow warns of odd EXIF blocks and the like; it would tear the progress bar
    try:
        serve(Connection(int(sys.argv[1])))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the parent is done, or gone


if __name__ == "__main__":
    main()
