"""The end of stage one, where asked for: the decoder goes on against a PatchGAN.

The encoder, and so the latents, stay as they are. Called by autoencoder.py.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import nn

from autoencoder import Autoencoder, Discriminator
from latent_diffusion.data.rows import ImageRows
from latent_diffusion.device import place
from latent_diffusion.training.config import TrainingConfig
from latent_diffusion.training.loop import Task
from latent_diffusion.training.randomness import stream_seed
from latent_diffusion.training.stage import Job, Stage

Width = Annotated[int, Field(ge=1)]
Objective = Callable[[Discriminator], nn.Module]


class DiscriminatorConfig(BaseModel):
    """Shape of the discriminator."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    widths: tuple[Width, Width, Width] = Field(
        (32, 64, 128), description="channels at half the size, at a quarter, and there again"
    )


class AdversaryStage(BaseModel):
    """How a decoder goes on against a discriminator; both learn at one learning rate."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: DiscriminatorConfig = DiscriminatorConfig()
    weight: float = Field(
        0.01,
        gt=0,
        allow_inf_nan=False,
        description="of the generator's loss, beside the autoencoder's own",
    )
    training: TrainingConfig = TrainingConfig(
        steps=800, batch_size=16, learning_rate=5e-4, optimizer="adamw", weight_decay=0.0
    )

    @model_validator(mode="after")
    def _training(self) -> "AdversaryStage":
        if self.training.snapshots or self.training.compile != "none":
            raise ValueError(
                "training.snapshots and training.compile are not for this short training: leave "
                "them out"
            )
        return self


class Contest(nn.Module):
    """What is trained: the parts of an autoencoder that decode, and the discriminator."""

    def __init__(self, autoencoder: Autoencoder, discriminator: Discriminator):
        super().__init__()
        self.decoder, self.to_patches = autoencoder.decoder, autoencoder.to_patches
        self.discriminator = discriminator


class Sharpening(Stage[AdversaryStage]):
    """The training of the decoder and a discriminator; the autoencoder is changed in place.

    `objective(discriminator)` is the loss of both, a module. It resumes, or finds itself done,
    where the autoencoder's weights and the `settings` that bear on it are those it began with, and
    else begins anew.
    """

    def __init__(
        self,
        job: Job,
        config: AdversaryStage,
        autoencoder: Autoencoder,
        objective: Objective,
        settings: str,
    ):
        part = job.run.adversary
        self.autoencoder, self.objective = autoencoder, objective
        self.begun_with = job.world.agree(fingerprint(autoencoder, settings))
        known = part.read_config() if part.config_path.is_file() else {}
        resume = job.start.resume and known.get("begun_with") == self.begun_with
        start = replace(job.start, resume=resume, overwrite=True, init=None)
        super().__init__(replace(job, start=start), part, config)

    def task(self) -> Task:
        torch.manual_seed(stream_seed(self.config.training.seed))
        discriminator = Discriminator(self.config.model.widths)
        model = Contest(self.autoencoder, discriminator)
        for module in (self.autoencoder.encoder, self.autoencoder.to_latents):
            module.requires_grad_(False)
        images = ImageRows(self.job.data, self.job.data.train, self.job.world.device)
        objective = place(self.objective(discriminator), self.job.world.device)
        return Task(model, objective, len(images), images)

    def facts(self) -> Mapping[str, Any]:
        return {"begun_with": self.begun_with}

    def save(self, model: nn.Module) -> None:
        """Leave the saving to the autoencoder's own training: the decoder is a part of it."""


def fingerprint(autoencoder: Autoencoder, settings: str) -> str:
    """Return a sha256 of the autoencoder's weights and of settings.

    It is that of runs in whose first format an EMA was called an average, so that they go on.
    """
    digest = hashlib.sha256(settings.replace('"ema_length"', '"average_length"').encode())
    for parameter in autoencoder.parameters():
        digest.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
