"""Time to quality beside that of peers: same data, same wall-clock, same judge and floor.

    scripts/race --data DATA --judge RUN --out OUT [--minutes 10] [--systems ours,dcgan] [--n 250]

Systems train one after the other, each for the minutes, and are scored at points of their own
training clock, which stands still while samples are drawn and scored. All draw the same classes, in
the data's proportions, with EMAs of their weights. OUT gets race.json (after every score), race.md,
race.png and a grid of each system; the same command goes on where it was interrupted.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from latent_diffusion.data.reference import Reference
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import choose_device, choose_precision
from latent_diffusion.evaluation.judge import Judge, judge_statistics
from latent_diffusion.experiments import peers
from latent_diffusion.experiments.common import machine, refuse_another, refuse_other_data
from latent_diffusion.experiments.peers_dcgan import dcgan
from latent_diffusion.experiments.peers_ddpm import ddpm, diffusers_latent, small_ddpm
from latent_diffusion.experiments.race_ours import ours
from latent_diffusion.experiments.race_report import report
from latent_diffusion.experiments.race_turn import Race, Turn
from latent_diffusion.progress import say
from latent_diffusion.run import Interrupted, Run
from latent_diffusion.training.stages import load_config

SYSTEMS: dict[str, Callable[[Turn], None]] = {
    "ours": ours,
    "ddpm": ddpm,
    "ddpm-small": small_ddpm,
    "dcgan": dcgan,
    "diffusers-latent": diffusers_latent,
}
BY_DIFFUSERS = ("ddpm", "ddpm-small", "diffusers-latent")
LEAST_SIDE = 16  # of images that all peers can take
TINY = [
    "autoencoder.model.encoder_widths=[32]",
    "autoencoder.model.decoder_widths=[32]",
    "diffusion.model.widths=[32,64]",
    "diffusion.model.attention_levels=[1]",
    "diffusion.model.embedding_width=64",
    "diffusion.training.learning_rate=2e-3",
    "autoencoder.training.batch_size=32",
    "diffusion.alignment.classifier.training.steps=10",
    "sampling.steps=8",
    "sampling.compute_batch=16",
]


def make_race(options: argparse.Namespace) -> Race:
    """Return everything that all systems share; raise ValueError for what cannot be raced."""
    data, run = Dataset.open(options.data), Run.open(options.judge)
    device = choose_device(options.device)
    reference, judge = Reference.open(run), Judge.load(run, device)
    check(options, data, reference)
    options.out.mkdir(parents=True, exist_ok=True)
    precision = choose_precision(options.precision, device)
    sizes = peer_sizes(options, device)
    facts = {
        "machine": machine(device),
        "precision": precision,
        "data": data.info.checksum,
        "judge": judge.identity,
        "config": str(options.config),
        "minutes": options.minutes,
        "n": options.n,
        "n_pixel": min(options.n, options.n_pixel),
        "points": options.points,
        "quick": options.quick,
        "small": peers.dashed(sizes.small.widths),
    }
    return Race(
        data=data,
        reference=reference,
        judge=judge,
        against=judge_statistics(run, judge),
        config=load_config(options.config, TINY if options.quick else [], precision),
        sizes=sizes,
        device=device,
        precision=precision,
        seconds=60 * options.minutes,
        out=options.out,
        systems=earlier(options.out, facts),
        facts=facts,
    )


def check(options: argparse.Namespace, data: Dataset, reference: Reference) -> None:
    """Raise ValueError for data and a judge that cannot be raced with."""
    refuse_other_data(options.judge, reference, data)
    side = data.info.image_size
    if side < LEAST_SIDE or side & (side - 1):
        raise ValueError(
            f"{options.data} holds {side}x{side} images, and the peers need a power of 2 from "
            f"{LEAST_SIDE}: ldm prepare --size 64"
        )
    if not reference.has(options.n):
        raise ValueError(
            f"--n {options.n} needs as many held-out images for its floor, and {options.judge} has "
            f"{len(reference.images)}"
        )


def peer_sizes(options: argparse.Namespace, device: torch.device) -> peers.Sizes:
    """Return how large the peers are on this device."""
    sizes = peers.CPU if device.type == "cpu" else peers.GPU
    if options.quick:
        sizes = peers.QUICK
    if options.small:
        widths = tuple(map(int, options.small.split("-")))
        sizes = replace(sizes, small=replace(sizes.small, widths=widths))
    return sizes


def earlier(out: Path, facts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the systems that this race has finished already.

    Raise ValueError if the folder holds another race.
    """
    if not (out / "race.json").is_file():
        return {}
    found = json.loads((out / "race.json").read_text())
    refuse_another(out, "race", facts, found)
    return {name: system for name, system in found["systems"].items() if system["finished"]}


def run_system(race: Race, name: str) -> None:
    """Let a system take its turn, unless it has, or needs what is not installed."""
    if name in race.systems:
        say(f"{name}: finished already")
        return
    if name in BY_DIFFUSERS:
        try:  # loaded before the clock starts
            from diffusers import (  # noqa: F401
                AutoencoderKL,
                DDIMScheduler,
                DDPMScheduler,
                UNet2DModel,
            )
        except ImportError:
            say(f"diffusers is not installed (extra bench): {name} is left out")
            return
    say(f"\n{name}")
    SYSTEMS[name](turn_of(race, name))
    report(race, SYSTEMS)


def turn_of(race: Race, name: str) -> Turn:
    """Start a system's clock. The DDPM of the course's size is too slow to be sampled often."""
    n, points, few = race.facts["n"], race.facts["points"], race.facts["n_pixel"]
    if name == "ddpm" and few < n:
        n, points = few, 1
    return Turn(race, name, n, points, few)


def options_parser() -> argparse.ArgumentParser:
    """Return the options of scripts/race."""
    summary = (
        "Time to quality beside that of peers: same data, same wall-clock, same judge and floor."
    )
    parser = argparse.ArgumentParser(prog="race", description=summary)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="a prepared data set (ldm prepare)")
    judge = "a run with a judge trained on it (ldm train-classifier)"
    add("--judge", type=Path, required=True, metavar="RUN", help=judge)
    add("--out", type=Path, required=True, metavar="FOLDER")
    add("--minutes", type=float, default=10.0, help="of training, for each system")
    systems = "separated by commas: " + ", ".join(SYSTEMS)
    add("--systems", default=",".join(SYSTEMS), help=systems)
    add("--n", type=int, default=250, help="images that are drawn and scored")
    few = "the same for the DDPM of the course's size, then drawn from once"
    add("--n-pixel", type=int, default=16, help=few)
    points = (
        "scores of each system: after all of the time, half of it, a quarter, …; of one whose "
        "first drawing takes more than a fifth of the time only the first and the last"
    )
    add("--points", type=int, default=3, help=points)
    small = "channels of ddpm-small at its four levels, as in 32-64-128-128"
    add("--small", metavar="WIDTHS", help=small)
    config = "of ours; the two stages share the time as they do there"
    add("--config", type=Path, default=Path("eurosat_cpu"), help=config)
    add("--device", default="auto")
    precisions = ["auto", "bfloat16", "float32"]
    add("--precision", default="auto", choices=precisions, help="of all systems")
    add("--quick", action="store_true", help="tiny networks, to see that it runs")
    return parser


def main() -> None:
    """Race the systems that the command line asks for, and print the table."""
    parser = options_parser()
    options = parser.parse_args()
    wanted = options.systems.split(",")
    unknown = set(wanted) - set(SYSTEMS)
    if unknown:
        parser.error(f"no system {min(unknown)!r}: there are {', '.join(SYSTEMS)}")
    try:
        race = make_race(options)
    except ValueError as error:
        parser.error(str(error))
    try:
        for name in wanted:
            run_system(race, name)
    except (Interrupted, KeyboardInterrupt):
        say("interrupted: the same command goes on with the systems that are not finished")
        sys.exit(130)
    print(report(race, SYSTEMS))


if __name__ == "__main__":
    main()
