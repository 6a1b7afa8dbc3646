"""How scores depend on the number of images: why an FID without its N, and without its floor, says nothing."""

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
from latent_diffusion.subsets import some
from metrics import frechet_extrapolation

FEWEST, SIZES, DRAWS = 10, 7, 10
SCORES = {
    "fid": "FID",
    "kid": "KID",
    "inception_score": "Inception score",
    "precision": "precision",
    "recall": "recall",
}


def sample_size(run: Run, samples: Path | None, picture: Path, device: str) -> tuple[dict, Table]:
    """Scores at growing N, means and deviations over DRAWS subsets, of held-out images and of samples if given."""
    reference, judge = Reference.open(run), Judge.load(run, choose_device(device))
    against = judge_statistics(run, judge)
    yardstick = Yardstick(
        against.statistics,
        against.features[some(len(against.features), MOST_NEIGHBOURS)],
        np.zeros(0),
        True,
    )
    sources = {"real, held out": of_array(reference.held_out(2_000)[0])}
    if samples:
        sources["samples"] = open_images(samples, reference.facts.image_size)
    numbers: dict = {}
    for name, source in sources.items():
        if source.count < 2 * FEWEST:
            raise ValueError(
                f"{source.name} holds {source.count} images: the study needs at least {2 * FEWEST}"
            )
        seen = look(judge, source.batches(), source.count, title=name)
        numbers[name] = growing(seen, yardstick) | {"fid_infinity": limit(seen, against.statistics)}
    panels = [
        Panel(
            title,
            "number of images",
            title,
            [
                Curve(name, found["n"], [m for m, _ in found[score]], [d for _, d in found[score]])
                for name, found in numbers.items()
            ],
            log_x=True,
        )
        for score, title in SCORES.items()
    ]
    plot(panels, picture, columns=5)
    table = Table(title=f"means over {DRAWS} subsets")
    for column in ("images", "N", *SCORES.values()):
        table.add_column(column, justify="left" if column == "images" else "right")
    for name, found in numbers.items():
        for row, n in enumerate(found["n"]):
            table.add_row(name, str(n), *(f"{found[score][row][0]:.3f}" for score in SCORES))
        table.add_row(
            name, "to infinity", f"{found['fid_infinity'][0]:.3f}", "", "", "", "", end_section=True
        )
    return numbers, table


def growing(seen: Seen, yardstick: Yardstick) -> dict:
    random, kept = np.random.default_rng(0), len(seen.rows)
    whole = Seen(
        kept,
        None,
        seen.features,
        np.arange(kept),
        seen.probabilities[seen.rows],
        seen.edge_energies[seen.rows],
    )
    sizes = np.unique(np.geomspace(max(FEWEST, kept // 80), kept // 2, SIZES).astype(int)).tolist()
    found: dict = {"n": sizes} | {score: [] for score in SCORES}
    for n in sizes:
        drawn = [
            yardstick.scores(whole.subset(np.sort(random.choice(kept, n, replace=False))), None)
            for _ in range(DRAWS)
        ]
        for score in SCORES:
            values = [scores[score] for scores in drawn]
            found[score].append((float(np.mean(values)), float(np.std(values, ddof=1))))
    return found


def limit(seen: Seen, statistics) -> tuple[float, float, float]:
    """FID at infinitely many images: value and interval."""
    found = frechet_extrapolation(seen.features, statistics, np.random.default_rng(0), 5).limit
    return found.value, found.low, found.high
