"""`ldm demo`: everything on drawn cartoons, from nothing to a score table, in minutes on a laptop.

What is finished is kept: a demo that was interrupted goes on, one that was completed samples and scores again at once.
"""

import json
import time
from pathlib import Path

from pydantic import BaseModel

from latent_diffusion.data.prepare import prepare
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import choose_device, choose_precision
from latent_diffusion.evaluation import tables
from latent_diffusion.evaluation.judge import make_judge
from latent_diffusion.evaluation.reconstruction import reconstruct_images
from latent_diffusion.evaluation.scoring import evaluate
from latent_diffusion.inspection.grids import grid, reconstruction_grid
from latent_diffusion.inspection.previews import reconstruction_preview, sample_preview
from latent_diffusion.pipeline import Pipeline, sample_to_folder
from latent_diffusion.progress import LateProgress, Progress, clock, console, say
from latent_diffusion.run import Interrupted, Part, Run, write_json
from latent_diffusion.subsets import spread
from latent_diffusion.training.autoencoder import train_autoencoder
from latent_diffusion.training.diffusion import train_diffusion
from latent_diffusion.training.distributed import World
from latent_diffusion.training.planning import seconds_per_step
from latent_diffusion.training.stage import Start
from latent_diffusion.training.stages import Config, load_config, resumed_config

CONFIG = Path("cartoons_cpu")
CARTOONS = 11_000
SAMPLES = 1_000
SEEDS_SHOWN = 10
MOST_SECONDS = 18 * 60  # of training; the rest of a demo takes about two minutes
STAGES = ("autoencoder", "classifier", "diffusion")


def run_demo(folder: Path, device_name: str, settings: list[str]) -> None:
    try:
        everything(folder, device_name, settings)
    except Interrupted:
        raise Interrupted("interrupted, all saved: ldm demo goes on where it stopped") from None


def everything(folder: Path, device_name: str, settings: list[str]) -> None:
    run, device, start = Run(folder), choose_device(device_name), time.perf_counter()
    world = World(0, 1, device)
    config, data = begun_config(run, settings), draw_cartoons(run)
    if not all(getattr(run, name).trained for name in STAGES):
        config = plan(run, data, config, world)
    train_autoencoder_if_needed(run, data, config, world)
    if begin(
        run.classifier,
        "the judge: a classifier whose features score the samples",
        run.reference / "judge.npz",
    ):
        make_judge(
            run, data, stage(run.classifier, config).classifier, world, restart(run.classifier)
        )
    if begin(run.diffusion, "stage two: the denoiser"):
        chosen = stage(run.diffusion, config)
        train_diffusion(
            run,
            data,
            chosen.diffusion,
            config.sampling,
            world,
            restart(run.diffusion),
            sample_preview(run, data, config.sampling, device),
        )
    draw_and_score(run, device_name)
    say(
        f"\nall of it took {clock(time.perf_counter() - start)} minutes. More: ldm sample {folder} samples --classes dog,cat --guidance 2"
    )


def begun_config(run: Run, settings: list[str]) -> Config:
    """The demo's config, with the settings with which it began. ValueError for others later on, which it would go on without."""
    path = run.folder / "demo.json"
    began = path.is_file() or any(getattr(run, name).checkpoint_path.is_file() for name in STAGES)
    recorded = json.loads(path.read_text())["settings"] if path.is_file() else []
    if began and settings not in ([], recorded):
        raise ValueError(
            f"the demo in {run.folder} began with {' '.join(f'--set {one}' for one in recorded) or 'no --set'}: leave out "
            "--set to go on, or give a new --run"
        )
    config = load_config(CONFIG, recorded if began else settings)
    if not began:
        write_json(path, {"settings": settings})
    return config


def draw_cartoons(run: Run) -> Dataset:
    folder = run.folder / "data"
    if not (folder / "dataset.json").is_file():
        say(f"drawing {CARTOONS:,} cartoons of eleven species")
        with LateProgress("drawing") as progress:
            prepare(f"cartoons:{CARTOONS}", folder, on_progress=progress.update)
    return Dataset.open(folder)


def plan(run: Run, data: Dataset, config: Config, world: World) -> Config:
    """The config with as many steps as fit: measured on this machine, lowered and said where it is slow."""
    stages, seconds = {}, 0.0
    for name in STAGES:
        chosen = getattr(config, name)
        precision = choose_precision(chosen.training.precision, world.device)
        stages[name] = chosen.model_copy(
            update={"training": chosen.training.model_copy(update={"precision": precision})}
        )
        if not getattr(run, name).trained:
            seconds += (
                seconds_per_step(stages[name], config.autoencoder.model, data, world)
                * chosen.training.steps
            )
    share = min(1.0, MOST_SECONDS / max(seconds, 1e-9))
    say(
        f"on {world.device}, in {precision}: training takes about {clock(seconds * share)} minutes"
        + (
            f"; this machine is slow, so every stage takes {share:.0%} of its steps, and the pictures will be poorer"
            if share < 1
            else ""
        )
    )
    if share == 1:
        return config.model_copy(update=stages)
    stages = {name: shortened(chosen, share) for name, chosen in stages.items()}
    stages["autoencoder"] = stages["autoencoder"].model_copy(
        update={"adversary": shortened(config.autoencoder.adversary, share)}
    )
    return config.model_copy(update=stages)


def shortened(stage: BaseModel, share: float) -> BaseModel:
    training = stage.training
    fewer = {
        setting: max(10, round(share * getattr(training, setting)))
        for setting in ("steps", "warmup_steps", "preview_every")
    }
    return stage.model_copy(update={"training": training.model_copy(update=fewer)})


def train_autoencoder_if_needed(run: Run, data: Dataset, config: Config, world: World) -> None:
    if begin(run.autoencoder, "stage one: the autoencoder"):
        train_autoencoder(
            run,
            data,
            stage(run.autoencoder, config).autoencoder,
            world,
            restart(run.autoencoder),
            reconstruction_preview(run, data),
        )


def begin(part: Part, title: str, last: Path | None = None) -> bool:
    """Whether the part still has to be trained, said either way; `last` is what its training writes last."""
    finished = (last or part.model_path).is_file()
    say(f"\n{title}" + (f": already in {part.folder}" if finished else ""))
    return not finished


def restart(part: Part) -> Start:
    return Start(resume=part.checkpoint_path.is_file(), overwrite=True)


def stage(part: Part, config: Config) -> Config:
    """What an interrupted training recorded, or else the plan."""
    return resumed_config(part) if part.checkpoint_path.is_file() else config


def draw_and_score(run: Run, device: str) -> None:
    say(f"\ndrawing {SAMPLES:,} samples, and scoring them")
    originals, decoded, found = reconstruct_images(run, device=device)
    shown = spread(len(originals), 30)
    reconstruction_grid(originals[shown], decoded[shown]).save(run.folder / "reconstructions.png")
    pipe, samples = Pipeline.from_run(run.folder, device), run.folder / "samples"
    with Progress("sampling", SAMPLES) as progress:
        sample_to_folder(
            pipe,
            samples,
            range(1, SAMPLES + 1),
            None,
            "cycle",
            pipe.sampling,
            None,
            progress.advance,
        )
    names, seeds = pipe.facts.class_names, list(range(1, SEEDS_SHOWN + 1))
    labels = [label for label in range(len(names)) for _ in seeds]
    images = pipe.generate(seeds * len(names), labels, pipe.sampling)
    picture = run.folder / "samples.png"
    grid(list(images.reshape(len(names), len(seeds), *images.shape[1:])), names).save(picture)
    console.print(tables.reconstruction_table(found))
    console.print(tables.scores_table(evaluate(run, samples, device=device)))
    say(f"look at {picture} (classes x seeds), {run.folder / 'reconstructions.png'} and {samples}/")
