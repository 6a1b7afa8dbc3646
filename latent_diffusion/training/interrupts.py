"""Ctrl-C, SIGTERM, and a terminal that closes: the step under way is finished and saved first."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Give `came()`, which tells whether SIGINT, SIGTERM or SIGHUP has come.

    A second Ctrl-C stops at once; the others often come together. Under nohup SIGHUP stays ignored.
    """
    came: list[int] = []
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signals.append(signal.SIGHUP)

    def handler(number: int, frame: FrameType | None) -> None:
        if came and number == signal.SIGINT:
            raise KeyboardInterrupt
        came.append(number)

    try:
        previous = {number: signal.signal(number, handler) for number in signals}
    except ValueError:  # not in the main thread, where signals never arrive
        previous = {}
    try:
        yield lambda: bool(came)
    finally:
        for number, old in previous.items():
            signal.signal(number, old)
