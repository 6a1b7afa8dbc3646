"""The end of stage one, where asked for: the decoder goes on against a PatchGAN, and the encoder stays as it is."""

import hashlib
from collections.abc import Callable
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import nn

from autoencoder import Autoencoder, Discriminator
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import place
from latent_diffusion.run import Run
from latent_diffusion.training.distributed import World
from latent_diffusion.training.loop import Task, TrainingConfig, train
from latent_diffusion.training.randomness import stream_seed
from latent_diffusion.training.stage import Images, Start, begin, commit

Width = Annotated[int, Field(ge=1)]


class DiscriminatorConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    widths: tuple[Width, Width, Width] = Field(
        (32, 64, 128), description="channels at half the size, at a quarter, and there again"
    )


class AdversaryStage(BaseModel):
    """How a decoder goes on against a discriminator; both learn at one rate."""

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
    def _training(self):
        if self.training.snapshots or self.training.compile != "none":
            raise ValueError(
                "training.snapshots and training.compile are not for this short training: leave them out"
            )
        return self


class Contest(nn.Module):
    """What is trained: the parts of an autoencoder that decode, and the discriminator."""

    def __init__(self, autoencoder: Autoencoder, discriminator: Discriminator):
        super().__init__()
        self.decoder, self.to_patches, self.discriminator = (
            autoencoder.decoder,
            autoencoder.to_patches,
            discriminator,
        )


def sharpen(
    run: Run,
    data: Dataset,
    autoencoder: Autoencoder,
    objective: Callable[[Discriminator], nn.Module],
    stage: AdversaryStage,
    settings: str,
    world: World,
    start: Start,
) -> None:
    """Train the decoder of a trained autoencoder in place, by the `objective` of it and a discriminator.

    It resumes, or finds itself done, where the autoencoder's weights and the `settings` that bear on it are those it
    began with, and else begins anew.
    """
    part, begun_with = run.adversary, fingerprint(autoencoder, settings)
    resume = (
        start.resume
        and part.config_path.is_file()
        and part.read_config().get("begun_with") == begun_with
    )
    start = Start(resume=resume, overwrite=True, tensorboard=start.tensorboard)
    stage = begin(part, stage, data, start, world)
    torch.manual_seed(stream_seed(stage.training.seed))
    model = Contest(autoencoder, Discriminator(stage.model.widths))
    for parameter in (*autoencoder.encoder.parameters(), *autoencoder.to_latents.parameters()):
        parameter.requires_grad_(False)
    images = Images(data, data.train, world.device)
    task = Task(model, place(objective(model.discriminator), world.device), len(images), images)
    commit(run, part, stage, data, start, world, begun_with=begun_with)
    train(task, stage.training, part, world, start.resume, tensorboard=start.tensorboard)


def fingerprint(autoencoder: Autoencoder, settings: str) -> str:
    digest = hashlib.sha256(settings.encode())
    for parameter in autoencoder.parameters():
        digest.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
