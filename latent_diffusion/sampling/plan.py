"""Which seeds are drawn in which class, and into which files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from latent_diffusion.data.reference import DataFacts

GOLDEN = 0x9E3779B97F4A7C15  # of 2 ** 64: (sqrt(5) - 1) / 2
MOST_SEEDS, MOST_SEED = 1_000_000, 2**63
Distribution = Literal["cycle", "every", "data"]


def parse_seeds(text: str, option: str = "--seeds") -> list[int]:
    """Return the seeds of "1-100" or "3,7,20-29" in that order, each once.

    Raise ValueError, naming the option, for anything else.
    """
    seeds: dict[int, None] = {}
    for part in text.replace(" ", "").split(","):
        begin, dash, end = part.partition("-")
        end = end if dash else begin
        if not (begin.isdecimal() and end.isdecimal()) or int(end) < int(begin):
            raise ValueError(
                f"{option} {text!r} is not a list of whole numbers and ranges such as 1-100 or "
                "3,7,20-29"
            )
        first, last = int(begin), int(end)
        if last - first >= MOST_SEEDS or last >= MOST_SEED:
            raise ValueError(
                f"{option} {text!r} asks for more than a million seeds or one of 2**63 and more"
            )
        seeds |= dict.fromkeys(range(first, last + 1))
    return list(seeds)


def checked_seeds(seeds: int | Sequence[int]) -> list[int]:
    """Return seeds as they were given to Python, one or several, as a list.

    Raise ValueError for none, and for what is no whole number from 0 to 2 ** 63 - 1.
    """
    given = list(seeds) if isinstance(seeds, Iterable) and not isinstance(seeds, str) else [seeds]
    wrong = [seed for seed in given if not is_seed(seed)]
    if wrong or not given:
        raise ValueError(
            f"seeds are whole numbers from 0 to 2**63 - 1, got {wrong[0]!r}"
            if wrong
            else "seeds are empty: give one or more whole numbers"
        )
    return [int(seed) for seed in given]


def is_seed(seed: Any) -> bool:
    """Return whether something is a whole number that a random generator takes."""
    whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
    return whole and 0 <= int(seed) < MOST_SEED


def cycle(seeds: Sequence[int], classes: Sequence[int]) -> list[int]:
    """Return classes[(s - 1) mod len] for each seed s: any run of seeds covers them evenly."""
    return [classes[(seed - 1) % len(classes)] for seed in seeds]


def follow(seeds: Sequence[int], classes: Sequence[int], histogram: Sequence[int]) -> list[int]:
    """Return the class of each seed, so that any run of seeds comes close to the histogram.

    A seed's class depends on the seed alone: the golden-ratio sequence spreads consecutive seeds
    evenly over [0, 1).
    """
    bounds = np.cumsum([histogram[label] for label in classes], dtype=np.float64)
    spread = np.array([seed * GOLDEN % 2**64 / 2**64 for seed in seeds]) * bounds[-1]
    return [classes[index] for index in np.searchsorted(bounds, spread, side="right")]


@dataclass(frozen=True)
class Drawn:
    """One image of a samples folder that is to be drawn."""

    file: str
    seed: int
    label: int


def to_draw(
    facts: DataFacts, seeds: Sequence[int], allowed: list[int], distribution: Distribution
) -> list[Drawn]:
    """Return the images of these seeds in the allowed labels.

    "cycle": seed s draws allowed[(s - 1) mod len]; "every": each seed in each class; "data": in the
    proportions of the data set.
    """
    if distribution == "every":
        names = {label: file_name(facts.class_names, label) for label in allowed}
        return [
            Drawn(f"{names[label]}-{seed:05d}.png", seed, label)
            for label in allowed
            for seed in seeds
        ]
    if distribution == "cycle":
        labels = cycle(seeds, allowed)
    else:
        labels = follow(seeds, allowed, facts.histogram)
    return [
        Drawn(f"{seed:05d}.png", seed, label) for seed, label in zip(seeds, labels, strict=True)
    ]


def file_name(names: Sequence[str], label: int) -> str:
    """Return a class's name as part of a file name.

    A class may be called anything, a file may not; two classes never share one.
    """
    safe = ["".join(c if c.isalnum() or c in "-_. " else "_" for c in name) for name in names]
    safe = [name.strip(". ") for name in safe]
    alike = [name.casefold() for name in safe].count(safe[label].casefold()) > 1
    return f"{safe[label]}-{label}" if alike or not safe[label] else safe[label]
