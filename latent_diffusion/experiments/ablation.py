"""What a setting is worth: the same run with some settings changed, over several seeds.

    scripts/ablate --data DATA --judge RUN --out OUT [--config eurosat_cpu] [--seeds 0-2]
        [--minutes 5] [--set a.b=value] --variant "now"
        --variant "adamw: diffusion.training.optimizer=adamw diffusion.training.learning_rate=6e-4"

A variant is a name and the settings in which it differs. All see the same data and sample the same
seeds, scored by one judge; each seed of a training is gone through with all variants before the
next one. Where variants share their settings of stage one they share its autoencoder as well, one
for each seed. OUT gets every run, ablation.json and ablation.md (after each); the same command goes
on where it was interrupted, and takes further variants and seeds.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from latent_diffusion.data.reference import Reference
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import choose_device, choose_precision
from latent_diffusion.distributed import World
from latent_diffusion.evaluation.intervals import FEWEST_FOR_INTERVALS
from latent_diffusion.evaluation.judge import Judge, judge_statistics
from latent_diffusion.evaluation.reals import random_sets
from latent_diffusion.experiments.ablation_runs import RESULTS, Ablation, checksum
from latent_diffusion.experiments.common import machine, refuse_another, refuse_other_data
from latent_diffusion.progress import say
from latent_diffusion.run import Interrupted, Run
from latent_diffusion.sampling.plan import parse_seeds
from latent_diffusion.training.stages import Config, load_config

# Not a variant's to set.
OURS = (
    "classifier.",
    "autoencoder.training.seed",
    "autoencoder.adversary.training.seed",
    "diffusion.training.seed",
    ".precision",
)


def main() -> None:
    """Do the ablation that the command line asks for; exit status 1 where a training failed."""
    parser = argument_parser()
    options = parser.parse_args()
    failed = False
    try:
        seeds, ablation = parse_seeds(options.seeds), begin(options)
        done = {(row["variant"], row["seed"]) for row in ablation.rows}
        for seed in seeds:
            for name in ablation.variants:
                if (name, seed) not in done:
                    failed |= not ablation.survives(name, seed)
    except ValueError as error:
        parser.error(str(error))
    except (Interrupted, KeyboardInterrupt):
        say("interrupted: the same command goes on")
        sys.exit(130)
    ablation.forget()
    print(ablation.save())
    sys.exit(failed)


def argument_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, required=True, help="a prepared data set (ldm prepare)")
    judge = "a run with a judge trained on it (ldm train-classifier)"
    add("--judge", type=Path, required=True, metavar="RUN", help=judge)
    add("--out", type=Path, required=True, metavar="FOLDER")
    variant = "repeatable; all are compared with the first"
    form = "'NAME: a.b=value …'"
    add("--variant", action="append", required=True, metavar=form, help=variant)
    add("--config", type=Path, default=Path("eurosat_cpu"))
    setting = "for all variants; repeatable"
    add("--set", action="append", default=[], dest="settings", metavar="a.b=value", help=setting)
    add("--seeds", default="0-2", help="of the trainings, as 0-2 or 0,3")
    add("--minutes", type=float, help="of stage two; without, the config's steps")
    add("--n", type=int, default=1000, help="images that are drawn and scored")
    add("--device", default="auto")
    add("--precision", default="auto", choices=["auto", "bfloat16", "float32"])
    return parser


def begin(options: argparse.Namespace) -> Ablation:
    """Return the ablation, with what was done of it before.

    Raise ValueError for what cannot be compared, before anything is trained.
    """
    path, device = options.out / RESULTS, choose_device(options.device)
    earlier: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    if options.precision == "auto" and earlier:
        precision = earlier["precision"]
    else:
        precision = choose_precision(options.precision, device)
    if options.minutes is not None and options.minutes <= 0:
        raise ValueError("--minutes must be more than 0")
    variants = chosen(options, precision)
    data, run = Dataset.open(options.data), Run.open(options.judge)
    reference, judge = Reference.open(run), Judge.load(run, device)
    check(options, data, reference)
    facts = facts_of(options, data, judge, precision, device)
    refuse_another(options.out, "ablation", facts, earlier)
    more = {
        "first": earlier.get("first", next(iter(variants))),
        "steps": earlier.get("steps", {}),
    }
    found = Ablation(
        data=data,
        judged_by=run,
        judge=judge,
        against=judge_statistics(run, judge),
        reference=reference,
        world=World(0, 1, device),
        out=options.out,
        variants=variants,
        facts=facts | more,
        rows=earlier.get("rows", []),
    )
    if options.minutes:
        found.plan_steps(options.minutes)
    for row in found.rows:
        name = row["variant"]
        if name in variants and row["config"] != checksum(variants[name]):
            raise ValueError(
                f"{options.out} holds a variant {name!r} with other settings: give this one "
                "another name"
            )
    found.save()  # from here on OUT is this ablation's
    return found


def chosen(options: argparse.Namespace, precision: str) -> dict[str, Config]:
    """Return the variants by name; ValueError for those that would not compare what they say."""
    found: dict[str, Config] = {}
    for name, settings in map(parse, options.variant):
        refuse_ours(name, options.settings + settings, bool(options.minutes))
        if name in found:
            raise ValueError(f"two variants are called {name!r}")
        config = load_config(options.config, options.settings + settings, precision)
        for other, before in found.items():
            if before.autoencoder == config.autoencoder and before.diffusion == config.diffusion:
                raise ValueError(
                    f"{other!r} and {name!r} would train the same; for settings of sampling there "
                    "is ldm sweep"
                )
        found[name] = config
    return found


def parse(text: str) -> tuple[str, list[str]]:
    """Return the name and the settings of "name: a.b=value c.d=value"; a value holds no blanks."""
    name, _, settings = text.partition(":")
    name = name.strip()
    if not name or not all(c.isalnum() or c in " -_.,+" for c in name):
        raise ValueError(
            f"--variant {text!r}: a variant needs a name of letters, digits, blanks, - _ . , + "
            "before its colon"
        )
    return name, settings.split()


def refuse_ours(name: str, settings: list[str], timed: bool) -> None:
    """Raise ValueError for a setting that all variants share; `timed`: their steps, too."""
    for setting in settings:
        path = setting.partition("=")[0]
        ours = path.startswith(OURS) or path.endswith(OURS)
        if ours or (timed and path == "diffusion.training.steps"):
            raise ValueError(
                f"{name!r}: {path} is not a variant's to set: --seeds, --precision, --minutes and "
                "--judge decide"
            )


def check(options: argparse.Namespace, data: Dataset, reference: Reference) -> None:
    """Raise ValueError for a judge of other data, and for too few held-out images for a floor."""
    refuse_other_data(options.judge, reference, data)
    labels, histogram = reference.held_out(options.n)[1], np.array(reference.facts.histogram)
    if options.n < FEWEST_FOR_INTERVALS or not random_sets(labels, histogram, options.n):
        raise ValueError(
            f"--n {options.n}: FID needs a floor, for which {options.judge} has "
            f"{len(reference.images)} held-out images"
        )


def facts_of(
    options: argparse.Namespace,
    data: Dataset,
    judge: Judge,
    precision: str,
    device: torch.device,
) -> dict[str, Any]:
    """Return what makes an ablation the one that it is."""
    return {
        "data": data.info.checksum,
        "judge": judge.identity,
        "config": str(options.config),
        "settings": options.settings,
        "precision": precision,
        "machine": machine(device),
        "n": options.n,
        "minutes": options.minutes,
    }
