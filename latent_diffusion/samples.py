"""Samples of a pipeline as a folder of PNGs, with samples.json and a grid. Commands call it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from PIL import Image

from latent_diffusion.distributed import World, together
from latent_diffusion.inspection.grids import REALS_SHOWN, beside_real, wrapped
from latent_diffusion.pipeline import Pipeline, whole_batch
from latent_diffusion.sampling.config import SamplingConfig
from latent_diffusion.sampling.folder import GRID, SamplesWriter, save_png
from latent_diffusion.sampling.plan import Distribution, Drawn, to_draw

GRID_SEEDS = 10  # columns of grid.png


def sample_to_folder(
    pipe: Pipeline,
    folder: Path,
    seeds: Sequence[int],
    classes: Sequence[str] | None,
    distribution: Distribution,
    config: SamplingConfig,
    batch_size: int | None,
    on_progress: Callable[[int], None],
    replace: bool = False,
) -> Path:
    """Write one PNG a pair of seed and class, samples.json and a grid; return the grid's path.

    How classes go with seeds `to_draw` says. They are added to the samples that the folder has,
    those of which that are wanted again stay as they are; `replace` deletes them first.
    `on_progress(images)` is called after each batch, which is by default one of
    `Pipeline.generate`. Within `shared_work` every process draws some of them.
    Raise ValueError for a folder whose files they do not go with.
    """
    allowed, names = list(dict.fromkeys(pipe.labels(classes))), pipe.facts.class_names
    settings = {
        **config.model_dump(mode="json"),
        "precision": pipe.precision,
        "ema": pipe.ema_length,
        "run": pipe.checksum,
        "fast": pipe.is_fast,
    }
    wanted = to_draw(pipe.facts, seeds, allowed, distribution)
    facts = {one.file: {"seed": one.seed, "class": names[one.label], **settings} for one in wanted}
    world, path = together(), Path(folder) / GRID
    writer = SamplesWriter(folder, facts, replace) if world.first else None
    there = world.agree(set(writer.files) if writer else set())
    left = [one for one in wanted if one.file not in there]
    on_progress(len(wanted) - len(left))
    done = 0
    for batch in own_batches(left, batch_size or whole_batch(config, len(left), world), world):
        images = pipe.generate(
            [one.seed for one in batch],
            [one.label for one in batch],
            config,
            batch_size=len(batch),
        )
        for one, image in zip(batch, images, strict=True):
            save_png(Path(folder) / one.file, image)
        before, done = done, min(len(left), done + world.size * len(batch))
        on_progress(done - before)
    world.barrier()
    if writer:
        writer.close()
        samples_grid(pipe, writer, [names[label] for label in allowed]).save(path)
    world.barrier()
    return path


def own_batches(wanted: Sequence[Drawn], size: int, world: World) -> Iterator[Sequence[Drawn]]:
    """Yield what this process draws of some images, so many at a time: every so-manieth batch."""
    for start in range(size * world.rank, len(wanted), size * world.size):
        yield wanted[start : start + size]


def samples_grid(pipe: Pipeline, writer: SamplesWriter, first: list[str]) -> Image.Image:
    """Return a picture with a named line for each class of a folder, those of `first` first.

    At the right are real pictures of the class. The samples of a single class stand in wrapped
    lines, each beside other real pictures.
    """
    shown: dict[str, list[str]] = {name: [] for name in first}
    for file, about in writer.files.items():
        files = shown.setdefault(about["class"], [])
        if len(files) < GRID_SEEDS:
            files.append(file)
    rows = {name: writer.read(files) for name, files in shown.items() if files}
    if len(rows) > 1:
        return beside_real(list(rows.values()), [pipe.real(name) for name in rows], list(rows))
    (name, images), *_ = rows.items()
    lines = wrapped(images, GRID_SEEDS)
    real = wrapped(pipe.real(name), REALS_SHOWN)[: len(lines)]
    real += [images[:0]] * (len(lines) - len(real))
    return beside_real(lines, real, None)
