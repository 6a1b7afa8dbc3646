"""A run as one HTML page that needs nothing beside it: no network, no script.

It has both colour schemes, and fits wide and narrow windows. Called by `ldm report` and the demo.
"""

import importlib.metadata
from pathlib import Path

import numpy as np
import torch
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from latent_diffusion.data.store import Dataset
from latent_diffusion.device import choose_device
from latent_diffusion.evaluation.text import accuracies, class_rows, number, score_rows
from latent_diffusion.inspection.grids import ERROR_GAIN, comparison_rows
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import clock, say
from latent_diffusion.report import charts, confusion, curves, pictures, reproduce
from latent_diffusion.report.budget import stage_budget
from latent_diffusion.report.gather import Gathered, gather, load_or_note
from latent_diffusion.report.measure import (
    MOST_CLASSES,
    Done,
    Measured,
    images_to_score,
    measure,
    report_name,
)
from latent_diffusion.report.verdicts import verdicts
from latent_diffusion.run import Run, write_atomic
from latent_diffusion.sampling.config import by_class_spoken
from latent_diffusion.studies.sweep.search import sweep
from latent_diffusion.studies.sweep.show import ON_A_PAGE, score_panels, spoken
from latent_diffusion.training.health import ailment, looks, state

REALS_SHOWN = 6  # images a class
FEWEST_SWEPT = 50  # samples of each setting of a sweep
HEADLINES = (
    "detectability",
    "fid",
    "fid_over_floor",
    "fid_over_matched_floor",
    "inception_score",
    "accuracy",
    "precision",
    "recall",
    "sharpness",
)


def report(
    folder: Path,
    out: Path,
    images: int | None,
    data_folder: Path | None,
    device: str,
    sweeping: bool,
    fast: bool = False,
    done: Done | None = None,
) -> Path:
    """Gather, measure and write the page; return its path. fast: the student draws.

    `sweeping` also sweeps guidance into RUN/sweep where there is no sweep yet. `done`: samples that
    need neither be drawn nor scored.
    """
    run = Run.open(folder)
    data = Dataset.open(data_folder) if data_folder else None
    chosen_device = choose_device(device)
    found = gather(run, data)
    images = images_to_score(images, found.reference)
    if sweeping and not found.trials:
        swept = max(FEWEST_SWEPT, images)
        refused: dict[str, str] = {}
        load_or_note(
            refused, "sweep", lambda: sweep(run, run.folder / "sweep", {}, [], swept, device)
        )
        found = gather(run, data)
        found.missing |= refused
    measured = measure(found, images, data, chosen_device, fast, done)
    this = str(done.samples.resolve()) if done else report_name(images, fast)
    write_atomic(out, render(found, measured, this).encode())
    for line in dict.fromkeys(found.missing.values()):
        say(f"left out: {line}")
    return out


def how_sampled(pipe: Pipeline) -> str:
    """Return the run's sampling settings that change pictures, in words."""
    config = pipe.sampling
    words = [config.sampler, f"{config.steps} steps", f"guidance {config.guidance:g}"]
    if pipe.is_fast:
        evaluations = f"{config.steps} network evaluation{'s' if config.steps > 1 else ''}"
        words = ["drawn by the denoiser's student", evaluations, f"guidance {config.guidance:g}"]
    if config.class_guidance:
        words.append(f"for {by_class_spoken(config.class_guidance)}")
    if config.guidance_interval != "all":
        low, high = config.guidance_interval
        words.append(f"between noise levels {low:g} and {high:g}")
    if config.temperature != 1:
        words.append(f"temperature {config.temperature:g}")
    if config.epsilon_scale != 1:
        words.append(f"predicted noise divided by {config.epsilon_scale:g}")
    words.append(f"an EMA of the weights over {pipe.ema_length:g} of the training")
    return ", ".join(words)


def render(found: Gathered, measured: Measured, this: str) -> str:
    """Return the page of a run as HTML; `this` is what scores.json calls the samples shown."""
    scores = measured.scores
    good, weak = verdicts(scores, measured.reconstruction, measured.audit)
    health, ill = health_of(found)
    if ill:
        weak.append(f"the denoiser's training: {ill}")
    rows = score_rows(scores) if scores else []
    training_panels = {
        name: curves.training_panels(name, {found.name: one})
        for name, one in found.networks.items()
    }
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            found=found,
            measured=measured,
            scores=scores,
            names=found.facts.class_names,
            facts=found.facts,
            missing=found.missing,
            good=good,
            weak=weak,
            rows=rows,
            headlines=[row for name in HEADLINES for row in rows if row.name == name],
            earlier={name: one for name, one in found.earlier.items() if name != this},
            budget=stage_budget(scores, measured.reconstruction, measured.cost),
            evidence=np.asarray(measured.evidence) if measured.evidence else None,
            cost=measured.cost,
            cost_panels=curves.cost_panels(measured.cost) if measured.cost else [],
            reals=real_images(found),
            held_out=held_out(found),
            classes=class_rows(scores) if scores else [],
            right=accuracies(scores) if scores else {},
            confusion=confusion.matrix_rows(scores) if scores else None,
            mistakes=confusion.mistakes(scores) if scores else [],
            reconstructed=reconstructed(measured),
            panels=training_panels,
            health=curves.health_panel(found.trainings["diffusion"]) if health else None,
            health_said=f"{health}. {ill}" if ill else health,
            noise=curves.noise_panel(measured.noise) if measured.noise else None,
            swept=score_panels(found.trials, ON_A_PAGE) if found.trials else [],
            best=spoken(found.trials[-1]) if found.trials else "",
            how=how_sampled(measured.pipe) if measured.pipe else "",
            config=reproduce.resolved_config(found),
            commands=reproduce.commands(found, measured.images),
            versions=versions(),
            gain=ERROR_GAIN,
        )
    )


def health_of(found: Gathered) -> tuple[str, str]:
    """Return how the denoiser's training stands and what ails it, both "" where that is unknown."""
    training = found.trainings.get("diffusion")
    seen = looks(training.log) if training else []
    if not training or not seen:
        return "", ""
    dropout = training.config["diffusion"]["label_dropout"]
    return state(seen), ailment(seen, found.facts.num_classes, dropout)


def environment() -> Environment:
    """Return the templates, in which all is escaped that is not made by `pictures` or `charts`."""
    found = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "svg": lambda panel: Markup(charts.svg(panel)),
        "tile": pictures.tile,
        "strip": pictures.strip,
        "sheet": pictures.sheet,
        "number": number,
        "clock": clock,
        "thousands": "{:,}".format,
    }
    return found


def versions() -> str:
    """Return what the page was made with."""
    own = importlib.metadata.version("latent-diffusion")
    return f"latent-diffusion {own}, PyTorch {torch.__version__}"


def real_images(found: Gathered) -> dict[int, list[np.ndarray]]:
    """Return some held-out images of the classes that are shown, by label."""
    if not found.reference:
        return {}
    kept = found.reference
    shown = {}
    for label in pictures.spread_labels(found.facts.num_classes, MOST_CLASSES):
        rows = np.flatnonzero(kept.labels == label)[:REALS_SHOWN]
        shown[label] = [kept.images[row] for row in rows]
    return shown


def held_out(found: Gathered) -> list[int]:
    """Return the numbers of held-out images by label: of the data set, or of what the run kept."""
    if found.info:
        return [found.info.counts[name].test for name in found.info.class_names]
    if not found.reference:
        return []
    return np.bincount(found.reference.labels, minlength=found.facts.num_classes).tolist()


def reconstructed(measured: Measured) -> list[list[np.ndarray]]:
    """Return original, decoded and error of each image that is shown."""
    if not measured.reconstructed:
        return []
    return [list(three) for three in zip(*comparison_rows(*measured.reconstructed), strict=True)]
