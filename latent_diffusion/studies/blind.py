"""Can a person tell samples from real pictures? Numbered sheets, half real, with a sealed key.

Called by `ldm study blind`: once to draw a sheet, once more with the answers to score them.
"""

import base64
import json
import secrets
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from rich.table import Table

from latent_diffusion.data.reference import Reference
from latent_diffusion.evaluation.sources import open_images
from latent_diffusion.inspection.grids import grid, wrapped
from latent_diffusion.parsing import read_json
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.run import Run, write_atomic, write_json
from latent_diffusion.sampling.plan import parse_seeds
from metrics import binomial_interval

PICTURES = 40  # on a sheet, half of them real
MOST_KEY = 2**16  # bytes of an opened key
POOL = 400  # held-out pictures that sheets share, or as many as there are
COLUMNS, ENLARGED = 8, 4
FIRST_SEED = 3_000_001  # far from those that people draw, score and search by


class Sheet(NamedTuple):
    """Pictures uint8 (PICTURES, S, S, 3) in the order shown, and which of them are real (bool)."""

    images: np.ndarray
    real: np.ndarray

    def picture(self) -> Image.Image:
        """Return the sheet: pictures four times as large, numbered from 1, nothing else told."""
        rows = wrapped(self.images, COLUMNS)
        numbers = iter(range(1, len(self.images) + 1))
        return grid(rows, None, ENLARGED, [[str(next(numbers)) for _ in row] for row in rows])


def shuffled(real: np.ndarray, samples: np.ndarray, random: np.random.Generator) -> Sheet:
    """Return real pictures and samples, both uint8 (N, S, S, 3), as a sheet in random order."""
    order = random.permutation(len(real) + len(samples))
    return Sheet(np.concatenate([real, samples])[order], order < len(real))


def blind(
    run: Run,
    out: Path,
    samples: Path | None,
    device: str,
    number: int = 1,
    answers: str | None = None,
) -> tuple[Table, Path]:
    """Draw sheet `number` of a run, or score the answers to it, and return all results so far.

    samples: a folder to take samples from; fresh ones are drawn without. answers: the numbers of
    the pictures said to be real, such as "1,4,9-12". Sheets share no picture. Raise ValueError for
    too few pictures, a sheet that was drawn already, and answers to one that was not.
    """
    picture, key = out / f"blind-{number}.png", out / f"blind-{number}.key"
    results = out / "blind.json"
    found: dict[str, Any] = read_json(results) if results.is_file() else {}
    if answers is None:
        if key.is_file():
            raise ValueError(
                f"{picture} is there already: look at it and give --answers, or another --sheet"
            )
        sheet = draw_sheet(run, samples, device, number)
        picture.parent.mkdir(parents=True, exist_ok=True)
        sheet.picture().save(picture)
        write_atomic(key, sealed(sheet.real))
    else:
        if not key.is_file():
            raise ValueError(f"there is no {key}: draw the sheet first, without --answers")
        found[str(number)] = scored(opened(key), parse_seeds(answers, "--answers"))
        write_json(results, found)
    return results_table(found, number, answers is None), picture


def draw_sheet(run: Run, samples: Path | None, device: str, number: int) -> Sheet:
    """Return a sheet of held-out pictures and samples of the same classes."""
    half, reference = PICTURES // 2, Reference.open(run).reported()
    images, labels = reference.held_out(POOL)  # the same whatever the number
    rows = np.random.default_rng(0).permutation(len(images))[: number * half]
    if len(rows) < number * half:
        raise ValueError(
            f"sheet {number} needs {number * half} held-out pictures in the half that is reported, "
            f"and the run keeps {len(images)}"
        )
    mine = rows[-half:]
    if samples:
        drawn = from_folder(reference, samples, labels[rows])[-half:]
    else:
        pipe = Pipeline.from_run(run.folder, device)
        seeds = range(FIRST_SEED + (number - 1) * half, FIRST_SEED + number * half)
        drawn = pipe.generate(seeds, labels[mine].tolist(), pipe.sampling)
    return shuffled(images[mine], drawn, np.random.default_rng(secrets.randbits(64)))


def from_folder(reference: Reference, samples: Path, labels: np.ndarray) -> np.ndarray:
    """Return samples of a folder with these labels, uint8 (N, S, S, 3), each of them once.

    Where their classes are not known they are taken as they come.
    """
    source = open_images(samples, reference.facts.image_size)
    asked = source.labels(reference.facts.class_names)
    if asked is None:
        asked, labels = np.zeros(source.count, np.int64), np.zeros_like(labels)
    waiting = {label: iter(np.flatnonzero(asked == label)) for label in np.unique(labels)}
    try:
        rows = np.array([next(waiting[label]) for label in labels])
    except StopIteration:
        raise ValueError(f"{samples} has too few samples of a class for that many sheets") from None
    return source.read(rows)


def sealed(real: np.ndarray) -> bytes:
    """Return which pictures are real, so that a glance at the file tells nothing."""
    content = json.dumps({"salt": secrets.token_hex(32), "real": real.tolist()})
    return base64.b64encode(zlib.compress(content.encode()))


def opened(key: Path) -> np.ndarray:
    """Return what `sealed` wrote, bool (PICTURES,); raise ValueError for anything else."""
    try:
        packed = base64.b64decode(key.read_bytes())
        found = np.array(json.loads(zlib.decompressobj().decompress(packed, MOST_KEY))["real"])
        if found.shape == (PICTURES,) and found.dtype == bool:
            return found
        raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError, zlib.error):
        raise ValueError(f"{key} is damaged: draw another sheet") from None


def scored(real: np.ndarray, said: list[int]) -> dict[str, int]:
    """Return of how many pictures the answers are right; raise ValueError for other numbers."""
    if not all(1 <= number <= len(real) for number in said):
        raise ValueError(f"--answers are numbers from 1 to {len(real)}, those of the real pictures")
    said_real = np.isin(np.arange(1, len(real) + 1), said)
    return {"pictures": len(real), "right": int((said_real == real).sum())}


def results_table(found: dict[str, Any], number: int, drawn: bool) -> Table:
    """Return the share of right answers, sheet by sheet and of all together."""
    table = Table(title="which are real?")
    for name in ("sheet", "right", "of", "share", "95% interval"):
        table.add_column(name, justify="right")
    right = sum(one["right"] for one in found.values())
    pictures = sum(one["pictures"] for one in found.values())
    rows = [
        (name, one["right"], one["pictures"])
        for name, one in sorted(found.items(), key=lambda item: int(item[0]))
    ]
    for name, hits, n in [*rows, ("all", right, pictures)] if found else []:
        low, high = binomial_interval(hits, n)
        table.add_row(name, str(hits), str(n), f"{hits / n:.2f}", f"{low:.2f} .. {high:.2f}")
    table.caption = "0.5 is what chance gives: then nobody can tell"
    if drawn:
        table.caption += (
            f"; sheet {number} is drawn: name its real pictures with --answers 1,4,9-12"
        )
    return table
