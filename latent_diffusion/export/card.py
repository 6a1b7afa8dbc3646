"""The model card of a hub folder, filled from what a run recorded. Called by hub.py."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from latent_diffusion.evaluation.reconstruction import ReconstructionScores
from latent_diffusion.evaluation.text import class_rows, number, score_rows
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import clock
from latent_diffusion.report.gather import Training, gather
from latent_diffusion.run import Run

TEMPLATE = Path(__file__).with_name("card.md.j2")
HEADLINES = (  # scores that the card shows, where the run has them
    "fid",
    "fid_over_floor",
    "fid_over_matched_floor",
    "detectability",
    "precision",
    "recall",
    "accuracy",
    "sharpness",
)


def card(
    run: Run, pipe: Pipeline, licence: str, grid: str | None, fast: Pipeline | None = None
) -> str:
    """Return the text of README.md: front matter for the hub, then what people should know.

    `grid` is the file of a picture of samples. Nothing is computed: what the run has not recorded
    is said to be missing.
    """
    found = gather(run)
    scores = list(found.earlier.values())[-1] if found.earlier else None
    rows = score_rows(scores) if scores else []
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": number, "cell": cell, "thousands": lambda n: f"{n:,}"}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        name=found.name,
        licence=licence,
        grid=grid,
        facts=pipe.facts,
        source=Path(pipe.facts.source).name,
        counts=list(zip(pipe.facts.class_names, pipe.facts.histogram, strict=True)),
        skipped=pipe.facts.skipped,
        kept=len(pipe.reference.images) if pipe.reference else 0,
        trainings=[about(one) for one in found.trainings.values() if one.trained],
        parameters={
            "autoencoder": parameters(pipe.autoencoder),
            "denoiser": parameters(pipe.denoiser),
            **({"student": parameters(fast.denoiser)} if fast else {}),
        },
        fast=fast is not None,
        sampling=pipe.sampling,
        ema_length=pipe.ema_length,
        scores=scores,
        rows=[row for row in rows if row.name in HEADLINES],
        classes=class_rows(scores) if scores else [],
        reconstruction=reconstruction(run),
        lpips=found.trainings["autoencoder"].config["autoencoder"].get("perceptual") == "lpips",
        checksum=pipe.checksum,
    )


def about(training: Training) -> dict[str, Any]:
    """Return what the card says of one training."""
    settings, seconds = training.settings, training.seconds
    return {
        "caption": training.caption,
        "steps": settings["steps"],
        "batch_size": settings.get("batch_size"),
        "optimizer": settings.get("optimizer"),
        "precision": settings["precision"],
        "minutes": clock(seconds) if seconds else None,
    }


def reconstruction(run: Run) -> ReconstructionScores | None:
    """Return the recorded scores of the autoencoder on held-out images; None without any."""
    recorded = run.read_scores().get("reconstruction")
    return ReconstructionScores.model_validate(recorded) if recorded else None


def parameters(network: Any) -> int:
    """Return the number of a network's weights."""
    return sum(parameter.numel() for parameter in network.parameters())


def cell(text: str) -> str:
    """Return a text as a cell of a Markdown table, whatever a class is called."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
