"""Ctrl-C and SIGTERM during a training: the step under way is finished and saved first."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Give `came()`, which tells whether SIGINT or SIGTERM has come. A second one stops at once."""
    came: list[int] = []

    def handler(number: int, frame: FrameType | None) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)

    try:
        previous = {s: signal.signal(s, handler) for s in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread, where signals never arrive
        previous = {}
    try:
        yield lambda: bool(came)
    finally:
        for number, old in previous.items():
            signal.signal(number, old)
