"""What the terminal shows of long work: lines where nobody watches, bars where somebody does."""

import io

import pytest
from rich.console import Console

from latent_diffusion import progress
from latent_diffusion.progress import Progress, part_of


@pytest.fixture
def shown(monkeypatch):
    """A console of this kind, and what is written to it."""

    def show(terminal: bool) -> io.StringIO:
        page = io.StringIO()
        console = Console(file=page, force_terminal=terminal, width=150, highlight=False)
        monkeypatch.setattr(progress, "console", console)
        monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", -1.0)
        return page

    return show


def work() -> None:
    with Progress("drawing", 4) as bar:
        bar.advance(1)
        bar.advance(3, loss=0.5)


@pytest.mark.parametrize("terminal", [False, True])
def test_a_part_says_how_far_all_is(shown, terminal):
    page = shown(terminal)
    with part_of(seconds=600, spent=125):
        work()
    assert "2:05 of 10:00 minutes" in page.getvalue() and "in all" in page.getvalue()
    assert "loss 0.5" in page.getvalue() and "0:00 elapsed, 0:00 left" in page.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_other_work_says_nothing_of_all(shown, terminal):
    page = shown(terminal)
    work()
    assert "in all" not in page.getvalue() and "0:00 left" in page.getvalue()


def test_what_was_done_before_does_not_count_as_fast(shown, monkeypatch):
    page = shown(terminal=False)
    with Progress("training", 100, "steps", done=90) as bar:
        bar.start -= 10.0
        bar.advance(5)
    assert "training: 95 of 100 steps  0.5 images/s  0:10 elapsed, 0:10 left" in page.getvalue()
