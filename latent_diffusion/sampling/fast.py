"""How a student samples: in one to four jumps, each a single network evaluation.

What its teacher did on the way is baked into its weights; guidance and the number of jumps are not.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator, model_validator

from latent_diffusion.sampling.config import SamplingConfig
from latent_diffusion.sampling.samplers import spread_levels

MOST_STEPS = 4
VISITED = {1: (0, 4), 2: (0, 2, 4), 3: (0, 2, 3, 4), 4: (0, 1, 2, 3, 4)}  # levels, by the steps
SAMPLER = "ddim"  # whose step leads from a student's "clean" to the end of a jump
BAKED = (
    "sampler",
    "guidance_interval",
    "epsilon_scale",
    "sigma_max",
    "sigma_min",
    "last_of_few",
    "most_guidance",
)


class FastSampling(SamplingConfig):
    """The settings of a student. Those in BAKED are its teacher's, and stay as they are."""

    sampler: str = SAMPLER
    steps: int = Field(MOST_STEPS, description="jumps from noise to latents")
    most_guidance: float = Field(4.0, ge=1, description="up to which it learnt guidance")

    @field_validator("steps")
    @classmethod
    def _few(cls, steps: int) -> int:
        if not 1 <= steps <= MOST_STEPS:
            raise ValueError(
                f"the student takes 1 to {MOST_STEPS} steps, and {steps} were asked for: leave "
                "them out, or sample without --fast"
            )
        return steps

    @model_validator(mode="after")
    def _learnt(self) -> "FastSampling":
        for scale in (self.guidance, *self.class_guidance.values()):
            if not 1 <= scale <= self.most_guidance:
                raise ValueError(
                    f"the student learnt guidance from 1 to {self.most_guidance:g}, and {scale:g} "
                    "was asked for: choose one of those, or sample without --fast"
                )
        return self

    @property
    def is_guided(self) -> bool:
        """Return whether the prediction without a class is ever needed: never."""
        return False

    @property
    def levels(self) -> list[float]:
        """Return the falling noise levels, the last one 0: some of those of MOST_STEPS steps."""
        few = spread_levels(MOST_STEPS, self.first_level, self.sigma_min, self.last_level)
        return [few[number] for number in VISITED[self.steps]]

    def of(self, steps: int) -> "FastSampling":
        """Return the same with so many steps."""
        return self.model_copy(update={"steps": steps})

    @property
    def evaluations(self) -> int:
        """Return the network evaluations (NFE) for one image: one a jump."""
        return self.steps


def taught(teacher: SamplingConfig, most_guidance: float) -> FastSampling:
    """Return how a student of a teacher that samples so samples by default.

    A guidance that it does not learn becomes the nearest that it does.
    """

    def learnt(scale: float) -> float:
        return min(max(scale, 1.0), most_guidance)

    settings = {
        **teacher.model_dump(),
        "sampler": SAMPLER,
        "steps": MOST_STEPS,
        "sigma_max": teacher.first_level,
        "last_of_few": teacher.last_level,
        "guidance": learnt(teacher.guidance),
        "class_guidance": {n: learnt(scale) for n, scale in teacher.class_guidance.items()},
        "most_guidance": most_guidance,
    }
    return FastSampling.model_validate(settings)


def check_baked(own: FastSampling, given: Mapping[str, Any]) -> None:
    """Raise ValueError where a setting is given otherwise than a student has it baked in."""
    for name in BAKED:
        value = getattr(own, name)
        if name in given and given[name] != value:
            raise ValueError(
                f"the student has {name} = {value} baked in: leave out {name} = {given[name]}, or "
                "sample without --fast"
            )
