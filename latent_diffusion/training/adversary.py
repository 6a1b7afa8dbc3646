"""The end of stage one, where asked for: the decoder goes on against a PatchGAN, and the encoder stays as it is."""

import hashlib
from dataclasses import replace

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from autoencoder import AdversarialLoss, Autoencoder, AutoencoderLoss, Discriminator
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import place
from latent_diffusion.run import Run
from latent_diffusion.training.distributed import World
from latent_diffusion.training.loop import Task, TrainingConfig, train
from latent_diffusion.training.randomness import StepRandom, stream_seed
from latent_diffusion.training.stage import Images, Start, begin, commit, flipped


class DiscriminatorConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    widths: tuple[int, int, int] = Field((32, 64, 128), description="channels at half the size, a quarter, and there again")


class AdversaryStage(BaseModel):
    """How a decoder goes on against a discriminator."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: DiscriminatorConfig = DiscriminatorConfig()
    weight: float = Field(0.01, gt=0, description="of how unreal it finds reconstructions, beside the autoencoder's own loss")
    training: TrainingConfig = TrainingConfig(steps=800, batch_size=16, learning_rate=5e-4, optimizer="adamw", weight_decay=0.0)


class Contest(nn.Module):
    """What is trained: the parts of an autoencoder that decode, and the discriminator."""

    def __init__(self, autoencoder: Autoencoder, discriminator: Discriminator):
        super().__init__()
        self.decoder, self.to_patches, self.discriminator = autoencoder.decoder, autoencoder.to_patches, discriminator


class ContestObjective(nn.Module):
    def __init__(self, model: Contest, autoencoder: Autoencoder, loss: AdversarialLoss, flip: bool):
        super().__init__()
        self.model, self.autoencoder, self.loss, self.flip = model, autoencoder, loss, flip

    def forward(self, batch: tuple[Tensor, Tensor], random: StepRandom) -> tuple[Tensor, dict[str, Tensor]]:
        images, _ = batch
        if self.flip:
            images = flipped(images, random.uniform(len(images)))
        return self.loss(self.autoencoder, images, random.normal_like, random.uniform_like)


def sharpen(run: Run, data: Dataset, autoencoder: Autoencoder, loss: AutoencoderLoss, stage: AdversaryStage, world: World, start: Start) -> None:
    """Train the decoder of a trained, normalised autoencoder in place. It begins anew where the autoencoder has changed since."""
    part, before = run.adversary, fingerprint(autoencoder)
    going_on = start.resume and part.config_path.is_file() and part.read_config().get("autoencoder_fingerprint") == before
    start = replace(start, resume=going_on, overwrite=not going_on, init=None)
    stage = begin(part, stage, data, start, world)
    torch.manual_seed(stream_seed(stage.training.seed))
    model = place(Contest(autoencoder, Discriminator(stage.model.widths)), world.device)
    images = Images(data, data.train, world.device)
    for parameter in (*autoencoder.encoder.parameters(), *autoencoder.to_latents.parameters()):
        parameter.requires_grad_(False)
    objective = place(ContestObjective(model, autoencoder, AdversarialLoss(loss, model.discriminator, stage.weight), data.info.flip), world.device)
    commit(run, part, stage, data, start, world, autoencoder_fingerprint=before)
    train(Task(model, objective, len(images), images), stage.training, part, world, start.resume, tensorboard=start.tensorboard)


def fingerprint(autoencoder: Autoencoder) -> str:
    """Of its trained weights; shift and scale are measured again whenever a training is resumed."""
    digest = hashlib.sha256()
    for parameter in autoencoder.parameters():
        digest.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
