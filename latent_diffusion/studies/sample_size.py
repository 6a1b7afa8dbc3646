"""How scores depend on the number of images: why an FID without its N, and its floor, says nothing.

Called by `ldm study sample-size`.
"""

from pathlib import Path

import numpy as np
from rich.table import Table

from latent_diffusion.data.reference import Reference
from latent_diffusion.device import choose_device
from latent_diffusion.evaluation.features import Seen, look
from latent_diffusion.evaluation.judge import Judge, judge_statistics
from latent_diffusion.evaluation.sources import of_array, open_images
from latent_diffusion.evaluation.yardstick import MOST_NEIGHBOURS, Yardstick
from latent_diffusion.inspection.plots import Curve, Panel, plot
from latent_diffusion.run import Run
from latent_diffusion.studies.sensitivity import SCORES
from latent_diffusion.subsets import some
from metrics import Statistics, frechet_extrapolation

HELD_OUT = 2_000  # images, at most
FEWEST = 10  # images of a subset
SIZES = 7
SUBSETS = 10  # of each size


def sample_size(run: Run, samples: Path | None, plot_path: Path, device: str) -> tuple[dict, Table]:
    """Return scores at growing N, of held-out images and of samples if given, and a table of them.

    They are means and standard deviations over subsets. The plot is written. Raise ValueError for
    fewer images than two of the smallest subsets.
    """
    reference = Reference.open(run)
    judge = Judge.load(run, choose_device(device))
    judge.require_classes()
    against = judge_statistics(run, judge)
    assert against.features is not None  # a judge's statistics keep some
    neighbours = against.features[some(len(against.features), MOST_NEIGHBOURS)]
    yardstick = Yardstick(against.statistics, neighbours, np.zeros(0), True)
    sources = {"real, held out": of_array(reference.held_out(HELD_OUT)[0])}
    if samples:
        sources["samples"] = open_images(samples, reference.facts.image_size)
    numbers: dict[str, dict] = {}
    for name, source in sources.items():
        if source.count < 2 * FEWEST:
            raise ValueError(
                f"{source.name} holds {source.count} images: the study needs at least {2 * FEWEST}"
            )
        seen = look(judge, source.batches(), source.count, title=name)
        numbers[name] = growing(seen, yardstick) | {"fid_infinity": limit(seen, against.statistics)}
    plot(score_panels(numbers), plot_path, columns=5)
    return numbers, means_table(numbers)


def growing(seen: Seen, yardstick: Yardstick) -> dict[str, list]:
    """Return the sizes, "n", and for each score (mean, standard deviation) over subsets by size."""
    assert seen.probabilities is not None  # a judge of classes gives them
    random = np.random.default_rng(0)
    kept = len(seen.rows)
    whole = Seen(
        kept,
        None,
        seen.features,
        np.arange(kept),
        seen.probabilities[seen.rows],
        seen.edge_energies[seen.rows],
    )
    sizes = np.unique(np.geomspace(max(FEWEST, kept // 80), kept // 2, SIZES).astype(int)).tolist()
    found: dict[str, list] = {"n": sizes, **{score: [] for score in SCORES}}
    for n in sizes:
        subsets = [np.sort(random.choice(kept, n, replace=False)) for _ in range(SUBSETS)]
        scored = [yardstick.scores(whole.subset(rows), None) for rows in subsets]
        for score in SCORES:
            values = [scores[score] for scores in scored]
            found[score].append((float(np.mean(values)), float(np.std(values, ddof=1))))
    return found


def limit(seen: Seen, statistics: Statistics) -> tuple[float, float, float]:
    """Return the FID at infinitely many images, with the ends of its interval."""
    found = frechet_extrapolation(seen.features, statistics, np.random.default_rng(0), 5).limit
    return found.value, found.low, found.high


def score_panels(numbers: dict[str, dict]) -> list[Panel]:
    """Return a panel a score, over the number of images."""
    panels = []
    for score, title in SCORES.items():
        curves = []
        for name, found in numbers.items():
            means, deviations = zip(*found[score], strict=True)
            curves.append(Curve(name, found["n"], means, deviations))
        panels.append(Panel(title, "number of images", title, curves, log_x=True))
    return panels


def means_table(numbers: dict[str, dict]) -> Table:
    """Return a row for each number of images, and for FID one at infinitely many."""
    table = Table(title=f"means over {SUBSETS} subsets")
    for column in ("images", "N", *SCORES.values()):
        table.add_column(column, justify="left" if column == "images" else "right")
    for name, found in numbers.items():
        for row, n in enumerate(found["n"]):
            table.add_row(name, str(n), *(f"{found[score][row][0]:.3f}" for score in SCORES))
        limit_of_fid = f"{found['fid_infinity'][0]:.3f}"
        table.add_row(name, "to infinity", limit_of_fid, "", "", "", "", end_section=True)
    return table
