"""The human test: can a person tell generated images from real ones? (HYPE, Zhou et al. 2019.) No Gradio here.

Half of the pictures are held-out real images of the run, half are generated, in classes as frequent as those of the real
ones, all in random order. An error rate of 50% means that nobody can tell: both kinds of mistakes count, a real picture
taken for generated and a generated one taken for real.
"""

import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel

from latent_diffusion.data.reference import Reference
from latent_diffusion.run import write_atomic
from metrics import binomial_interval

FEWEST_ROUNDS, MOST_ROUNDS = 10, 100


class Plan(NamedTuple):
    """What a seed chooses: rows of the held-out images, then seeds and labels to draw, then who stands in which round."""

    seed: int
    rows: list[int]
    seeds: list[int]
    labels: list[int]
    order: list[int]  # of the real ones followed by the generated ones


class ErrorRate(BaseModel):
    """Wrong answers of n, as a share with its exact 95% interval."""

    n: int
    wrong: int
    rate: float
    low: float
    high: float

    @classmethod
    def of(cls, wrong: int, n: int) -> "ErrorRate":
        low, high = binomial_interval(wrong, n)
        return cls(n=n, wrong=wrong, rate=wrong / n, low=low, high=high)


def plan(reference: Reference, rounds: int, seed: int | None = None) -> Plan:
    """Half of the rounds real and half generated; a new seed unless one is given. ValueError for too few held-out images."""
    if not FEWEST_ROUNDS <= rounds <= MOST_ROUNDS or rounds % 2:
        raise ValueError(
            f"the number of rounds must be an even number from {FEWEST_ROUNDS} to {MOST_ROUNDS}"
        )
    half, there = rounds // 2, len(reference.labels)
    if half > there:
        raise ValueError(
            f"{rounds} rounds need {half} held-out images, and this run has {there}: "
            + (
                "choose fewer rounds"
                if 2 * there >= FEWEST_ROUNDS
                else "prepare its data with a larger --holdout"
            )
        )
    seed = secrets.randbits(32) if seed is None else seed
    random = np.random.default_rng(seed)
    rows = random.choice(there, half, replace=False)
    labels = reference.labels[random.choice(there, half)]
    return Plan(
        seed,
        rows.tolist(),
        random.integers(1, 2**31, half).tolist(),
        labels.tolist(),
        random.permutation(rounds).tolist(),
    )


@dataclass
class HumanTest:
    """One person's session, recorded after every answer in RUN/human_test/<session>.jsonl.

    The first line says what is tested, then comes one line an answer, and after the last one the error rates.
    """

    folder: Path
    plan: Plan
    images: np.ndarray  # uint8 (rounds, H, W, 3) in the order shown
    class_names: list[str]
    reference_labels: np.ndarray
    milliseconds: int | None  # how long each picture is seen; None: as long as wanted
    facts: dict  # how the generated ones were drawn
    session: str = field(default_factory=lambda: secrets.token_hex(8))
    answers: list[dict] = field(default_factory=list)

    def __post_init__(self):
        self.started = now()

    @property
    def rounds(self) -> int:
        return len(self.plan.order)

    @property
    def done(self) -> bool:
        return len(self.answers) == self.rounds

    def answer(self, round_number: int, said_real: bool, milliseconds: float) -> None:
        """Record an answer (rounds count from 1); one to another round than the present, such as a second click, is dropped."""
        if self.done or round_number != len(self.answers) + 1:
            return
        place, half = self.plan.order[len(self.answers)], self.rounds // 2
        real = place < half
        row = self.plan.rows[place] if real else None
        label = self.reference_labels[row] if real else self.plan.labels[place - half]
        source = {"held_out": row} if real else {"seed": self.plan.seeds[place - half]}
        self.answers.append(
            {
                "round": round_number,
                "real": real,
                "said_real": said_real,
                "class": self.class_names[label],
                **source,
                "milliseconds": round(milliseconds),
                "time": now(),
            }
        )
        self.save()

    def result(self) -> dict[str, ErrorRate]:
        """Error rates overall, on real and on generated pictures, once all rounds are answered."""
        kinds = {"overall": (True, False), "real": (True,), "generated": (False,)}
        asked = {
            name: [a for a in self.answers if a["real"] in which] for name, which in kinds.items()
        }
        return {
            name: ErrorRate.of(sum(a["real"] != a["said_real"] for a in of), len(of))
            for name, of in asked.items()
        }

    def mistakes(self) -> list[dict]:
        return [a for a in self.answers if a["real"] != a["said_real"]]

    def save(self) -> None:
        head = {
            "session": self.session,
            "started": self.started,
            "seed": self.plan.seed,
            "rounds": self.rounds,
            "milliseconds": self.milliseconds,
            **self.facts,
        }
        lines = [head, *self.answers]
        if self.done:
            lines.append(
                {"result": {name: rate.model_dump() for name, rate in self.result().items()}}
            )
        write_atomic(
            self.folder / f"{self.session}.jsonl",
            "".join(json.dumps(line) + "\n" for line in lines).encode(),
        )


def shown_images(chosen: Plan, reference: Reference, generated: np.ndarray) -> np.ndarray:
    """Real and generated images, uint8 (rounds, H, W, 3), in the order of the rounds."""
    real = np.stack([reference.images[row] for row in chosen.rows])
    return np.concatenate([real, generated])[chosen.order]


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
