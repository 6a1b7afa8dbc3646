"""Several worker processes over one list of images, for `prepare`.

A worker that crashes or hangs costs at most the image that did it.
"""

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from latent_diffusion.data.worker import READY, Job, Result

CHUNK = 16  # images a message: 50 ms of decoding 512x512 PNGs
AHEAD = 2  # chunks a worker holds, so that it never waits for the next
MAX_WORKERS = 16  # about 45 MiB each; on larger machines the disk is the limit
PATIENCE_S = 60.0  # for one chunk, and then for each of its images alone; also to start
MAX_FAILED_STARTS = 3  # in a row
# One thread each, for the pool is what uses the cores. Pillow returns the memory of every image to
# the system unless told to keep some blocks (of at most 16 MiB): the page faults took a tenth of
# the time of decoding 512x512 PNGs.
SETTINGS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PILLOW_BLOCKS_MAX": "4"}

Row = tuple[int, Any]  # row in the images file, key of the image for the loader


class Worker:
    """A process, the pipe to it, and the chunks it has not answered yet."""

    def __init__(self, job: Job):
        self.pipe, theirs = Pipe()
        paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "latent_diffusion.data.worker", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=os.environ | SETTINGS | {"PYTHONPATH": os.pathsep.join(paths)},
        )
        theirs.close()
        self.chunks: deque[list[Row]] = deque()
        self.since = time.monotonic()  # when the first of its chunks was begun
        self.is_ready = False
        try:
            self.pipe.send(job)
        except OSError:  # it died at once; recv() will say so
            pass

    def give(self, chunk: list[Row]) -> None:
        """Add a chunk to what it has to do."""
        if not self.chunks:
            self.since = time.monotonic()
        self.chunks.append(chunk)
        try:
            self.pipe.send(chunk)
        except OSError:
            pass

    def listen(self) -> list[tuple[int, Result]] | None:
        """Return (row, result) of its first unanswered chunk; [] when it says that it is ready.

        None when the process is dead. Raises what it raised for a reason other than its picture.
        """
        try:
            answer = self.pipe.recv()
        except (EOFError, OSError):
            return None
        self.since = time.monotonic()
        if not self.is_ready:
            assert answer == READY
            self.is_ready = True
            return []
        if isinstance(answer, BaseException):
            raise answer
        chunk = self.chunks.popleft()
        return [(row, result) for (row, _), result in zip(chunk, answer, strict=True)]

    def is_late(self, patience_s: float) -> bool:
        """Return whether it has taken too long for its first chunk, or to start."""
        limit = patience_s if self.is_ready else PATIENCE_S
        return time.monotonic() - self.since > limit

    def end(self) -> None:
        """Kill the process."""
        self.process.kill()
        self.process.wait()
        self.pipe.close()


def run(
    job: Job, keys: Sequence[Any], count: int, patience_s: float = PATIENCE_S
) -> Iterator[tuple[int, Result]]:
    """Yield (row, what `Job.do` said of it) for each of `keys`, in any order, by `count` processes.

    Raises whatever a worker raised for a reason other than its picture; RuntimeError when workers
    cannot start.
    """
    waiting = deque(chunks(keys))
    workers = [Worker(job) for _ in range(max(1, min(count, len(waiting))))]
    failed_starts = 0
    try:
        while waiting or any(worker.chunks for worker in workers):
            for worker in workers:
                while waiting and len(worker.chunks) < AHEAD:
                    worker.give(waiting.popleft())
            busy = {worker.pipe: worker for worker in workers if worker.chunks}
            heard = wait(list(busy), timeout=min(1.0, patience_s))
            for pipe, worker in busy.items():
                if pipe in heard:
                    results, reason = worker.listen(), "crashes the decoder"
                elif worker.is_late(patience_s):
                    results, reason = None, f"not decoded within {patience_s:g} s"
                else:
                    continue
                if results is not None:
                    yield from results
                    failed_starts = 0
                    continue
                failed_starts += not worker.is_ready
                if failed_starts > MAX_FAILED_STARTS:
                    raise RuntimeError(
                        "the worker processes cannot start; their messages are above"
                    )
                yield from requeue(worker, waiting, reason)
                worker.end()
                workers[workers.index(worker)] = Worker(job)
    finally:
        for worker in workers:
            worker.end()


def chunks(keys: Sequence[Any]) -> Iterator[list[Row]]:
    """Yield (row, key) of all images, CHUNK at a time."""
    for start in range(0, len(keys), CHUNK):
        yield [(row, keys[row]) for row in range(start, min(start + CHUNK, len(keys)))]


def requeue(worker: Worker, waiting: deque[list[Row]], reason: str) -> Iterator[tuple[int, str]]:
    """Put back what a dead or hanging worker still had to do, and yield the image to blame.

    Its first chunk is tried image by image, to find the culprit.
    """
    if worker.is_ready:
        first = worker.chunks.popleft()
        if len(first) == 1:
            yield first[0][0], reason
        else:
            waiting.extend([row] for row in first)
    waiting.extendleft(reversed(worker.chunks))
