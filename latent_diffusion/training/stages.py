"""The config of a run: all stages and how it samples, nested as each part declares it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from latent_diffusion.config import build, find, read_laid
from latent_diffusion.run import Part
from latent_diffusion.sampling.config import SamplingConfig
from latent_diffusion.training.autoencoder import AutoencoderStage
from latent_diffusion.training.classifier import ClassifierStage
from latent_diffusion.training.diffusion import DiffusionStage
from latent_diffusion.training.student import StudentStage

TRAININGS = (  # tables with a `training` of their own
    "autoencoder",
    "autoencoder.perceptual_classifier",
    "autoencoder.adversary",
    "classifier",
    "diffusion",
    "diffusion.alignment.classifier",
    "student",
)


class Config(BaseModel):
    """Everything that can be set, by stage."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    minutes: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="that all of it takes, scoring included, where ldm train is not given others",
    )
    autoencoder: AutoencoderStage = AutoencoderStage()
    classifier: ClassifierStage = ClassifierStage()
    diffusion: DiffusionStage = DiffusionStage()
    sampling: SamplingConfig = SamplingConfig()
    student: StudentStage = StudentStage()


def load_config(
    path: Path, settings: Sequence[str] = (), precision: str | None = None, *more: Path
) -> Config:
    """Return the config of a TOML file, with `settings` ("a.b=value") and a precision for all.

    more: other files, each laid over those before it. Raise ValueError in one line for what is not
    allowed.
    """
    tree = read_laid([find(one) for one in (path, *more)])
    config = configured(tree, settings, precision, str(path))
    others: dict[str, AutoencoderStage | ClassifierStage] = {
        "autoencoder": config.autoencoder,
        "autoencoder.perceptual_classifier": config.autoencoder.perceptual_classifier,
        "classifier": config.classifier,
    }
    for name, stage in others.items():
        if stage.training.snapshots:
            raise ValueError(
                f"{path}: {name}.training.snapshots: only diffusion.training takes snapshots, from "
                "which its EMA is chosen afterwards"
            )
    return config


def resumed_config(
    part: Part, settings: Sequence[str] = (), precision: str | None = None
) -> Config:
    """Return the config that a part of a run recorded, with `settings` and a precision as well."""
    recorded = part.read_config()
    tree = {name: recorded[name] for name in Config.model_fields if name in recorded}
    if part.name == "student":
        del tree["sampling"]  # of another kind, and its teacher's
    return configured(tree, settings, precision, str(part.config_path))


def configured(
    tree: dict[str, Any], settings: Sequence[str], precision: str | None, source: str
) -> Config:
    """Return the config of a tree of settings, changed by others."""
    more = [f"{stage}.training.precision={precision}" for stage in TRAININGS if precision]
    return build(Config, tree, [*settings, *more], source)
