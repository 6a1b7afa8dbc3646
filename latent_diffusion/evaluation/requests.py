"""What commands ask of this room by paths and names: evaluate, statistics, audit, reconstruct."""

from pathlib import Path
from typing import NamedTuple

from latent_diffusion.data.reference import Reference
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import choose_device
from latent_diffusion.distributed import together
from latent_diffusion.evaluation import lpips
from latent_diffusion.evaluation.audit import Audit, audit_samples
from latent_diffusion.evaluation.features import HasSpatial, Spatial
from latent_diffusion.evaluation.networks import image_statistics, load_network, load_reference
from latent_diffusion.evaluation.reconstruction import ReconstructionScores, reconstruct_images
from latent_diffusion.evaluation.references import ReferenceStatistics, dataset_statistics
from latent_diffusion.evaluation.scores import Scores
from latent_diffusion.evaluation.scoring import evaluate
from latent_diffusion.evaluation.two_sets import compare
from latent_diffusion.exploration.pictures import find_pictures
from latent_diffusion.inspection.grids import cases_grid, pairs_grid, writable
from latent_diffusion.inspection.latents import write_latents
from latent_diffusion.run import Run
from metrics import psnr


def evaluate_samples(
    run: Run,
    samples: Path,
    judge_run: Path | None,
    features: str,
    weights: Path | None,
    data: Path | None,
    reference: Path | None,
    device: str,
) -> Scores:
    """Return the scores of samples by these features, and record them in the run.

    judge_run: another run, whose judge scores instead. By the judge's features, and compared with
    what the run itself keeps of its data, unless something else is named. Raise ValueError for what
    does not go together.
    """
    other = Run.open(judge_run) if judge_run else None
    network = against = spatial = None
    if features != "judge" or weights or data or reference:
        network = load_network(features, other or run, weights, device)
        against = load_reference(network, other or run, data, reference)
        if data and isinstance(network, HasSpatial):
            spatial = dataset_statistics(Dataset.open(data), Spatial(network))
    distance = lpips.find_lpips(None, choose_device(device))
    return evaluate(run, samples, other, device, network, against, distance, spatial)


def compare_folders(
    samples: Path,
    real: Path,
    judge_run: Path | None,
    features: str | None,
    weights: Path | None,
    device: str,
) -> Scores:
    """Return the scores of samples compared with the pictures of another source, without a run.

    By the judge of a run where one is given, else by Inception where its weights are, else by
    pixels, unless `features` says. Raise ValueError for what does not go together.
    """
    if features is None:
        features = "judge" if judge_run else "inception" if weights else "pixels"
    if (features == "judge") != (judge_run is not None):
        raise ValueError("two folders are compared by a judge with --run RUN alone: whose judge?")
    run = Run.open(judge_run) if judge_run else None
    facts = Reference.open(run).facts if run else None
    network = load_network(features, run, weights, device)
    names, size = (facts.class_names, facts.image_size) if facts else ([], None)
    return compare(samples, real, network, names, size)


def write_statistics(
    images: Path,
    out: Path,
    run_folder: Path | None,
    features: str,
    weights: Path | None,
    device: str,
) -> ReferenceStatistics:
    """Write and return the mean and covariance of images' features; of a run's judge for "judge".

    Raise ValueError for a run that another network would not use, and for a judge of no run.
    """
    if (features == "judge") != (run_folder is not None):
        raise ValueError("--run is for --features judge, which needs it: whose judge?")
    run = Run.open(run_folder) if run_folder else None
    size = Reference.open(run).facts.image_size if run else None
    found = image_statistics(images, load_network(features, run, weights, device), size)
    if together().first:
        found.save(out)
    return found


def write_audit(
    run_folder: Path, data: Path, samples: Path, out: Path | None, device: str
) -> tuple[Audit, Path]:
    """Write the pairs of samples and training images that are closest, by default to the run.

    Return the audit, which is recorded in the run, and where the picture is. Raise ValueError for
    an `out` that is no picture's name.
    """
    run = Run.open(run_folder)
    path = writable(out or run_folder / "memorisation.png")
    audit, pairs = audit_samples(run, data, samples, device)
    pairs_grid(pairs).save(path)
    return audit, path


class ReconstructionPaths(NamedTuple):
    """Where pictures of reconstructions, of latent channels and of their spectrum go."""

    cases: Path
    channels: Path
    spectrum: Path


def write_reconstructions(
    run_folder: Path, sources: list[str] | None, out: Path | None, cases: int, device: str
) -> tuple[ReconstructionScores, str]:
    """Write pictures of reconstructions, worst and best, and of the latents between.

    The images are what `find_pictures` reads from sources, without them the held-out ones. Return
    the scores, and what latents are like and where the pictures are, in words.
    """
    run = Run.open(run_folder)
    paths = reconstruction_paths(run_folder, bool(sources), out)
    given = find_pictures(sources, run).images if sources else None
    originals, decoded, scores = reconstruct_images(run, given, device)
    cases_grid(originals, decoded, psnr(originals, decoded), cases).save(paths.cases)
    view = write_latents(run, originals, device, paths.channels, paths.spectrum)
    return scores, (
        f"{view.summary()}\nreconstructions: {paths.cases}\nlatent channels: {paths.channels}\n"
        f"spectrum of the latents: {paths.spectrum}"
    )


def reconstruction_paths(run_folder: Path, own: bool, out: Path | None) -> ReconstructionPaths:
    """Return where pictures go; one's own images never replace those of the held-out ones.

    Raise ValueError for an `out` that is no PNG.
    """
    if out and out.suffix.lower() != ".png":
        raise ValueError(
            f"--out {out} must be the name of a .png: the pictures of the latents go beside it"
        )
    if not (own or out):
        names = ("reconstructions.png", "latents.png", "latent_spectrum.png")
        return ReconstructionPaths(*(run_folder / name for name in names))
    path = out or run_folder / "own.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    return ReconstructionPaths(
        path,
        path.with_name(f"{path.stem}-latents.png"),
        path.with_name(f"{path.stem}-spectrum.png"),
    )
