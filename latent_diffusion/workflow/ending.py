"""What a trained run is shown with: reconstructions, samples, scores, one page of all of it."""

from pathlib import Path

from PIL import Image

from latent_diffusion.evaluation.reconstruction import reconstruct_images
from latent_diffusion.evaluation.scoring import EVIDENCE, evaluate
from latent_diffusion.evaluation.tables import reconstruction_table, scores_table
from latent_diffusion.inspection.grids import beside_real, reconstruction_grid
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import Progress, console, say
from latent_diffusion.report.measure import Done
from latent_diffusion.report.page import report
from latent_diffusion.run import Run
from latent_diffusion.samples import sample_to_folder
from latent_diffusion.subsets import spread

RECONSTRUCTIONS_SHOWN = 30
SEEDS_SHOWN = 10  # of each class


def sample_and_score(run: Run, count: int, device: str, data: Path | None) -> None:
    """Reconstruct, draw `count` samples and score them; leave grids, and say where they are.

    data: the prepared data set, for a report as well; none is written without.
    """
    say(f"\ndrawing {count:,} samples, and scoring them")
    originals, decoded, found = reconstruct_images(run, device=device)
    shown = spread(len(originals), RECONSTRUCTIONS_SHOWN)
    reconstructions = run.folder / "reconstructions.png"
    reconstruction_grid(originals[shown], decoded[shown]).save(reconstructions)
    pipe, samples = Pipeline.from_run(run.folder, device), run.folder / "samples"
    seeds, sampling = range(1, count + 1), pipe.sampling
    with Progress("sampling", count) as progress:
        sample_to_folder(
            pipe, samples, seeds, None, "data", sampling, None, progress.advance, replace=True
        )
    picture, evidence = run.folder / "samples.png", run.folder / EVIDENCE
    samples_by_class(pipe, picture)
    scores = evaluate(run, samples, device=device)
    page = f"ldm report {run.folder} gathers all of it in one page"
    if data:
        telling = Image.open(evidence) if evidence.is_file() else None
        done = Done(samples, scores, telling, (originals, decoded), found)
        path = report(run.folder, run.folder / "report.html", count, data, device, False, done=done)
        page = f"all of it in one page: {path}"
    console.print(reconstruction_table(found))
    console.print(scores_table(scores))
    say(
        f"look at {picture} (classes x seeds, beside real pictures), {evidence} "
        f"(what gives samples away), {reconstructions} and {samples}/"
    )
    say(page)


def samples_by_class(pipe: Pipeline, path: Path) -> None:
    """Write a grid of the first seeds in every class, beside real pictures of it."""
    names, seeds = pipe.facts.class_names, list(range(1, SEEDS_SHOWN + 1))
    labels = [label for label in range(len(names)) for _ in seeds]
    images = pipe.generate(seeds * len(names), labels, pipe.sampling)
    rows = list(images.reshape(len(names), len(seeds), *images.shape[1:]))
    beside_real(rows, [pipe.real(name) for name in names], names).save(path)
