"""The human test: can a person tell generated images from real ones? (HYPE, Zhou et al. 2019.)

Half of the pictures are held-out real images of the run, half are generated, in classes as frequent
as those of the real ones, all in random order. An error rate of 50% means that nobody can tell:
both kinds of mistakes count, a real picture taken for generated and a generated one taken for real.
Called by the app's tab of that name; no Gradio here.
"""

import json
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel

from latent_diffusion.data.reference import Reference
from latent_diffusion.run import write_atomic
from metrics import binomial_interval

FEWEST_ROUNDS, MOST_ROUNDS = 10, 100
MOST_DRAWN_SEED = 2**31

Answer = dict[str, Any]  # a line of the record


class Plan(NamedTuple):
    """What a seed chooses: held-out images, generated ones, and which one each round shows."""

    seed: int
    rows: list[int]  # of the held-out images
    seeds: list[int]  # of the generated ones
    labels: list[int]
    order: list[int]  # indices into the real ones followed by the generated ones


class ErrorRate(BaseModel):
    """Wrong answers of n, as a share with its exact 95% interval."""

    n: int
    wrong: int
    rate: float
    low: float
    high: float

    @classmethod
    def of(cls, wrong: int, n: int) -> "ErrorRate":
        """Return the rate of so many wrong answers, with the interval of Clopper and Pearson."""
        low, high = binomial_interval(wrong, n)
        return cls(n=n, wrong=wrong, rate=wrong / n, low=low, high=high)


def plan(reference: Reference, rounds: int, seed: int | None = None) -> Plan:
    """Return a plan of half real and half generated rounds, of a new seed unless one is given.

    Raise ValueError for a number of rounds outside the limits, and for too few held-out images.
    """
    if not FEWEST_ROUNDS <= rounds <= MOST_ROUNDS or rounds % 2:
        raise ValueError(
            f"the number of rounds must be an even number from {FEWEST_ROUNDS} to {MOST_ROUNDS}"
        )
    half, held_out = rounds // 2, len(reference.labels)
    if half > held_out:
        remedy = "prepare its data with a larger --holdout"
        if 2 * held_out >= FEWEST_ROUNDS:
            remedy = "choose fewer rounds"
        raise ValueError(
            f"{rounds} rounds need {half} held-out images, and this run has {held_out}: {remedy}"
        )
    seed = secrets.randbits(32) if seed is None else seed
    random = np.random.default_rng(seed)
    rows = random.choice(held_out, half, replace=False)
    labels = reference.labels[random.choice(held_out, half)]
    seeds = random.integers(1, MOST_DRAWN_SEED, half)
    order = random.permutation(rounds)
    return Plan(seed, rows.tolist(), seeds.tolist(), labels.tolist(), order.tolist())


@dataclass
class HumanTest:
    """One person's session, recorded after every answer in RUN/human_test/<session>.jsonl.

    The first line says what is tested, then comes one line an answer, and after the last one the
    error rates.
    """

    folder: Path
    plan: Plan
    images: np.ndarray  # uint8 (rounds, H, W, 3) in the order shown
    class_names: list[str]
    reference_labels: np.ndarray
    milliseconds: int | None  # how long each picture is seen; None: as long as wanted
    facts: dict[str, Any]  # how the generated ones were drawn
    session: str = field(default_factory=lambda: secrets.token_hex(8))
    answers: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.started = now()

    @property
    def rounds(self) -> int:
        """Return how many pictures are shown."""
        return len(self.plan.order)

    @property
    def done(self) -> bool:
        """Return whether all rounds are answered."""
        return len(self.answers) == self.rounds

    def answer(self, round_number: int, said_real: bool, milliseconds: float) -> None:
        """Record an answer; rounds count from 1.

        One to another round than the present, such as a second click, is dropped.
        """
        if self.done or round_number != len(self.answers) + 1:
            return
        real, label, source = self.shown_in(round_number)
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

    def shown_in(self, round_number: int) -> tuple[bool, int, dict[str, int]]:
        """Return whether a round's picture is real, its label, and where it is from."""
        index, half = self.plan.order[round_number - 1], self.rounds // 2
        if index < half:
            row = self.plan.rows[index]
            return True, int(self.reference_labels[row]), {"held_out": row}
        generated = index - half
        return False, self.plan.labels[generated], {"seed": self.plan.seeds[generated]}

    def result(self) -> dict[str, ErrorRate]:
        """Return error rates overall, on real and on generated pictures.

        There are none before all rounds are answered.
        """
        return {
            "overall": self.error_rate({True, False}),
            "real": self.error_rate({True}),
            "generated": self.error_rate({False}),
        }

    def error_rate(self, kinds: Collection[bool]) -> ErrorRate:
        """Return the error rate on pictures that are real (True) or generated (False)."""
        asked = [answer for answer in self.answers if answer["real"] in kinds]
        return ErrorRate.of(sum(is_wrong(answer) for answer in asked), len(asked))

    def mistakes(self) -> list[Answer]:
        """Return the wrong answers."""
        return [answer for answer in self.answers if is_wrong(answer)]

    def save(self) -> None:
        """Write the record of what is there so far."""
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
            result = {name: found.model_dump() for name, found in self.result().items()}
            lines.append({"result": result})
        text = "".join(json.dumps(line) + "\n" for line in lines)
        write_atomic(self.folder / f"{self.session}.jsonl", text.encode())


def is_wrong(answer: Answer) -> bool:
    """Return whether a picture was taken for what it is not."""
    return bool(answer["real"] != answer["said_real"])


def shown_images(chosen: Plan, reference: Reference, generated: np.ndarray) -> np.ndarray:
    """Return real and generated images, uint8 (rounds, H, W, 3), in the order of the rounds."""
    real = np.stack([reference.images[row] for row in chosen.rows])
    return np.concatenate([real, generated])[chosen.order]


def now() -> str:
    """Return the time, to the second, as the record has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
