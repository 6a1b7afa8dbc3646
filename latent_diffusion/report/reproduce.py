"""How to make a run again: one config with everything resolved, and the commands, as text to copy."""

import shlex

import tomli_w

from latent_diffusion.report.gather import Gathered
from latent_diffusion.run import without_none
from latent_diffusion.training.stages import Config, resumed_config


def resolved_config(found: Gathered) -> str:
    """TOML that `ldm train-…` reads: what the parts of the run recorded, without what is no setting."""
    tree = {}
    for name, training in found.trainings.items():
        resolved = resumed_config(getattr(found.run, name)).model_dump(mode="json")
        tree |= {
            table: resolved[table] for table in Config.model_fields if table in training.config
        }
        if name != "diffusion":
            tree[name]["training"].pop("snapshots", None)  # of older runs, where nothing reads them
    return tomli_w.dumps(without_none(tree))


def commands(found: Gathered, images: int) -> list[str]:
    """From the source of the data to the scores of the report, one command a line."""
    facts, name = found.facts, shlex.quote(found.name)
    data, run, samples = (f"{folder}/{name}" for folder in ("data", "runs", "samples"))
    share = facts.holdout if facts.holdout is not None or not found.info else found.info.holdout
    holdout = f" --holdout {share:g}" if share is not None else ""
    lines = [
        f"ldm prepare {shlex.quote(facts.source)} {data} --size {facts.image_size} --{'' if facts.flip else 'no-'}flip{holdout}"
    ]
    lines += [
        f"{training.command} config.toml --data {data} --run {run}"
        for training in found.trainings.values()
    ]
    if "diffusion" in found.trainings:
        lines += [
            f"ldm sample {run} {samples} --seeds 1-{images} --class-distribution data",
            f"ldm evaluate {samples} --run {run}",
        ]
    return lines
