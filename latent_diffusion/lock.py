"""One writer at a time, by the system's own file lock.

It dies with its process, and workers that a process forks do not inherit it. Whoever trains, or
changes how a run samples, holds the run's.
"""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from latent_diffusion.progress import say

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
HELD: dict[Path, int] = {}  # by this process: the locks' files, and their numbers


@contextmanager
def locked(path: Path, wait: bool = False) -> Iterator[None]:
    """Hold the lock at `path` while the block lasts; a part of the block may ask for it again.

    Raise ValueError where another process holds it, unless that is waited for, and OSError where
    nothing can be written. On a file system without locks, say so and go on.
    """
    path = path.parent.resolve() / path.name
    if path in HELD:
        yield
        return
    is_new = not path.parent.exists()
    HELD[path] = acquire(path, wait)
    try:
        yield
    finally:
        if path in HELD:  # not in a process that was forked meanwhile
            with suppress(OSError):
                path.unlink()
                if is_new:
                    path.parent.rmdir()  # where nothing was written
            os.close(HELD.pop(path))


def acquire(path: Path, wait: bool) -> int:
    """Return the number of the lock's file, locked."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            holder = os.read(file, 200).decode(errors="replace").strip()
            os.close(file)
            raise ValueError(
                f"{path.parent} is being written to by {holder or 'another process'}: wait until "
                "that ends, or give another --run"
            ) from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                os.close(file)
                raise
            say(
                f"{path.parent} lies on a file system without locks: do not write to it from "
                "several processes"
            )
            return file
        if is_there(path, file):
            os.ftruncate(file, 0)
            os.write(file, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
            return file
        os.close(file)  # its last holder has just removed it


def is_there(path: Path, file: int) -> bool:
    """Return whether an opened file is still the one at `path`."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False


def let_go() -> None:
    """Leave the locks to the parent, in a process that was just forked."""
    for file in HELD.values():
        os.close(file)
    HELD.clear()


os.register_at_fork(after_in_child=let_go)
