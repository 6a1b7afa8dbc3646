"""Points under a course's rubric, before handing in: part by part, and "unknown" where only the course can know."""

import zipfile
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from rich.table import Table

from latent_diffusion.data.reference import Reference
from latent_diffusion.evaluation.features import FeatureNetwork, Seen, look
from latent_diffusion.evaluation.networks import load_network, load_reference
from latent_diffusion.evaluation.references import ReferenceStatistics
from latent_diffusion.evaluation.scores import score
from latent_diffusion.evaluation.sources import ImageSource, of_array, open_images
from latent_diffusion.run import Run, configs_folder, read_toml
from metrics import (
    class_coverage,
    diversity_points,
    frechet_distance,
    inception_score,
    linear_points,
    statistics,
)

NOISE_IMAGES = 1_000


class RubricPart(BaseModel):
    """One part: a score and its scale. `network` says whose features give points; "any" takes the judge's for an estimate."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    points: float = Field(gt=0)
    score: Literal["inception_score", "fid", "class_coverage", "by eye"]
    network: Literal["any", "inception", "course"] = "any"
    zero_at: float | None = Field(None, description="score at which there are no points")
    full_at: float | None = Field(None, description="score from which on there are all points")
    threshold: float | None = Field(
        None, description="of class_coverage: mean probability under which a class is LOW"
    )

    @model_validator(mode="after")
    def _scale(self):
        if self.score in ("inception_score", "fid") and (
            self.zero_at is None or self.full_at is None or self.zero_at == self.full_at
        ):
            raise ValueError(f"part {self.name!r} needs two different numbers zero_at and full_at")
        return self


class SubmissionPlan(BaseModel):
    """What is handed in: one file a seed, 1 .. images, and some favourites of other seeds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    files: str = Field(description="name with {seed} in it, as in fixed-{seed:03d}.png")
    classes: Literal["cycle", "data"] = "cycle"
    favourites: int = Field(0, ge=0)
    favourite_files: str = "favorite-{seed}.png"
    zip: bool = Field(False, description="one flat .zip instead of a folder")
    process: bool = Field(False, description="a picture of the diffusion process beside it")

    @field_validator("files")
    @classmethod
    def _seed(cls, pattern: str) -> str:
        try:
            if pattern.format(seed=1) != pattern.format(seed=2):
                return pattern
        except (LookupError, ValueError, AttributeError, TypeError):
            pass
        raise ValueError(
            f"{pattern!r} must have {{seed}} in it and nothing else in braces, as in fixed-{{seed:03d}}.png"
        )

    @field_validator("favourite_files")
    @classmethod
    def _plain_seed(cls, pattern: str) -> str:
        if [pattern.count(part) for part in ("{seed}", "{", "}")] != [1, 1, 1]:
            raise ValueError(
                f"{pattern!r} must have {{seed}} in it, just so, and nothing else in braces, as in favorite-{{seed}}.png"
            )
        return pattern


class Rubric(BaseModel):
    """A rubric file: how many images of which size, and its parts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    images: int = Field(ge=1)
    size: int = Field(ge=1)
    parts: tuple[RubricPart, ...] = Field(min_length=1)
    submission: SubmissionPlan | None = None

    @classmethod
    def load(cls, name: str | Path) -> "Rubric":
        """A file, or the name of one in configs/rubrics; ValueError in one line for any other."""
        path, own = Path(name), configs_folder() / "rubrics"
        if not path.is_file():
            path = own / f"{name}.toml"
        if not path.is_file():
            known = ", ".join(sorted(p.stem for p in own.glob("*.toml")))
            raise ValueError(
                f"there is no rubric {str(name)!r}: give a TOML file, or one of {known}"
            )
        try:
            return cls.model_validate(read_toml(path))
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(
                f"{path}: {'.'.join(map(str, first['loc'])) or 'rubric'}: {first['msg']}"
            ) from None


class Graded(BaseModel):
    name: str
    possible: float
    points: float | None  # None: unknown
    detail: str


class Grade(BaseModel):
    """`points` of `possible` are known; `judges` is what each judge, by its checksum, would give."""

    rubric: str
    n: int
    parts: list[Graded]
    points: float
    possible: float
    judges: dict[str, dict[str, float | None]] = {}
    notes: list[str] = []


class CourseFeatures:
    """What the course's own classifier saw: features (N, D), probabilities (N, K) and, of its data set, mu and sigma, in
    one .npz that its owner writes. (A foreign network itself is never loaded: that would run its code.)"""

    def __init__(self, path: Path):
        try:
            with np.load(path, allow_pickle=False) as file:
                self.features, self.probabilities = file["features"], file["probabilities"]
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{path} must be an .npz with features, probabilities, mu and sigma ({error})"
            ) from None
        self.reference = ReferenceStatistics.load(path)
        if not len(self.features) == len(self.probabilities) > 1:
            raise ValueError(
                f"{path}: features and probabilities must be of the same images, at least 2"
            )

    def measure(self, threshold: float | None) -> dict[str, object]:
        return {
            "fid": frechet_distance(statistics(self.features), self.reference.statistics),
            "fid_network": "course",
            "inception_score": inception_score(self.probabilities).score,
            "class_coverage": class_coverage(self.probabilities, threshold),
        }


def grade(
    rubric: Rubric,
    reference: Reference,
    images: ImageSource,
    judges: list[tuple[FeatureNetwork, ReferenceStatistics]],
    inception: tuple[FeatureNetwork, ReferenceStatistics] | None = None,
    course: CourseFeatures | None = None,
) -> Grade:
    """Points of `images`. The first of the judges grades, the others show the spread; `inception` and `course` are the
    networks that some parts are bound to."""
    if images.size != rubric.size:
        raise ValueError(
            f"{images.name} holds images of {images.size}x{images.size}, and {rubric.title} wants {rubric.size}x{rubric.size}"
        )
    names, notes = reference.facts.class_names, []
    if images.count != rubric.images:
        notes.append(
            f"{rubric.title} scores {rubric.images} images, and these are {images.count}: FID depends on the number"
        )
    threshold = next(
        (part.threshold for part in rubric.parts if part.score == "class_coverage"), None
    )
    views = [measure(network, against, images, threshold) for network, against in judges]
    if course:
        if len(course.features) != images.count:
            raise ValueError(
                f"the course's features are of {len(course.features)} images, and {images.name} holds {images.count}"
            )
        views[0] = course.measure(threshold)
    of_inception = measure(*inception, images, None) if inception else None
    parts = []
    for part in rubric.parts:
        bound = {"inception": of_inception, "course": views[0] if course else None}.get(
            part.network, views[0]
        )
        if part.score == "by eye":
            parts.append(Graded(name=part.name, possible=part.points, points=None, detail="by eye"))
        elif bound is None:
            parts.append(
                Graded(
                    name=part.name,
                    possible=part.points,
                    points=None,
                    detail=unknown(part, reference, images, *judges[0]),
                )
            )
        else:
            parts.append(graded(part, bound, names, estimate=part.network == "any" and not course))
    spread = (
        {
            network.identity: {
                part.name: graded(part, view, names).points
                for part in rubric.parts
                if part.score != "by eye" and part.network == "any"
            }
            for (network, _), view in zip(judges, views)
        }
        if not course
        else {}
    )
    known = [part for part in parts if part.points is not None]
    return Grade(
        rubric=rubric.title,
        n=images.count,
        parts=parts,
        points=sum(part.points for part in known),
        possible=sum(part.possible for part in known),
        judges=spread,
        notes=notes,
    )


def measure(
    network: FeatureNetwork,
    against: ReferenceStatistics,
    images: ImageSource,
    threshold: float | None,
) -> dict:
    seen: Seen = look(network, images.batches(), images.count, title="grading")
    found = {
        "fid": frechet_distance(seen.statistics, against.statistics) if seen.statistics else None,
        "fid_network": network.name,
    }
    if seen.probabilities is not None:
        found["inception_score"] = inception_score(seen.probabilities).score
    if network.name == "judge":
        found["class_coverage"] = class_coverage(seen.probabilities, threshold)
    return found


def graded(part: RubricPart, view: dict, names: list[str], estimate: bool = False) -> Graded:
    """estimate: the course will use a network of its own for this part."""
    by = "by this run's judge: " if estimate else ""
    value = view.get(part.score)
    if value is None:
        return Graded(
            name=part.name, possible=part.points, points=None, detail="not defined for these images"
        )
    if part.score == "class_coverage":
        points = diversity_points(value, part.points)
        low = [names[label] if label < len(names) else str(label) for label in points.low]
        return Graded(
            name=part.name,
            possible=part.points,
            points=points.by_probability,
            detail=f"{by}by whole classes {points.by_class:.1f}"
            + (f"; LOW: {', '.join(low)}" if low else "; no class is LOW"),
        )
    points = linear_points(value, part.zero_at, part.full_at, part.points)
    return Graded(
        name=part.name,
        possible=part.points,
        points=points,
        detail=f"{by}{value:.2f}, on a scale from {part.zero_at:g} (0) to {part.full_at:g} ({part.points:g})",
    )


def unknown(
    part: RubricPart,
    reference: Reference,
    images: ImageSource,
    network: FeatureNetwork,
    against: ReferenceStatistics,
) -> str:
    """Where the FID lies between noise and real images of the same number, as far as the run's own judge can tell."""
    whose = (
        "the course's own classifier (--course FILE)"
        if part.network == "course"
        else "Inception's weights (--weights FILE or the torch cache, with --data DATA or --reference FILE)"
    )
    if part.score != "fid":
        return f"the scale needs {whose}"
    scores = score(reference, images, network, against)
    fid = scores.scores.get("fid")
    text = f"the scale needs {whose}"
    if fid is None or not fid.real:
        return text
    random = np.random.default_rng(0)
    noise = random.integers(
        0, 256, (min(images.count, NOISE_IMAGES), images.size, images.size, 3), dtype=np.uint8
    )
    worst = frechet_distance(
        look(network, of_array(noise).batches(), len(noise)).statistics, against.statistics
    )
    return text + (
        f"; by the judge {fid.value:.2f}, where real images have {fid.real:.2f} at this N and noise {worst:.2f}: "
        f"{(worst - fid.value) / (worst - fid.real):.1%} of the way from noise to real"
    )


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
    """Grade a folder by the judge of a run, those of other runs, and what else the rubric is bound to; recorded in the run."""
    run = Run.open(run_folder)
    reference = Reference.open(run)
    wants_inception = any(part.network == "inception" for part in rubric.parts)
    if (weights or data or statistics_file) and not wants_inception:
        raise ValueError(
            f"--weights, --data and --reference are for parts that need Inception, and {rubric.title} has none"
        )
    if course_file and judges:
        raise ValueError(
            "--judge says how far judges differ; with --course the course's own decides, so leave one of them out"
        )
    if reference.facts.image_size != rubric.size:
        raise ValueError(
            f"the judge of {run_folder} was trained on {reference.facts.image_size}x{reference.facts.image_size}, and "
            f"{rubric.title} wants {rubric.size}x{rubric.size}"
        )
    plan, views = rubric.submission, []
    only = (
        {plan.files.format(seed=seed) for seed in range(1, rubric.images + 1)} if plan else None
    )  # favourites do not count
    images = open_images(samples, None, only)
    for folder in [run_folder, *judges]:
        judged_by = Run.open(folder)
        facts = Reference.open(judged_by).facts
        if (facts.class_names, facts.image_size) != (reference.facts.class_names, rubric.size):
            raise ValueError(
                f"the judge of {folder} knows other classes or another size than {run_folder}"
            )
        judge = load_network("judge", judged_by, None, device)
        views.append((judge, load_reference(judge, judged_by, None, None)))
    inception = None
    if weights or statistics_file or data:
        network = load_network("inception", run, weights, device)
        inception = network, load_reference(network, run, data, statistics_file)
    found = grade(
        rubric,
        reference,
        images,
        views,
        inception,
        CourseFeatures(course_file) if course_file else None,
    )
    run.add_scores(f"{Path(samples).resolve()} ({rubric.title})", found.model_dump())
    return found


def table(result: Grade) -> Table:
    shown = Table(title=f"{result.rubric}: {result.n} images")
    for column in ("part", "points", "of", "how"):
        shown.add_column(column, justify="right" if column in ("points", "of") else "left")
    for part in result.parts:
        points = "unknown" if part.points is None else f"{part.points:.1f}"
        shown.add_row(
            part.name,
            "by eye" if part.detail == "by eye" else points,
            f"{part.possible:g}",
            part.detail,
        )
    estimated = any(part.detail.startswith("by this run's judge") for part in result.parts)
    shown.add_row(
        "known or estimated" if estimated else "known",
        f"{result.points:.1f}",
        f"{result.possible:g}",
        "",
    )
    lines = list(result.notes)
    if len(result.judges) > 1:
        for name in next(iter(result.judges.values())):
            values = [points[name] for points in result.judges.values() if points[name] is not None]
            if len(values) < 2:
                continue
            lines.append(
                f"{name} by {len(values)} judges: "
                + ", ".join(f"{v:.1f}" for v in values)
                + f" (they differ by up to {max(values) - min(values):.1f} points)"
            )
    shown.caption = "\n".join(lines)
    return shown
