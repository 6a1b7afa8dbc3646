"""`ldm demo`: everything on drawn cartoons, from nothing to a score table, in minutes on a laptop.

What is finished is kept: a demo that was interrupted goes on, one that was completed samples and
scores again at once.
"""

import time
from pathlib import Path

from latent_diffusion.data.prepare import prepare
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import choose_device, choose_precision
from latent_diffusion.evaluation.judge_training import make_judge
from latent_diffusion.evaluation.reconstruction import reconstruct_images
from latent_diffusion.evaluation.scoring import EVIDENCE, evaluate
from latent_diffusion.evaluation.tables import reconstruction_table, scores_table
from latent_diffusion.inspection.grids import beside_real, reconstruction_grid
from latent_diffusion.inspection.previews import reconstruction_preview, sample_preview
from latent_diffusion.lock import locked
from latent_diffusion.parsing import read_json
from latent_diffusion.pipeline import Pipeline, sample_to_folder
from latent_diffusion.progress import LateProgress, Progress, clock, console, say
from latent_diffusion.run import Interrupted, Part, Run, write_json
from latent_diffusion.subsets import spread
from latent_diffusion.training.autoencoder import train_autoencoder
from latent_diffusion.training.config import with_training
from latent_diffusion.training.diffusion import train_diffusion
from latent_diffusion.training.distributed import World
from latent_diffusion.training.planning import seconds_per_step, shortened
from latent_diffusion.training.stage import Start
from latent_diffusion.training.stages import Config, load_config, resumed_config

CONFIG = Path("cartoons_cpu")
CARTOONS = 11_000
SAMPLES = 1_000
SEEDS_SHOWN = 10
RECONSTRUCTIONS_SHOWN = 30
MOST_SECONDS = 18 * 60  # of training; the rest of a demo takes about two minutes
STAGES = ("autoencoder", "classifier", "diffusion")


def run_demo(folder: Path, device_name: str, settings: list[str]) -> None:
    """Do all of it in `folder`, or what is left of it."""
    try:
        with locked(Run(folder).lock_path):
            everything(folder, device_name, settings)
    except Interrupted:
        raise Interrupted("interrupted, all saved: ldm demo goes on where it stopped") from None


def everything(folder: Path, device_name: str, settings: list[str]) -> None:
    """Prepare, train the three networks, sample, score."""
    start = time.perf_counter()
    run, device = Run(folder), choose_device(device_name)
    config, data = begun_config(run, settings), cartoons(run)
    world = World(0, 1, device)
    if not all(getattr(run, name).trained for name in STAGES):
        config = plan(run, data, config, world)
    stage_one(run, data, config, world)
    judge(run, data, config, world)
    stage_two(run, data, config, world)
    sample_and_score(run, device_name)
    say(
        f"\nall of it took {clock(time.perf_counter() - start)} minutes. "
        f"More: ldm sample {folder} samples --classes dog,cat --guidance 2"
    )


def begun_config(run: Run, settings: list[str]) -> Config:
    """Return the demo's config, with the settings with which it began.

    Raise ValueError for others later on, which it would go on without.
    """
    path = run.folder / "demo.json"
    began = path.is_file() or any(getattr(run, name).resumable for name in STAGES)
    recorded = read_json(path).get("settings", []) if path.is_file() else []
    if began and settings not in ([], recorded):
        given = " ".join(f"--set {setting}" for setting in recorded) or "no --set"
        raise ValueError(
            f"the demo in {run.folder} began with {given}: leave out --set to go on, or give a new "
            "--run"
        )
    config = load_config(CONFIG, recorded if began else settings)
    if not began:
        write_json(path, {"settings": settings})
    return config


def cartoons(run: Run) -> Dataset:
    """Return the demo's data set, which is prepared now unless it is there already."""
    folder = run.folder / "data"
    if not (folder / "dataset.json").is_file():
        say(f"drawing {CARTOONS:,} cartoons of eleven species")
        with LateProgress("drawing") as progress:
            prepare(f"cartoons:{CARTOONS}", folder, on_progress=progress.update)
    return Dataset.open(folder)


def plan(run: Run, data: Dataset, config: Config, world: World) -> Config:
    """Return the config with as many steps as fit, as measured on this machine, and say so.

    A slow machine takes a share of the steps of every stage.
    """
    stages, seconds = {}, 0.0
    for name in STAGES:
        stage = getattr(config, name)
        precision = choose_precision(stage.training.precision, world.device)
        stages[name] = with_training(stage, precision=precision)
        if not getattr(run, name).trained:
            step = seconds_per_step(stages[name], config.autoencoder.model, data, world)
            seconds += step * stage.training.steps
    share = min(1.0, MOST_SECONDS / max(seconds, 1e-9))
    text = (
        f"on {world.device}, in {precision}: training takes about {clock(seconds * share)} minutes"
    )
    if share < 1:
        stages = {name: shortened(stage, share) for name, stage in stages.items()}
        text += (
            f"; this machine is slow, so every stage takes {share:.0%} of its steps, and the "
            "pictures will be poorer"
        )
    say(text)
    return config.model_copy(update=stages)


def stage_one(run: Run, data: Dataset, config: Config, world: World) -> None:
    """Train the autoencoder, unless that was done."""
    part = run.autoencoder
    if is_left(part, "stage one: the autoencoder", part.model_path):
        stage, preview = resolved(part, config).autoencoder, reconstruction_preview(run, data)
        train_autoencoder(run, data, stage, world, restart(part), preview)


def judge(run: Run, data: Dataset, config: Config, world: World) -> None:
    """Train the judge, unless that was done."""
    part, title = run.classifier, "the judge: a classifier whose features score the samples"
    if is_left(part, title, run.reference / "judge.npz"):
        make_judge(run, data, resolved(part, config).classifier, world, restart(part))


def stage_two(run: Run, data: Dataset, config: Config, world: World) -> None:
    """Train the denoiser, unless that was done."""
    part = run.diffusion
    if is_left(part, "stage two: the denoiser", part.model_path):
        stage = resolved(part, config).diffusion
        preview = sample_preview(run, data, config.sampling, world.device)
        train_diffusion(run, data, stage, config.sampling, world, restart(part), preview)


def is_left(part: Part, title: str, last: Path) -> bool:
    """Return whether the part still has to be trained, said either way.

    `last` is what its training writes last.
    """
    finished = last.is_file()
    say(f"\n{title}: already in {part.folder}" if finished else f"\n{title}")
    return not finished


def restart(part: Part) -> Start:
    """Return how the training of a part begins: where it was interrupted, or anew."""
    return Start(resume=part.resumable, overwrite=True)


def resolved(part: Part, config: Config) -> Config:
    """Return what an interrupted training recorded, or else the plan."""
    return resumed_config(part) if part.resumable else config


def sample_and_score(run: Run, device: str) -> None:
    """Reconstruct, sample, score; leave grids, and say where they are."""
    say(f"\ndrawing {SAMPLES:,} samples, and scoring them")
    originals, decoded, found = reconstruct_images(run, device=device)
    shown = spread(len(originals), RECONSTRUCTIONS_SHOWN)
    reconstructions = run.folder / "reconstructions.png"
    reconstruction_grid(originals[shown], decoded[shown]).save(reconstructions)
    pipe, samples = Pipeline.from_run(run.folder, device), run.folder / "samples"
    seeds = range(1, SAMPLES + 1)
    with Progress("sampling", SAMPLES) as progress:
        sample_to_folder(
            pipe, samples, seeds, None, "cycle", pipe.sampling, None, progress.advance, replace=True
        )
    picture = run.folder / "samples.png"
    samples_by_class(pipe, picture)
    console.print(reconstruction_table(found))
    console.print(scores_table(evaluate(run, samples, device=device)))
    say(
        f"look at {picture} (classes x seeds, beside real pictures), {run.folder / EVIDENCE} (what "
        f"gives samples away), {reconstructions} and {samples}/"
    )


def samples_by_class(pipe: Pipeline, path: Path) -> None:
    """Write a grid of the first seeds in every class, beside real pictures of it."""
    names, seeds = pipe.facts.class_names, list(range(1, SEEDS_SHOWN + 1))
    labels = [label for label in range(len(names)) for _ in seeds]
    images = pipe.generate(seeds * len(names), labels, pipe.sampling)
    rows = list(images.reshape(len(names), len(seeds), *images.shape[1:]))
    beside_real(rows, [pipe.real(name) for name in names], names).save(path)
