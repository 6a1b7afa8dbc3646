"""One worker process of `ldm prepare`: loads images and writes them straight into the images file.

Started by `pool` as `python -m latent_diffusion.data.worker FD`, not forked: it shares no memory,
threads or imports (torch least of all) with its parent, and needs no `if __name__ == "__main__"` in
a user's script.
"""

import os
import signal
import sys
import warnings
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from latent_diffusion.data.decode import Unreadable
from latent_diffusion.data.sources.source import Loader

READY = "ready"


class Taken(NamedTuple):
    """An image that was written; the fields are those of `Loaded` without its pixels."""

    fingerprint: int
    enlarged: bool
    cropped: float = 0.0
    remarks: tuple[str, ...] = ()


Result = Taken | str  # or why there is no image


@dataclass
class Job:
    """What to load, and where it belongs.

    Image `row` is the `size * size * 3` bytes at `offset + row * size * size * 3` of `images`.
    """

    loader: Loader
    size: int
    images: str
    offset: int

    def do(self, file: int, row: int, key: Any) -> Result:
        """Write one image to the open `file` and return what became of it."""
        try:
            loaded = self.loader.load(key, self.size)
        except Unreadable as error:
            return str(error)
        os.pwrite(file, loaded[0].tobytes(), self.offset + row * loaded[0].nbytes)
        return Taken(*loaded[1:])


def serve(pipe: Connection) -> None:
    """Say READY, then answer each list of (row, key) by their results, until the pipe is closed.

    The answer is an exception where something failed that is not the picture's fault, as a full
    disk or a mistake of ours; the parent raises it.
    """
    job = pipe.recv()
    file = os.open(job.images, os.O_WRONLY)
    pipe.send(READY)
    while True:
        chunk = pipe.recv()
        answer: list[Result] | Exception
        try:
            answer = [job.do(file, row, key) for row, key in chunk]
        except Exception as error:
            answer = error
        pipe.send(answer)


def main() -> None:
    """Serve the pipe whose file descriptor is the first argument."""
    # Ctrl-C reaches the whole group; the parent decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Pillow warns of odd EXIF blocks and the like; it would tear the progress bar.
    warnings.simplefilter("ignore")
    try:
        serve(Connection(int(sys.argv[1])))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the parent is done, or gone


if __name__ == "__main__":
    main()
