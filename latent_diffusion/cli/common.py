"""What all commands share: the application, and `main`, which turns failures into one line."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from latent_diffusion import __version__
from latent_diffusion.run import Interrupted
from latent_diffusion.threads import share_cores

if TYPE_CHECKING:
    from latent_diffusion.distributed import World

FAILED, MISTAKE, INTERRUPTED = 1, 2, 130  # exit statuses

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Latent diffusion that anyone can train from scratch on their own images.\n\n"
    "Try it: [bold]ldm demo[/bold]. Your own pictures: prepare, train-autoencoder, "
    "train-classifier, train-diffusion, sample, evaluate.\n\n"
    "With --debug any command shows where an error arose.",
)


def show_version(asked: bool) -> None:
    """Print the version and stop, where `--version` asks for it."""
    if asked:
        print(f"latent-diffusion {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=show_version, is_eager=True),
    ] = False,
) -> None:
    # Options of `ldm` itself, which act by their callbacks. A docstring would replace the help
    # above.
    pass


def main() -> None:
    """Run a command and exit with its status.

    0 done, 1 where a check that was asked for fails, 2 a user's mistake in one line, 130
    interrupted with everything saved.
    """
    share_cores()  # before a command loads torch
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that knows few letters gets the others as \\u72ac, and never an error.
            stream.reconfigure(errors="backslashreplace")
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        status = app(standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        fail("interrupted", INTERRUPTED)
    except Interrupted as stop:
        fail(str(stop), INTERRUPTED)
    except Exception as error:
        refusal = explained(error, debug)
        if refusal is None:
            raise
        fail(refusal, MISTAKE)
    if status == INTERRUPTED:  # how typer reports Ctrl-C
        fail("interrupted", INTERRUPTED)
    if isinstance(status, int):
        sys.exit(status)


def explained(error: Exception, debug: bool) -> str | None:
    """Return one line for what a user can put right; None for an error that keeps its traceback.

    That is a defect of ours, or any that is looked for with --debug.
    """
    if hasattr(error, "format_message"):  # typer's own refusals of options and arguments
        return error.format_message() or "name a command"
    if debug:
        return None
    if isinstance(error, (RuntimeError, MemoryError)) and is_out_of_memory(error):
        return (
            "out of memory: try a smaller batch_size for a training, a smaller "
            "sampling.compute_batch for samples"
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" ({error.filename})" if error.filename else ""
        return f"the disk is full{where}: free some space, then give the same command again"
    if isinstance(error, (ValueError, OSError)):
        return f"{error} (--debug shows where)"
    return None


@contextmanager
def processes(device: str) -> Iterator["World"]:
    """Join the processes that torchrun started, if it did; they share work, and the first speaks.

    device: as --device has it; each process has its own GPU.
    """
    from latent_diffusion.device import choose_device
    from latent_diffusion.distributed import shared_work, world

    with world(choose_device(device)) as group, shared_work(group):
        yield group


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error says that memory is short; torch has been imported where one is."""
    from latent_diffusion.device import is_out_of_memory

    return is_out_of_memory(error)


def fail(text: str, status: int) -> NoReturn:
    """Print one line to standard error and exit with this status."""
    rank = os.environ.get("RANK", "0")
    where = "" if rank == "0" else f"[rank {rank}] "
    with suppress(OSError):  # the terminal is gone
        print(f"ldm: {where}{' '.join(text.split())}", file=sys.stderr)
    sys.exit(status)
