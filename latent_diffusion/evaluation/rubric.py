"""A course's rubric: how many images of which size, its parts, and what is handed in.

`ldm grade` gives points by it, `ldm submit` builds a submission by it.
Files are in configs/rubrics.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from latent_diffusion.parsing import read_toml
from latent_diffusion.run import configs_folder


class RubricPart(BaseModel):
    """One part: a score and its scale.

    `network` says whose features give points; "any" takes the judge's for an estimate.
    """

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
    def _scale(self) -> "RubricPart":
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
            f"{pattern!r} must have {{seed}} in it and nothing else in braces, "
            "as in fixed-{seed:03d}.png"
        )

    @field_validator("favourite_files")
    @classmethod
    def _plain_seed(cls, pattern: str) -> str:
        if [pattern.count(text) for text in ("{seed}", "{", "}")] != [1, 1, 1]:
            raise ValueError(
                f"{pattern!r} must have {{seed}} in it, just so, and nothing else in braces, "
                "as in favorite-{seed}.png"
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
        """Return the rubric in a file, or the one of that name in configs/rubrics.

        Raises ValueError in one line for any other name, and for a file that is no rubric.
        """
        own = configs_folder() / "rubrics"
        path = Path(name)
        if not path.is_file():
            path = own / f"{name}.toml"
        if not path.is_file():
            known = ", ".join(sorted(file.stem for file in own.glob("*.toml")))
            raise ValueError(
                f"there is no rubric {str(name)!r}: give a TOML file, or one of {known}"
            )
        return cls.checked(read_toml(path), str(path))

    @classmethod
    def checked(cls, tree: dict[str, Any], source: str) -> "Rubric":
        """Return the rubric of a file; ValueError in one line that begins with `source`."""
        try:
            return cls.model_validate(tree)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(step) for step in first["loc"]) or "rubric"
            raise ValueError(f"{source}: {where}: {first['msg']}") from None

    @property
    def threshold(self) -> float | None:
        """The mean probability under which a class is LOW; None where the rubric names none."""
        thresholds = [part.threshold for part in self.parts if part.score == "class_coverage"]
        return thresholds[0] if thresholds else None
