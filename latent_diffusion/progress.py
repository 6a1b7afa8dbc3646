"""What the terminal shows while something long runs: a live bar, or plain lines if nobody watches.

All rooms use it: `say` for one line, `Progress` for what is counted.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as RichProgress

console = Console(highlight=False, soft_wrap=True)
SECONDS_BETWEEN_LINES = 15.0
whole: "Whole | None" = None  # the work that all progress is part of, if any


def say(text: str) -> None:
    """Print a line as it is, whatever brackets are in it."""
    console.print(text, markup=False)


@contextmanager
def hushed() -> Iterator[None]:
    """Show nothing of what happens in the block."""
    before, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = before


class Whole(NamedTuple):
    """Work in many parts: when it began, by the clock of time.perf_counter, and its seconds."""

    start: float
    seconds: float

    def spoken(self, now: float) -> str:
        """Return how far it is, in words."""
        return f"{clock(now - self.start)} of {clock(self.seconds)} minutes"


@contextmanager
def part_of(seconds: float, spent: float) -> Iterator[None]:
    """Show with all progress in the block how far work of so many seconds is, `spent` before it."""
    global whole
    before, whole = whole, Whole(time.perf_counter() - spent, seconds)
    try:
        yield
    finally:
        whole = before


class Progress:
    """`with Progress("encoding", 1000) as progress: progress.advance(64)`.

    `unit` is what is counted.
    `images_per_unit` says how many images one unit is worth, for trainings that count steps.
    `done` is what was done before, by a training that is resumed.
    """

    def __init__(
        self,
        title: str,
        total: int,
        unit: str = "images",
        images_per_unit: float = 1,
        quiet: bool = False,
        done: int = 0,
    ):
        self.title = title
        self.total = total
        self.unit = unit
        self.images_per_unit = images_per_unit
        self.quiet = quiet
        self.done = self.first = done
        self.start = self.last_line = time.perf_counter()
        self.bar: RichProgress | None = None

    def __enter__(self) -> "Progress":
        self.start = self.last_line = time.perf_counter()
        if console.is_terminal and not self.quiet:
            self.bar = RichProgress(
                TextColumn("{task.description:<14}"),
                BarColumn(),
                TextColumn("{task.fields[count]}"),
                TextColumn("{task.fields[figures]}"),
                TextColumn("{task.fields[time]}"),
                console=console,
            )
            self.bar.start()
            self.task = self.add_task(self.title, self.total)
            self.whole_task = self.add_task("in all", whole.seconds) if whole else None
            self.draw(self.start, "")
        return self

    def add_task(self, title: str, total: float) -> TaskID:
        """Begin a line of the bar."""
        assert self.bar
        return self.bar.add_task(title, total=total, count="", figures="", time="")

    def advance(self, count: int = 1, **figures: float) -> None:
        """Count `count` more units as done, and show `figures` beside them."""
        self.done += count
        if self.quiet:
            return
        now = time.perf_counter()
        text = self._figures(now, figures)
        if self.bar:
            self.draw(now, text)
        elif now - self.last_line > SECONDS_BETWEEN_LINES or self.done >= self.total:
            self.last_line = now
            line = (
                f"{self.title}: {self.done} of {self.total} {self.unit}  {text}  {self.time(now)}"
            )
            say(f"{line}; {whole.spoken(now)} in all" if whole else line)

    def draw(self, now: float, figures: str) -> None:
        """Draw the bar, and that of the whole work."""
        assert self.bar
        count, spent = f"{self.done}/{self.total}", self.time(now)
        self.bar.update(self.task, completed=self.done, count=count, figures=figures, time=spent)
        if whole and self.whole_task is not None:
            done = now - whole.start
            self.bar.update(self.whole_task, completed=done, time=whole.spoken(now))

    def time(self, now: float) -> str:
        """Return how long it took so far, and will take."""
        elapsed, done = now - self.start, self.done - self.first
        left = clock((self.total - self.done) * elapsed / done) if done else "?"
        return f"{clock(elapsed)} elapsed, {left} left"

    def rate(self, now: float | None = None) -> float:
        """Return images a second since the start."""
        seconds = (now or time.perf_counter()) - self.start
        return (self.done - self.first) * self.images_per_unit / max(seconds, 1e-9)

    def _figures(self, now: float, figures: dict[str, float]) -> str:
        rate = self.rate(now)
        counted = "images" if self.unit == "steps" else self.unit
        parts = [f"{rate:.{0 if rate >= 10 else 1}f} {counted}/s"]
        parts += [f"{name} {value:.4g}" for name, value in figures.items()]
        return "  ".join(parts)

    def __exit__(self, *_: object) -> None:
        if self.bar:
            self.bar.stop()


class LateProgress:
    """A Progress whose total is known only with the first `update(done, total)`."""

    def __init__(self, title: str):
        self.title = title
        self.start = time.perf_counter()
        self.progress: Progress | None = None

    def __enter__(self) -> "LateProgress":
        self.start = time.perf_counter()
        return self

    def update(self, done: int, total: int) -> None:
        """Show that `done` of `total` images are done."""
        if self.progress is None:
            self.progress = Progress(self.title, total).__enter__()
            self.progress.start = self.start
        self.progress.advance(done - self.progress.done)

    def __exit__(self, *details: object) -> None:
        if self.progress:
            self.progress.__exit__(*details)


def clock(seconds: float) -> str:
    """Return a duration as minutes and seconds, "90:05"."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
