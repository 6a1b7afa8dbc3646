"""How long and how fast a training goes: the settings of every `[….training]` table."""

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from latent_diffusion.device import Precision
from latent_diffusion.ema import MOST_LENGTH, SNAPSHOT_LENGTHS


class TrainingConfig(BaseModel):
    """How long and how fast; the same for all trainings."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    steps: int = Field(10_000, ge=1)
    minutes: float | None = Field(
        None,
        gt=0,
        description="in place of steps: as many are done as take this long at the speed that is "
        "measured when the training begins",
    )
    batch_size: int = Field(
        128, ge=1, le=2**20, description="images a step, over all processes together"
    )
    accumulate: int = Field(
        1,
        ge=1,
        le=2**20,
        description="parts in which a step's images are computed, one after the other, where "
        "memory is short",
    )
    learning_rate: float = Field(1e-3, gt=0, description="at its highest, after the warm-up")
    warmup_steps: int = Field(
        100, ge=0, description="the learning rate rises linearly, then falls linearly to 0"
    )
    optimizer: Literal["muon", "adamw"] = Field(
        "muon", description="muon: for convolutions, with adamw for the rest"
    )
    weight_decay: float = Field(0.01, ge=0)
    gradient_norm: float = Field(1.0, gt=0, description="longer gradients are shortened to this")
    ema_length: float = Field(
        0.05,
        gt=0,
        lt=MOST_LENGTH,
        description="of the EMA that becomes the model, as a share of the training",
    )
    snapshots: int = Field(
        0,
        ge=0,
        le=1000,
        description="times that EMAs are kept, so that another length can be chosen afterwards",
    )
    precision: Precision = Field(
        "auto",
        description="auto (bfloat16 on GPUs that have it and on CPUs where it measures faster), "
        "bfloat16 or float32",
    )
    preview_every: int = Field(
        1000, ge=1, description="steps between pictures, of autoencoder and denoiser"
    )
    checkpoint_every: int = Field(500, ge=1, description="steps between checkpoints")
    compile: Literal["none", "default", "reduce-overhead"] = Field(
        "none",
        description="mode of torch.compile: a minute or more at the start, then perhaps faster "
        "steps; reduce-overhead: as CUDA graphs",
    )
    seed: int = Field(0, ge=0)

    @property
    def ema_lengths(self) -> list[float]:
        """Return the lengths of the EMAs that are kept; the first one becomes the model."""
        own = self.ema_length
        if not self.snapshots:
            return [own]
        return [own, *(length for length in SNAPSHOT_LENGTHS if length != own)]

    @property
    def snapshot_steps(self) -> set[int]:
        """Return the numbers of steps after which snapshots are kept."""
        return {round(self.steps * i / self.snapshots) for i in range(1, self.snapshots + 1)}

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        rise = (step + 1) / (self.warmup_steps + 1)
        fall = (self.steps - step) / max(1, self.steps - self.warmup_steps)
        return self.learning_rate * min(1.0, rise, fall)


Stage = TypeVar("Stage", bound=BaseModel)


def with_training(stage: Stage, **changes: Any) -> Stage:
    """Return a stage's config with some settings of its `training` changed."""
    training = stage.training  # type: ignore[attr-defined]  # every stage has one
    return stage.model_copy(update={"training": training.model_copy(update=changes)})
