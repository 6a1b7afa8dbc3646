"""What one check of `ldm verify` found; the files beside this one make them."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One line of the table: what was checked, how it ended, and what was seen.

    passed: None where it could not be checked; `detail` says why.
    """

    name: str
    passed: bool | None
    detail: str


class Unknown(Exception):
    """Something cannot be checked here; the text says why."""


def check(name: str, look: Callable[[], object]) -> Check:
    """Return the check that `look` makes.

    It returns in words what it saw, and raises Unknown where there is nothing to see, and
    ValueError or OSError, in one line, for what is wrong.
    """
    try:
        return Check(name, True, str(look()))
    except Unknown as reason:
        return Check(name, None, str(reason))
    except (ValueError, OSError) as error:
        return Check(name, False, " ".join(str(error).split()))
