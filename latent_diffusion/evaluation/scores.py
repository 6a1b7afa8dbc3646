"""The scores of a set of samples, as scores.json keeps them.

scoring.py computes them; reports, studies and tables read them.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, model_validator


class Score(BaseModel):
    """One score of N images.

    low .. high is its 95% interval; real is the mean of a few sets of N held-out images, with its
    range.
    """

    value: float
    low: float | None = None
    high: float | None = None
    real: float | None = None
    real_range: tuple[float, float] | None = None


class ClassFid(BaseModel):
    """FID of the n samples of one class against the training images of that class."""

    n: int
    fid: float
    floor: float | None = None


class TrendPoint(BaseModel):
    """FID of subsets of n samples: its mean and standard deviation."""

    n: int
    fid: float
    deviation: float


class Scores(BaseModel):
    """Scores of N samples by one feature network.

    What cannot be had is missing, and `notes` says why.
    """

    n: int
    network: str
    identity: str  # checksum of the network's weights
    scheme: str = "classes"  # what a judge learnt to tell; of no account for other networks
    reference: str  # what the samples are compared with
    scores: dict[str, Score] = {}
    class_fid: dict[str, ClassFid] = {}
    trend: list[TrendPoint] = []  # FID by number of samples
    counts: dict[str, int] = {}  # by class, as the network sees them
    low_classes: list[str] = []
    matched_floor: float | None = None  # FID of held-out images with the samples' own class counts
    detected: int | None = None  # samples, and as many real images, that were told apart
    detector: str = "layers and grain"  # what they were told by: others do not compare
    # How many samples of each class asked for are seen as which; without those that are 0.
    confusion: dict[str, dict[str, int]] | None = None
    notes: list[str] = []

    @model_validator(mode="before")
    @classmethod
    def _sparse(cls, found: Any) -> Any:
        """Read the confusion of earlier files, a matrix in the order of `counts`."""
        if not isinstance(found, dict) or not isinstance(found.get("confusion"), list):
            return found
        try:
            return found | {"confusion": sparse(found["confusion"], list(found["counts"]))}
        except (KeyError, TypeError):
            raise ValueError("its confusion is no matrix of counts") from None

    def value(self, name: str) -> float | None:
        """Return a score by its name, or None where there is none."""
        return self.scores[name].value if name in self.scores else None

    @property
    def fid_over_floor(self) -> float | None:
        """FID divided by its floor; None where there is no floor."""
        fid = self.scores.get("fid")
        return fid.value / fid.real if fid and fid.real else None

    @property
    def least_fid(self) -> float | None:
        """The FID of perfect samples.

        That is the matched floor, or the floor where class counts are not known.
        """
        if self.matched_floor is not None:
            return self.matched_floor
        return self.scores["fid"].real if "fid" in self.scores else None

    @property
    def fid_over_matched_floor(self) -> float | None:
        """FID divided by its matched floor; None where there is no matched floor."""
        return self.scores["fid"].value / self.matched_floor if self.matched_floor else None


def sparse(confusion: Sequence[Sequence[int]], names: list[str]) -> dict[str, dict[str, int]]:
    """Return the counts of a confusion matrix (K, K) that are not 0, by the names of both classes.

    They are as many as there are samples at most, however many classes there are.
    """
    rows = {
        name: {seen: int(count) for seen, count in zip(names, row, strict=True) if count}
        for name, row in zip(names, confusion, strict=True)
    }
    return {name: row for name, row in rows.items() if row}
