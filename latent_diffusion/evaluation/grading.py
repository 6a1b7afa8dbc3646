"""Points under a course's rubric, part by part, before handing in.

"Unknown" where only the course can know. `ldm grade` calls `grade_samples`.
"""

from pathlib import Path

import numpy as np
from pydantic import BaseModel

from latent_diffusion.data.reference import Reference
from latent_diffusion.evaluation.features import FeatureNetwork, look
from latent_diffusion.evaluation.networks import load_network, load_reference
from latent_diffusion.evaluation.references import ReferenceStatistics
from latent_diffusion.evaluation.rubric import Rubric, RubricPart
from latent_diffusion.evaluation.scoring import score
from latent_diffusion.evaluation.sources import ImageSource, of_array, open_images
from latent_diffusion.evaluation.views import CourseFeatures, View, network_view
from latent_diffusion.run import Run
from metrics import diversity_points, frechet_distance, linear_points

NOISE_IMAGES = 1_000
BY_EYE = "by eye"
ESTIMATE = "by this run's judge: "  # where the course will use a network of its own
Comparer = tuple[FeatureNetwork, ReferenceStatistics]  # a network, and what it compares with


class GradedPart(BaseModel):
    """The points of one part, None where they are unknown, and how they come about."""

    name: str
    possible: float
    points: float | None
    detail: str


class Grade(BaseModel):
    """`points` of `possible` are known; `judges` is what each, by its checksum, would give."""

    rubric: str
    n: int
    parts: list[GradedPart]
    points: float
    possible: float
    judges: dict[str, dict[str, float | None]] = {}
    notes: list[str] = []


def grade(
    rubric: Rubric,
    reference: Reference,
    images: ImageSource,
    judges: list[Comparer],
    inception: Comparer | None = None,
    course: CourseFeatures | None = None,
) -> Grade:
    """Return the points of `images`.

    The first of the judges grades, the others show the spread; `inception` and `course` are the
    networks that some parts are bound to. With `course` no judge is asked.
    Raises ValueError for images of another size, and for features of another number of them.
    """
    check_images(rubric, images, course)
    if course:
        views = [course.view(rubric.threshold)]
    else:
        views = [network_view(*judge, images, rubric.threshold) for judge in judges]
    bound = {
        "any": views[0],
        "course": views[0] if course else None,
        "inception": network_view(*inception, images, None) if inception else None,
    }
    names = reference.facts.class_names
    parts = []
    for part in rubric.parts:
        view = bound[part.network]
        if part.score == BY_EYE:
            parts.append(without_points(part, BY_EYE))
        elif view is None:
            parts.append(without_points(part, unknown(part, reference, images, *judges[0])))
        else:
            parts.append(graded(part, view, names, estimate=part.network == "any" and not course))
    found = Grade(
        rubric=rubric.title,
        n=images.count,
        parts=parts,
        points=sum(part.points for part in parts if part.points is not None),
        possible=sum(part.possible for part in parts if part.points is not None),
    )
    if not course:
        for (network, _), view in zip(judges, views, strict=True):
            found.judges[network.identity] = judge_points(rubric, view, names)
    if images.count != rubric.images:
        found.notes.append(
            f"{rubric.title} scores {rubric.images} images, and these are {images.count}: "
            "FID depends on the number"
        )
    return found


def check_images(rubric: Rubric, images: ImageSource, course: CourseFeatures | None) -> None:
    """Raise ValueError for images that are not of the rubric's size or not those of the course."""
    if images.size != rubric.size:
        raise ValueError(
            f"{images.name} holds images of {images.size}x{images.size}, "
            f"and {rubric.title} wants {rubric.size}x{rubric.size}"
        )
    if course and len(course.features) != images.count:
        raise ValueError(
            f"the course's features are of {len(course.features)} images, "
            f"and {images.name} holds {images.count}"
        )


def graded(part: RubricPart, view: View, names: list[str], estimate: bool = False) -> GradedPart:
    """Return the points of a part by a network's view of the images.

    estimate: the course will use a network of its own for this part.
    """
    by = ESTIMATE if estimate else ""
    if part.score == "class_coverage":
        if view.class_coverage is None:
            return without_points(part, "not defined for these images")
        found = diversity_points(view.class_coverage, part.points)
        low = [names[label] if label < len(names) else str(label) for label in found.low]
        points = found.by_probability
        detail = f"by whole classes {found.by_class:.1f}; " + (
            f"LOW: {', '.join(low)}" if low else "no class is LOW"
        )
    else:
        value = view.fid if part.score == "fid" else view.inception_score
        if value is None:
            return without_points(part, "not defined for these images")
        assert part.zero_at is not None and part.full_at is not None
        points = linear_points(value, part.zero_at, part.full_at, part.points)
        detail = (
            f"{value:.2f}, on a scale from {part.zero_at:g} (0) to {part.full_at:g} "
            f"({part.points:g})"
        )
    return GradedPart(name=part.name, possible=part.points, points=points, detail=by + detail)


def judge_points(rubric: Rubric, view: View, names: list[str]) -> dict[str, float | None]:
    """Return by name the points of the parts on which any judge has a say."""
    return {
        part.name: graded(part, view, names).points
        for part in rubric.parts
        if part.score != BY_EYE and part.network == "any"
    }


def without_points(part: RubricPart, detail: str) -> GradedPart:
    """Return a part whose points are unknown, and why."""
    return GradedPart(name=part.name, possible=part.points, points=None, detail=detail)


def unknown(
    part: RubricPart,
    reference: Reference,
    images: ImageSource,
    network: FeatureNetwork,
    against: ReferenceStatistics,
) -> str:
    """Return what is missing for a part's points.

    For FID, also where that lies between noise and as many real images, as far as the run's own
    judge can tell.
    """
    if part.network == "course":
        text = "the scale needs the course's own classifier (--course FILE)"
    else:
        text = (
            "the scale needs Inception's weights (--weights FILE or the torch cache, "
            "with --data DATA or --reference FILE)"
        )
    if part.score != "fid":
        return text
    fid = score(reference, images, network, against).scores.get("fid")
    if fid is None or not fid.real:
        return text
    worst = fid_of_noise(images, network, against)
    return (
        f"{text}; by the judge {fid.value:.2f}, where real images have {fid.real:.2f} at this N "
        f"and noise {worst:.2f}: "
        f"{(worst - fid.value) / (worst - fid.real):.1%} of the way from noise to real"
    )


def fid_of_noise(
    images: ImageSource, network: FeatureNetwork, against: ReferenceStatistics
) -> float:
    """Return the FID of as many pictures of noise as there are images, NOISE_IMAGES at most."""
    random = np.random.default_rng(0)
    shape = (min(images.count, NOISE_IMAGES), images.size, images.size, 3)
    noise = of_array(random.integers(0, 256, shape, dtype=np.uint8))
    seen = look(network, noise.batches(), noise.count)
    assert seen.statistics is not None
    return frechet_distance(seen.statistics, against.statistics)


def grade_samples(
    rubric: Rubric,
    run_folder: Path,
    samples: Path,
    judges: list[Path],
    weights: Path | None,
    data: Path | None,
    statistics_file: Path | None,
    course_file: Path | None,
    device: str,
) -> Grade:
    """Return the points of samples by the judge of a run, and record them in it.

    judges: other runs, whose judges show the spread. weights, data and statistics_file are for
    parts that need Inception, course_file for those that need the course's own classifier.
    Raises ValueError for options that do not go together, and for judges of other data.
    """
    run = Run.open(run_folder)
    reference = Reference.open(run)
    if (weights or data or statistics_file) and not any(
        part.network == "inception" for part in rubric.parts
    ):
        raise ValueError(
            "--weights, --data and --reference are for parts that need Inception, "
            f"and {rubric.title} has none"
        )
    if course_file and judges:
        raise ValueError(
            "--judge says how far judges differ; with --course the course's own decides, "
            "so leave one of them out"
        )
    comparers = [load_judge(folder, reference, rubric, device) for folder in [run_folder, *judges]]
    images = open_images(samples, only=graded_files(rubric))
    inception = None
    if weights or statistics_file or data:
        network = load_network("inception", run, weights, device)
        inception = network, load_reference(network, run, data, statistics_file)
    course = CourseFeatures(course_file) if course_file else None
    found = grade(rubric, reference, images, comparers, inception, course)
    run.add_scores(f"{Path(samples).resolve()} ({rubric.title})", found.model_dump())
    return found


def graded_files(rubric: Rubric) -> set[str] | None:
    """Return the names of the files that count, which favourites do not; None for all."""
    plan = rubric.submission
    if plan is None:
        return None
    return {plan.files.format(seed=seed) for seed in range(1, rubric.images + 1)}


def load_judge(folder: Path, reference: Reference, rubric: Rubric, device: str) -> Comparer:
    """Return the judge of the run in `folder` and its statistics of the training images.

    reference: that of the run whose judge grades. Raises ValueError for a judge of another size
    than the rubric's, or of other classes than the reference's.
    """
    run = Run.open(folder)
    facts = Reference.open(run).facts
    if facts.image_size != rubric.size:
        raise ValueError(
            f"the judge of {folder} was trained on {facts.image_size}x{facts.image_size}, "
            f"and {rubric.title} wants {rubric.size}x{rubric.size}"
        )
    if facts.class_names != reference.facts.class_names:
        raise ValueError(f"the judge of {folder} knows other classes than the run that is graded")
    judge = load_network("judge", run, None, device)
    return judge, load_reference(judge, run, None, None)
