"""The command line: one thin command per verb, which calls the room that does the work.

Rooms are imported inside the commands, so that --help and prepare never wait for torch.
"""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Optional

import typer

from latent_diffusion.progress import LateProgress, Progress, console, say
from latent_diffusion.run import Interrupted

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False,
                  help="Latent diffusion that anyone can train from scratch on their own images.\n\n"
                       "Try it: [bold]ldm demo[/bold]. Your own pictures: prepare, train-autoencoder, train-classifier, "
                       "train-diffusion, sample, evaluate.")

ConfigFile = Annotated[Optional[Path], typer.Argument(help="TOML file, or the name of one in configs/; by default own_cpu or own_gpu.",
                                                      show_default=False)]
DataFolder = Annotated[Path, typer.Option("--data", help="Prepared data set (ldm prepare).")]
RunFolder = Annotated[Path, typer.Option("--run", help="Run directory; made if it is not there.")]
ExistingRun = Annotated[Path, typer.Argument(metavar="RUN", help="Run directory of a training.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue an interrupted training from its checkpoint.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Train anew over what the run holds.")]
Init = Annotated[Optional[Path], typer.Option("--init", help="Start from the weights of another run.")]
Settings = Annotated[Optional[list[str]], typer.Option("--set", help="Change a setting, e.g. diffusion.training.steps=2000; repeatable.")]


class Precision(StrEnum):
    auto = "auto"
    bfloat16 = "bfloat16"
    float32 = "float32"


class Distribution(StrEnum):
    cycle = "cycle"
    data = "data"


class Features(StrEnum):
    judge = "judge"
    inception = "inception"
    pixels = "pixels"


Device = Annotated[str, typer.Option("--device", help="auto, cuda, mps or cpu.")]
PrecisionOption = Annotated[Precision, typer.Option("--precision", help="auto: bfloat16 where it measures faster.")]


@app.command(epilog="Example: ldm prepare photos/ data/photos --size 64")
def prepare(source: Annotated[str, typer.Argument(help="Folders of images, a .zip of them, a synth-cute clone, MNIST or CIFAR-10 files, "
                                                       "or cartoons[:COUNT].")],
            data: Annotated[Path, typer.Argument(help="Where the prepared data set goes.")],
            size: Annotated[Optional[int], typer.Option(help="Side of the images; 64, or the native size of MNIST and CIFAR-10.",
                                                        show_default=False)] = None,
            holdout: Annotated[float, typer.Option(help="Share of each class held out for scoring, unless the source has a split.")] = 0.1,
            files: Annotated[Optional[Path], typer.Option(help="With cartoons:COUNT: also write them here, as synth-cute's own files.",
                                                          show_default=False)] = None,
            flip: Annotated[Optional[bool], typer.Option("--flip/--no-flip", help="May training mirror the images? Not digits or text.",
                                                         show_default=False)] = None) -> None:
    """Turn any source of images into a prepared data set."""
    from latent_diffusion.data.prepare import prepare as prepare_data
    from latent_diffusion.data.sources import write_cartoons
    from latent_diffusion.data.summary import summary

    if files:
        with LateProgress("drawing") as progress:
            write_cartoons(source, files, size or 512, progress.update)
        source = str(files)
    with LateProgress("preparing") as progress:
        info = prepare_data(source, data, size, holdout, flip, progress.update)
    for line in summary(info):
        say(line)


@app.command(epilog="Example: ldm train-autoencoder eurosat_cpu --data data/eurosat --run runs/eurosat")
def train_autoencoder(data: DataFolder, run: RunFolder, config: ConfigFile = None, resume: Resume = False, overwrite: Overwrite = False,
                      init: Init = None, settings: Settings = None, device: Device = "auto",
                      precision: PrecisionOption = Precision.auto) -> None:
    """Stage one: train the autoencoder that turns images into latents."""
    from latent_diffusion.inspection.previews import reconstruction_preview
    from latent_diffusion.training.autoencoder import train_autoencoder as train

    with begun("autoencoder", data, run, config, resume, overwrite, init, settings, device, precision) as (where, images, chosen, group, start):
        train(where, images, chosen.autoencoder, group, start, reconstruction_preview(where, images))


@app.command(epilog="Example: ldm train-classifier eurosat_cpu --data data/eurosat --run runs/eurosat")
def train_classifier(data: DataFolder, run: RunFolder, config: ConfigFile = None, resume: Resume = False, overwrite: Overwrite = False,
                     init: Init = None, settings: Settings = None, device: Device = "auto",
                     precision: PrecisionOption = Precision.auto) -> None:
    """Train the judge: the classifier whose features score samples."""
    from latent_diffusion.evaluation.judge import make_judge

    with begun("classifier", data, run, config, resume, overwrite, init, settings, device, precision) as (where, images, chosen, group, start):
        make_judge(where, images, chosen.classifier, group, start)


@app.command(epilog="Example: ldm train-diffusion eurosat_cpu --data data/eurosat --run runs/eurosat")
def train_diffusion(data: DataFolder, run: RunFolder, config: ConfigFile = None, resume: Resume = False, overwrite: Overwrite = False,
                    init: Init = None, settings: Settings = None, device: Device = "auto",
                    precision: PrecisionOption = Precision.auto) -> None:
    """Stage two: train the denoiser on the latents of the run's autoencoder."""
    from latent_diffusion.inspection.previews import sample_preview
    from latent_diffusion.training.diffusion import train_diffusion as train

    with begun("diffusion", data, run, config, resume, overwrite, init, settings, device, precision) as (where, images, chosen, group, start):
        train(where, images, chosen.diffusion, chosen.sampling, group, start, sample_preview(where, images, chosen.sampling, group.device))


def begun(stage: str, data: Path, run: Path, config: Path | None, resume: bool, overwrite: bool, init: Path | None,
          settings: list[str] | None, device: str, precision: Precision):
    """What every training command opens first: run, data set, config, processes, start."""
    from contextlib import contextmanager

    from latent_diffusion.config import default_config, load_config, resumed_config
    from latent_diffusion.data.store import Dataset
    from latent_diffusion.device import choose_device
    from latent_diffusion.run import Run
    from latent_diffusion.training.distributed import world
    from latent_diffusion.training.stage import Start

    @contextmanager
    def opened():
        where, images, target = Run(run), Dataset.open(data), choose_device(device)
        changes, exact = settings or [], None if precision == Precision.auto else precision.value
        if resume and getattr(where, stage).config_path.is_file():
            if config:
                say(f"--resume goes on with what the run recorded, and does not read {config} again")
            chosen = resumed_config(getattr(where, stage), changes, exact)
        else:
            chosen = load_config(config or default_config(target), changes, exact)
        with world(target) as group:
            yield where, images, chosen, group, Start(resume, overwrite, init)

    return opened()


@app.command(epilog="Example: ldm reconstruct runs/eurosat")
def reconstruct(run: ExistingRun,
                images: Annotated[Optional[list[Path]], typer.Argument(help="Image files; the held-out images by default.", show_default=False)] = None,
                out: Annotated[Optional[Path], typer.Option(help="Where the picture goes; RUN/reconstructions.png.", show_default=False)] = None,
                device: Device = "auto") -> None:
    """Encode and decode images: a picture of originals, reconstructions and errors, with scores."""
    from latent_diffusion.data.decode import read_images
    from latent_diffusion.evaluation.reconstruction import reconstruct_images, table
    from latent_diffusion.inspection.grids import reconstruction_grid
    from latent_diffusion.run import Run
    from latent_diffusion.training.autoencoder import image_size
    from latent_diffusion.training.stage import spread

    opened = Run.open(run)
    given = read_images(images, image_size(opened)) if images else None
    originals, decoded, scores = reconstruct_images(opened, given, device)
    shown = spread(len(originals), 30)
    path = out or run / "reconstructions.png"
    reconstruction_grid(originals[shown], decoded[shown]).save(path)
    console.print(table(scores))
    say(f"picture: {path}")


@app.command(epilog="Example: ldm sample runs/eurosat samples/eurosat --seeds 1-100 --guidance 1.5")
def sample(run: ExistingRun, out: Annotated[Path, typer.Argument(help="Folder for the PNGs.")],
           classes: Annotated[Optional[str], typer.Option(help="Class names, separated by commas; all by default.", show_default=False)] = None,
           seeds: Annotated[str, typer.Option(help="For example 1-100 or 3,7,20-29. One image a seed.")] = "1-100",
           every_class: Annotated[bool, typer.Option("--every-class", help="Draw each seed in each class.")] = False,
           class_distribution: Annotated[Distribution, typer.Option(help="cycle: evenly; data: as in the data set.")] = Distribution.cycle,
           guidance: Annotated[Optional[float], typer.Option(help="Classifier-free guidance; 1 is none.", show_default=False)] = None,
           steps: Annotated[Optional[int], typer.Option(help="Sampler steps.", show_default=False)] = None,
           sampler: Annotated[Optional[str], typer.Option(help="dpmpp_2m, heun, ddim or ddpm.", show_default=False)] = None,
           batch_size: Annotated[int, typer.Option(min=1, help="Images at a time; never changes the images.")] = 100,
           device: Device = "auto", precision: PrecisionOption = Precision.auto) -> None:
    """Draw images. The run's own defaults hold for what is not given."""
    from latent_diffusion.pipeline import Pipeline, sample_to_folder
    from latent_diffusion.sampling.plan import parse_seeds

    pipe, chosen = Pipeline.from_run(run, device, precision.value), parse_seeds(seeds)
    names = [name.strip() for name in classes.split(",")] if classes else None
    config = configured(pipe, "ldm sample", guidance=guidance, steps=steps, sampler=sampler)
    if every_class and class_distribution == Distribution.data:
        raise ValueError("--every-class draws each seed in each class, so --class-distribution data cannot hold as well")
    total = len(chosen) * (len(pipe.labels(names)) if every_class else 1)
    with Progress("sampling", total) as progress:
        grid = sample_to_folder(pipe, out, chosen, names, "every" if every_class else class_distribution.value, config,
                                batch_size, progress.advance)
    say(f"{total} images in {out}, grid: {grid}")


FeaturesOption = Annotated[Features, typer.Option("--features", help="Whose features: the run's judge, Inception-v3 or plain pixels.")]
Weights = Annotated[Optional[Path], typer.Option("--weights", help="Inception-v3's weights; else the torch cache.", show_default=False)]
ReferenceFile = Annotated[Optional[Path], typer.Option("--reference", help="Statistics (.npz with mu and sigma) to compare with.",
                                                       show_default=False)]
DataOption = Annotated[Optional[Path], typer.Option("--data", help="Prepared data set whose train split to compare with.", show_default=False)]
SamplesFolder = Annotated[Path, typer.Argument(help="Folder of samples, .zip of pictures, or prepared data set.")]
Judges = Annotated[Optional[list[Path]], typer.Option("--judge", help="Another run, whose judge scores as well; repeatable.", show_default=False)]


@app.command(epilog="Example: ldm process runs/eurosat process.png --rows 8 --parts 7")
def process(run: ExistingRun, out: Annotated[Path, typer.Argument(help="Picture to write; a .gif or .webp moves.")],
            rows: Annotated[int, typer.Option(min=1, max=100, help="Images, with seeds 1, 2, …")] = 8,
            parts: Annotated[int, typer.Option(min=1, help="Parts of the steps, as equal as whole steps allow; one frame more.")] = 7,
            classes: Annotated[Optional[str], typer.Option(help="Class names, separated by commas; all by default.", show_default=False)] = None,
            guidance: Annotated[Optional[float], typer.Option(help="Classifier-free guidance; 1 is none.", show_default=False)] = None,
            steps: Annotated[Optional[int], typer.Option(help="Sampler steps.", show_default=False)] = None,
            sampler: Annotated[Optional[str], typer.Option(help="dpmpp_2m, heun, ddim or ddpm.", show_default=False)] = None,
            plain: Annotated[bool, typer.Option("--plain", help="Tiles without gaps and names, as homework wants them.")] = False,
            device: Device = "auto") -> None:
    """The denoising process: from pure noise at the left to the image at the right."""
    from latent_diffusion.inspection.process import process_frames, tiles, write_process
    from latent_diffusion.pipeline import Pipeline
    from latent_diffusion.sampling.plan import cycle

    if plain and out.suffix.lower() in (".gif", ".webp"):
        raise ValueError("--plain writes one still picture: give a .png")
    pipe = Pipeline.from_run(run, device)
    config, seeds = configured(pipe, "ldm process", guidance=guidance, steps=steps, sampler=sampler), range(1, rows + 1)
    labels = cycle(seeds, pipe.labels([name.strip() for name in classes.split(",")] if classes else None))
    frames = process_frames(pipe.denoiser, pipe.autoencoder, seeds, labels, config, pipe.precision, parts)
    if plain:
        tiles(frames).save(out)
    else:
        write_process(frames, out, [pipe.facts.class_names[label] for label in labels])
    say(f"{rows} images in {parts + 1} frames: {out}")


def configured(pipe, command: str, **settings):
    """The run's sampling settings with some changed; ValueError in one line for one that cannot be."""
    from pydantic import ValidationError

    from latent_diffusion.config import explain

    try:
        return pipe.configured(**settings)
    except ValidationError as error:
        raise ValueError(explain(error, command)) from None


@app.command(epilog="Example: ldm evaluate samples/eurosat --run runs/eurosat")
def evaluate(samples: SamplesFolder, run: Annotated[Path, typer.Option("--run", help="Run whose data set is the reference.")],
             judge: Annotated[Optional[Path], typer.Option(help="Another run, whose judge scores instead.", show_default=False)] = None,
             features: FeaturesOption = Features.judge, weights: Weights = None, data: DataOption = None,
             reference: ReferenceFile = None, device: Device = "auto") -> None:
    """Score samples: FID beside its floor, KID, Inception score, precision and recall, coverage, accuracy, sharpness."""
    from latent_diffusion.device import choose_device
    from latent_diffusion.evaluation.lpips import find_lpips
    from latent_diffusion.evaluation.networks import load_network, load_reference
    from latent_diffusion.evaluation.scores import evaluate as score_images
    from latent_diffusion.evaluation.table import class_table, table
    from latent_diffusion.run import Run

    opened, other = Run.open(run), Run.open(judge) if judge else None
    network = against = None
    if (features, weights, data, reference) != (Features.judge, None, None, None):
        network = load_network(features, other or opened, weights, device)
        against = load_reference(network, other or opened, data, reference)
    scores = score_images(opened, samples, other, device, network, against, find_lpips(None, choose_device(device)))
    console.print(table(scores))
    if scores.class_fid:
        console.print(class_table(scores))
    say(f"recorded in {opened.scores_path}")


@app.command(epilog="Example: ldm statistics data/eurosat eurosat.npz --features inception")
def statistics(images: Annotated[Path, typer.Argument(help="Prepared data set (its train split), folder or .zip of pictures.")],
               out: Annotated[Path, typer.Argument(help="The .npz to write.")],
               run: Annotated[Optional[Path], typer.Option("--run", help="For --features judge: the run.", show_default=False)] = None,
               features: FeaturesOption = Features.inception, weights: Weights = None, device: Device = "auto") -> None:
    """Write mu and sigma of real images, as pytorch-fid and pytorch_gan_metrics read them."""
    from latent_diffusion.data.reference import Reference
    from latent_diffusion.evaluation.networks import load_network, measure_images
    from latent_diffusion.run import Run

    if (features == Features.judge) != (run is not None):
        raise ValueError("--run is for --features judge, which needs it: whose judge?")
    size = Reference.open(Run.open(run)).facts.image_size if run else None
    found = measure_images(images, load_network(features, Run.open(run) if run else None, weights, device), size)
    found.save(out)
    say(f"statistics of {found.statistics.n} images by {found.network}: {out}")


@app.command(epilog="Example: ldm grade samples/mine --run runs/mine --rubric synth-cute")
def grade(samples: SamplesFolder, run: Annotated[Path, typer.Option("--run", help="Run whose judge grades.")],
          rubric: Annotated[str, typer.Option("--rubric", help="synth-cute, mnist-hw3, or a TOML file.")],
          judge: Judges = None, weights: Weights = None, data: DataOption = None, reference: ReferenceFile = None,
          course: Annotated[Optional[Path], typer.Option("--course", help=".npz of what the course's own classifier saw: features, "
                                                         "probabilities, mu, sigma.", show_default=False)] = None,
          device: Device = "auto") -> None:
    """Points under a course's rubric, part by part; "unknown" where only the course's own network could tell."""
    from latent_diffusion.evaluation.grading import Rubric, grade_samples, table

    found = grade_samples(Rubric.load(rubric), run, samples, judge or [], weights, data, reference, course, device)
    console.print(table(found))


@app.command(epilog="Example: ldm submit runs/mine handin --rubric synth-cute")
def submit(run: Annotated[Optional[Path], typer.Argument(metavar="[RUN]", help="Run to draw from.", show_default=False)] = None,
           out: Annotated[Optional[Path], typer.Argument(metavar="[OUT]", help="New folder (or .zip, where the course wants one).",
                                                         show_default=False)] = None,
           rubric: Annotated[str, typer.Option("--rubric", help="synth-cute, mnist-hw3, or a TOML file.")] = "synth-cute",
           favourites: Annotated[Optional[str], typer.Option(help="Seeds of your favourites; else the judge chooses.", show_default=False)] = None,
           check: Annotated[Optional[Path], typer.Option(help="Build nothing: say every fault of this folder or .zip.", show_default=False)] = None,
           device: Device = "auto") -> None:
    """Build and validate what a course wants to be handed in, or check what somebody has."""
    from latent_diffusion.evaluation.grading import Rubric
    from latent_diffusion.run import Run
    from latent_diffusion.sampling.plan import parse_seeds
    from latent_diffusion.submission import check as find_faults
    from latent_diffusion.submission import submit as build
    from latent_diffusion.submission import to_draw

    rules = Rubric.load(rubric)
    if check:
        if faults := find_faults(check, rules):
            for fault in faults:
                say(fault)
            raise ValueError(f"{check} has {len(faults)} faults under {rules.title}: see above")
        say(f"{check} can be handed in: nothing wrong with it under {rules.title}")
        return
    if not run or not out:
        raise ValueError("name RUN and OUT to build a submission, or --check PATH to check one")
    with Progress("drawing", to_draw(rules, bool(favourites))) as progress:
        built = build(Run.open(run), out, rules, parse_seeds(favourites) if favourites else None, device, progress.advance)
    say(f"{built.path}: valid, and proved to come out the same in another batch size")
    say(f"beside it: {', '.join(map(str, built.beside))}" + (f"; favourites: seeds {', '.join(map(str, built.favourites))}" if built.favourites else ""))


@app.command(epilog="Example: ldm audit samples/eurosat --run runs/eurosat --data data/eurosat")
def audit(samples: SamplesFolder, data: DataFolder, run: Annotated[Path, typer.Option("--run", help="Run whose judge looks.")],
          out: Annotated[Optional[Path], typer.Option(help="Where the picture goes; RUN/memorisation.png.", show_default=False)] = None,
          device: Device = "auto") -> None:
    """Are samples copies of training images? Nearest training images beside what held-out images have."""
    from latent_diffusion.evaluation.audit import audit_samples, table
    from latent_diffusion.inspection.grids import pairs_grid
    from latent_diffusion.run import Run

    opened = Run.open(run)
    found, pairs = audit_samples(opened, data, samples, device)
    path = out or run / "memorisation.png"
    console.print(table(found))
    pairs_grid(pairs).save(path)
    say(f"the closest pairs, sample above training image: {path}")


class Study(StrEnum):
    sensitivity = "sensitivity"
    distance = "distance"
    sample_size = "sample-size"
    probe = "probe"


@app.command(epilog="Example: ldm study sensitivity runs/eurosat studies/")
def study(name: Annotated[Study, typer.Argument(help="What to study.")], run: ExistingRun,
          out: Annotated[Path, typer.Argument(help="Folder for the plot and its numbers.")],
          samples: Annotated[Optional[Path], typer.Option(help="sample-size: a folder of samples; real images without.", show_default=False)] = None,
          data: Annotated[Optional[Path], typer.Option("--data", help="probe: the prepared data set.", show_default=False)] = None,
          device: Device = "auto") -> None:
    """How scores behave (sensitivity, distance, sample-size), and what the networks have learnt (probe): plots and numbers."""
    from latent_diffusion.studies import run_study

    table, picture = run_study(name.value, run, out, samples, data, device)
    console.print(table)
    say(f"plot: {picture}")


@app.command(epilog="Example: ldm sweep runs/eurosat sweeps/ --guidance 1,1.5,2 --steps 8,14")
def sweep(run: ExistingRun, out: Annotated[Path, typer.Argument(help="Folder for the plot and its numbers.")],
          guidance: Annotated[str, typer.Option(help="Values, separated by commas.")] = "1,1.25,1.5,2,3",
          steps: Annotated[Optional[str], typer.Option(help="Values; the run's own by default.", show_default=False)] = None,
          sampler: Annotated[Optional[str], typer.Option(help="Names; the run's own by default.", show_default=False)] = None,
          images: Annotated[int, typer.Option(min=50, help="Samples for each setting.")] = 500, device: Device = "auto") -> None:
    """Find the best guidance, steps and sampler of a run on some seeds, and confirm it on others."""
    from latent_diffusion.pipeline import Pipeline
    from latent_diffusion.run import Run
    from latent_diffusion.studies.sweep import sweep as try_all

    own = Pipeline.from_run(run, device).sampling
    table, picture = try_all(Run.open(run), out, values(guidance, float, "--guidance"), values(steps or str(own.steps), int, "--steps"),
                             values(sampler or own.sampler, str, "--sampler"), images, device)
    console.print(table)
    say(f"plot: {picture}")


def values(text: str, kind: type, option: str) -> list:
    try:
        return [kind(part.strip()) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"{option} {text!r} must be values separated by commas, such as 1,1.5,2") from None


@app.command(epilog="Example: ldm demo --run runs/demo")
def demo(run: Annotated[Path, typer.Option("--run", help="Run directory; a new one.")] = Path("runs/demo"),
         device: Device = "auto", settings: Settings = None) -> None:
    """All of it on drawn cartoons: draw, judge, both stages, samples, scores. About ten minutes on two cores."""
    from latent_diffusion.demo import run_demo

    run_demo(run, device, settings or [])


def main() -> None:
    """Run a command: exit status 0 done, 2 a user's mistake in one line, 130 interrupted with everything saved."""
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        status = app(standalone_mode=False)
        if isinstance(status, int):
            sys.exit(status)
    except (KeyboardInterrupt, typer.Abort):
        fail("interrupted", 130)
    except Interrupted as stop:
        fail(str(stop), 130)
    except Exception as error:  # a defect of ours keeps its traceback; what a user can put right gets one line
        if hasattr(error, "format_message"):  # typer's own refusals of options and arguments
            fail(error.format_message() or "name a command", 2)
        if "out of memory" in str(error).lower() and not debug:
            fail("out of memory: try a smaller batch_size for a training, a smaller sampling.compute_batch for samples", 2)
        if debug or not isinstance(error, (ValueError, OSError)):
            raise
        fail(f"{error} (--debug shows where)", 2)


def fail(text: str, status: int) -> None:
    rank = os.environ.get("RANK", "0")
    print(f"ldm: {'' if rank == '0' else f'[rank {rank}] '}{' '.join(text.split())}", file=sys.stderr)
    sys.exit(status)
