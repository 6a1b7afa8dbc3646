"""How to make a run again: one config with everything resolved, and the commands, as text to copy.

Called by the page of a run.
"""

import shlex
from typing import Any

import tomli_w

from latent_diffusion.report.gather import Gathered
from latent_diffusion.run import without_none
from latent_diffusion.training.stages import Config, resumed_config


def resolved_settings(found: Gathered) -> dict[str, Any]:
    """Return every setting of the run's trainings, defaults included, by its place in a config."""
    tree: dict[str, Any] = {}
    for name, training in found.trainings.items():
        resolved = resumed_config(getattr(found.run, name)).model_dump(mode="json")
        for key in Config.model_fields:
            if key in training.config:
                tree[key] = resolved[key]
    return tree


def resolved_config(found: Gathered) -> str:
    """Return TOML that `ldm train-…` reads: what the parts of the run recorded as settings."""
    tree = resolved_settings(found)
    for name in found.trainings:
        if name != "diffusion":
            tree[name]["training"].pop("snapshots", None)  # of older runs, where nothing reads them
    return tomli_w.dumps(without_none(tree))


def commands(found: Gathered, images: int) -> list[str]:
    """Return the commands from the source of the data to the scores of the report."""
    facts = found.facts
    name = shlex.quote(found.name)
    data, run, samples = f"data/{name}", f"runs/{name}", f"samples/{name}"
    share = facts.holdout
    if share is None and found.info:
        share = found.info.holdout
    flip = "--flip" if facts.flip else "--no-flip"
    holdout = f" --holdout {share:g}" if share is not None else ""
    labels = "" if facts.labels == "auto" else f" --labels {shlex.quote(facts.labels)}"
    source = shlex.quote(facts.source)
    lines = [f"ldm prepare {source} {data} --size {facts.image_size} {flip}{holdout}{labels}"]
    for training in found.trainings.values():
        lines.append(f"{training.command} config.toml --data {data} --run {run}")
    if "diffusion" in found.trainings:
        lines += [
            f"ldm sample {run} {samples} --seeds 1-{images} --class-distribution data",
            f"ldm evaluate {samples} --run {run}",
        ]
    return lines
