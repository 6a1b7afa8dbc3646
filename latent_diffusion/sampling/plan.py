"""Which seeds are drawn in which class."""

from collections.abc import Sequence

import numpy as np

GOLDEN = 0x9E3779B97F4A7C15  # of 2 ** 64: (sqrt(5) - 1) / 2


def parse_seeds(text: str, option: str = "--seeds") -> list[int]:
    """ "1-100" or "3,7,20-29" -> the seeds in that order, each once. ValueError, naming the option, for anything else."""
    seeds: dict[int, None] = {}
    for part in text.replace(" ", "").split(","):
        first, dash, last = part.partition("-")
        if (
            not first.isdecimal()
            or (dash and not last.isdecimal())
            or (dash and int(last) < int(first))
        ):
            raise ValueError(
                f"{option} {text!r} is not a list of whole numbers and ranges such as 1-100 or 3,7,20-29"
            )
        if int(last or first) - int(first) >= 1_000_000 or int(last or first) >= 2**63:
            raise ValueError(
                f"{option} {text!r} asks for more than a million seeds or one of 2**63 and more"
            )
        seeds |= dict.fromkeys(range(int(first), int(last or first) + 1))
    return list(seeds)


def cycle(seeds: Sequence[int], classes: Sequence[int]) -> list[int]:
    """Seed s draws classes[(s - 1) mod len], so that any run of seeds covers them evenly."""
    return [classes[(seed - 1) % len(classes)] for seed in seeds]


def follow(seeds: Sequence[int], classes: Sequence[int], histogram: Sequence[int]) -> list[int]:
    """The class of each seed, in the proportions of the histogram; any run of seeds comes close to them.

    A seed's class depends on the seed alone: the golden-ratio sequence spreads consecutive seeds evenly over [0, 1).
    """
    bounds = np.cumsum([histogram[label] for label in classes], dtype=np.float64)
    places = np.array([seed * GOLDEN % 2**64 / 2**64 for seed in seeds]) * bounds[-1]
    return [classes[place] for place in np.searchsorted(bounds, places, side="right")]
