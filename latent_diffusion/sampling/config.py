"""How a run samples: the settings of `[sampling]`, which every sampling command can change."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from latent_diffusion.denoiser import Interval, acts, fitted_first_level
from latent_diffusion.sampling.samplers import SAMPLERS, spread_levels, trace

DEFAULT_SAMPLER = next(iter(SAMPLERS))
DRAWN_OVER = 1.2  # of the square of latent_noise: 0.3 for 0.5, and sigma_min for 0.1
UNFITTED = 40.0  # first noise level of a run that has no latents yet
Positive = Annotated[float, Field(gt=0)]
GuidanceScale = Annotated[float, Field(ge=0, le=1000)]


class SamplingConfig(BaseModel):
    """How a run samples unless told otherwise."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    sampler: str = Field(DEFAULT_SAMPLER, description=", ".join(SAMPLERS))
    steps: int = Field(
        18,
        ge=1,
        le=10_000,
        description="sampler steps from noise to latents",
    )
    guidance: GuidanceScale = Field(1.5, description="classifier-free guidance; 1 is none")
    class_guidance: dict[str, GuidanceScale] = Field(
        {}, description="guidance of those classes, by name, that need another than the rest"
    )
    guidance_interval: Interval = Field(
        "all", description="noise levels where it acts, lower and upper; or all"
    )
    temperature: float = Field(
        1.0,
        gt=0,
        le=2,
        description="size of the noise that is drawn; below 1 is more typical, less varied",
    )
    epsilon_scale: float = Field(
        1.0,
        ge=0.9,
        le=1.1,
        description="the predicted noise is divided by this; above 1 samples are sharper",
    )
    sigma_max: Positive | Literal["auto"] = Field(
        "auto", description="first noise level; auto: fitted to the latents when stage two begins"
    )
    sigma_min: float = Field(0.01, gt=0, description="last noise level above 0")
    last_of_few: Positive | Literal["auto"] = Field(
        "auto",
        description="last noise level above 0 of 4 steps, of more up to 14 in between; auto: what "
        "the decoder learnt to draw over",
    )
    compute_batch: int = Field(
        64, ge=1, description="rows of every network call; changing it changes the last bits"
    )

    @field_validator("sampler")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in SAMPLERS:
            raise ValueError(f"no sampler {name!r}: there are {', '.join(SAMPLERS)}")
        return name

    @model_validator(mode="after")
    def _levels(self) -> "SamplingConfig":
        if self.sigma_min >= self.first_level:
            raise ValueError(
                f"sigma_min = {self.sigma_min} must be less than sigma_max = {self.first_level}"
            )
        interval = self.guidance_interval
        if interval != "all" and not 0 <= interval[0] <= interval[1]:
            raise ValueError(
                f"guidance_interval = {list(interval)} must be two noise levels, the lower one "
                "first"
            )
        return self

    @property
    def first_level(self) -> float:
        """Return the noise level at which sampling begins."""
        return UNFITTED if self.sigma_max == "auto" else self.sigma_max

    @property
    def last_level(self) -> float:
        """Return the last noise level above 0 of few steps."""
        return self.sigma_min if self.last_of_few == "auto" else self.last_of_few

    def for_decoder(self, latent_noise: float) -> "SamplingConfig":
        """Return the same for a decoder that learnt with latents of so much noise."""
        if self.last_of_few != "auto":
            return self
        drawn_over = max(self.sigma_min, DRAWN_OVER * latent_noise**2)
        return self.model_copy(update={"last_of_few": drawn_over})

    def fitted(self, deviations: np.ndarray) -> "SamplingConfig":
        """Return the same for latents whose principal components have these deviations."""
        if self.sigma_max != "auto":
            return self
        return self.model_copy(update={"sigma_max": fitted_first_level(deviations)})

    @property
    def is_guided(self) -> bool:
        """Return whether the prediction without a class is ever needed."""
        return any(scale != 1 for scale in (self.guidance, *self.class_guidance.values()))

    @property
    def guides_nothing(self) -> bool:
        """Return whether guidance is asked for, but at none of the noise levels of the sampler."""
        if self.guidance_interval == "all" or not self.is_guided:
            return False
        evaluated = trace(self.sampler, self.levels).evaluated
        return not any(acts(0.0, self.guidance_interval, sigma) for sigma in evaluated)

    def unguided(self) -> "SamplingConfig":
        """Return the same settings without guidance."""
        return self.model_copy(update={"guidance": 1.0, "class_guidance": {}})

    @property
    def levels(self) -> list[float]:
        """Return the falling noise levels, the last one 0."""
        return spread_levels(self.steps, self.first_level, self.sigma_min, self.last_level)

    @property
    def evaluations(self) -> int:
        """Return the network evaluations (NFE) for one image of the class that takes most.

        Where guidance acts it takes two at a time.
        """
        evaluated = trace(self.sampler, self.levels).evaluated

        def needed(scale: float) -> int:
            guided = [scale > 0 and acts(scale, self.guidance_interval, s) for s in evaluated]
            return len(evaluated) + sum(guided)

        return max(needed(scale) for scale in (self.guidance, *self.class_guidance.values()))

    def scales(self, class_names: Sequence[str], labels: Sequence[int]) -> float | list[float]:
        """Return the guidance of rows with these labels: one number where all classes agree.

        Names of other classes change nothing. Raise ValueError for a guidance by class of a
        denoiser whose classes have no names.
        """
        if self.class_guidance and not class_names:
            raise ValueError(
                "class_guidance goes by the names of classes, and this denoiser knows none"
            )
        known = [self.class_guidance.get(name, self.guidance) for name in class_names]
        if all(scale == self.guidance for scale in known):
            return self.guidance
        return [known[label] for label in labels]


def by_class_spoken(class_guidance: Mapping[str, float]) -> str:
    """Return a guidance by class in words."""
    return ", ".join(f"{name} {scale:g}" for name, scale in class_guidance.items())
