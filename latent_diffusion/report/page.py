"""A run as one HTML page that needs nothing beside it: no network, no script, both colour schemes, wide or narrow."""

import importlib.metadata
from pathlib import Path

import numpy as np
import torch
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from latent_diffusion.data.store import Dataset
from latent_diffusion.device import choose_device
from latent_diffusion.evaluation import text
from latent_diffusion.inspection.grids import ERROR_GAIN, error_maps
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import clock, say
from latent_diffusion.report import charts, confusion, curves, pictures, reproduce
from latent_diffusion.report.budget import stage_budget
from latent_diffusion.report.gather import Gathered, attempt, gather
from latent_diffusion.report.measure import MOST_CLASSES, Measured, images_to_score, measure
from latent_diffusion.report.verdicts import verdicts
from latent_diffusion.run import Run, write_atomic
from latent_diffusion.sampling.config import by_class_spoken
from latent_diffusion.studies.sweep import spoken, sweep

REALS_SHOWN = 6  # images a class
HEADLINES = (
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
) -> Path:
    """Gather, measure and write; `sweeping` also sweeps guidance into RUN/sweep where there is no sweep yet."""
    run, data, place = (
        Run.open(folder),
        Dataset.open(data_folder) if data_folder else None,
        choose_device(device),
    )
    found = gather(run, data)
    images = images_to_score(images, found.reference)
    if sweeping and not found.trials:
        attempt(
            refused := {},
            "sweep",
            lambda: sweep(run, run.folder / "sweep", {}, [], max(50, images), device),
        )
        found = gather(run, data)
        found.missing |= refused
    write_atomic(out, render(found, measure(found, images, data, place)).encode())
    for line in dict.fromkeys(found.missing.values()):
        say(f"left out: {line}")
    return out


def how_sampled(pipe: Pipeline) -> str:
    """The run's sampling settings that change pictures, in words."""
    config = pipe.sampling
    words = [config.sampler, f"{config.steps} steps", f"guidance {config.guidance:g}"]
    words += [f"for {by_class_spoken(config.class_guidance)}"] if config.class_guidance else []
    words += (
        []
        if config.guidance_interval == "all"
        else ["between noise levels {:g} and {:g}".format(*config.guidance_interval)]
    )
    words += [] if config.temperature == 1 else [f"temperature {config.temperature:g}"]
    words += (
        []
        if config.epsilon_scale == 1
        else [f"predicted noise divided by {config.epsilon_scale:g}"]
    )
    return ", ".join([*words, f"weights averaged over {pipe.ema_length:g} of the training"])


def render(found: Gathered, measured: Measured) -> str:
    scores, names = measured.scores, found.facts.class_names
    good, weak = verdicts(scores, measured.reconstruction, measured.audit)
    rows = text.score_rows(scores) if scores else []
    earlier = {
        name: one
        for name, one in found.earlier.items()
        if name != f"seeds 1-{measured.images} (report)"
    }
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            found=found,
            measured=measured,
            scores=scores,
            names=names,
            facts=found.facts,
            missing=found.missing,
            good=good,
            weak=weak,
            rows=rows,
            headlines=[row for name in HEADLINES for row in rows if row.name == name],
            earlier=earlier,
            budget=stage_budget(scores, measured.reconstruction),
            reals=real_images(found),
            held_out=held_out(found),
            classes=text.class_rows(scores) if scores else [],
            right=text.accuracies(scores) if scores else {},
            confusion=confusion.rows(scores) if scores else None,
            mistakes=confusion.mistakes(scores) if scores else [],
            reconstructed=reconstructed(measured),
            panels={
                name: curves.training_panels(name, {found.name: one})
                for name, one in found.networks.items()
            },
            noise=curves.noise_panel(measured.noise) if measured.noise else None,
            swept=curves.sweep_panels(found.trials) if found.trials else [],
            best=spoken(found.trials[-1]) if found.trials else "",
            how=how_sampled(measured.pipe) if measured.pipe else "",
            config=reproduce.resolved_config(found),
            commands=reproduce.commands(found, measured.images),
            versions=versions(),
            gain=ERROR_GAIN,
        )
    )


def environment() -> Environment:
    """Templates in which everything is escaped that is not made by `pictures` or `charts`."""
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
        "number": text.number,
        "clock": clock,
        "thousands": "{:,}".format,
    }
    return found


def versions() -> str:
    return f"latent-diffusion {importlib.metadata.version('latent-diffusion')}, PyTorch {torch.__version__}"


def real_images(found: Gathered) -> dict[int, list]:
    """Some held-out images of the classes that are shown, by label."""
    if not found.reference:
        return {}
    kept = found.reference
    return {
        label: [kept.images[row] for row in (kept.labels == label).nonzero()[0][:REALS_SHOWN]]
        for label in pictures.spread_labels(found.facts.num_classes, MOST_CLASSES)
    }


def held_out(found: Gathered) -> list[int]:
    """Images by label: of the data set, or else those that the run kept."""
    if found.info:
        return [found.info.counts[name].test for name in found.info.class_names]
    return (
        np.bincount(found.reference.labels, minlength=found.facts.num_classes).tolist()
        if found.reference
        else []
    )


def reconstructed(measured: Measured) -> list[list]:
    """Original, decoded and error of each image that is shown."""
    if not measured.reconstructed:
        return []
    originals, decoded = measured.reconstructed
    return [list(three) for three in zip(originals, decoded, error_maps(originals, decoded))]
