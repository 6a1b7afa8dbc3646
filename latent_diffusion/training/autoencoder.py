"""Stage one: trains the autoencoder and measures the normalisation of its latents."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from autoencoder import (
    AdversarialLoss,
    Autoencoder,
    AutoencoderConfig,
    AutoencoderLoss,
    AutoencoderLossConfig,
    Discriminator,
    PerceptualDistance,
    lpips_distance,
)
from latent_diffusion.data.rows import ImageRows, first_images, flipped
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import autocast, place
from latent_diffusion.distributed import World
from latent_diffusion.loading import encoding, load_classifier
from latent_diffusion.run import Part, Run
from latent_diffusion.subsets import spread
from latent_diffusion.tensors import Damaged, load_tensors
from latent_diffusion.training.classifier import PERCEPTUAL, ClassifierStage, ClassifierTraining
from latent_diffusion.training.config import TrainingConfig
from latent_diffusion.training.loop import Preview, Task
from latent_diffusion.training.randomness import StepRandom, stream_seed
from latent_diffusion.training.sharpening import AdversaryStage, Sharpening
from latent_diffusion.training.stage import FRESH, Job, Stage, Start, changes
from latent_diffusion.training.timing import as_begun

NORMALISED_ON = 10_000  # train images, at most
# Settings with which a trained network may be kept though they are others.
NOT_FOR_RESULTS: dict[str, Any] = {"training": {"precision", "preview_every", "checkpoint_every"}}
NOT_FOR_SHARPENING: dict[str, Any] = {
    "training": True,
    "perceptual_classifier": True,
    "lpips_backbone": True,
    "adversary": NOT_FOR_RESULTS,
}
PerceptualTerm = Callable[[Tensor, Tensor], Tensor]


class AutoencoderStage(BaseModel):
    """Everything about stage one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: AutoencoderConfig = AutoencoderConfig()
    loss: AutoencoderLossConfig = AutoencoderLossConfig()
    perceptual: Literal["none", "classifier", "lpips"] = Field(
        "none",
        description="none; classifier: a small one trained here first, never the judge; lpips: "
        "needs VGG weights",
    )
    perceptual_classifier: ClassifierStage = PERCEPTUAL
    lpips_backbone: Path | None = Field(
        None, description="file of torchvision's vgg16 weights; else the torch cache"
    )
    training: TrainingConfig = TrainingConfig()
    adversarial: bool = Field(
        False, description="whether the decoder then goes on against a PatchGAN, for sharpness"
    )
    adversary: AdversaryStage = AdversaryStage()


class AutoencoderObjective(nn.Module):
    """The loss of the autoencoder on flipped images."""

    def __init__(self, model: Autoencoder, loss: AutoencoderLoss | AdversarialLoss, flip: bool):
        super().__init__()
        self.model, self.loss, self.flip = model, loss, flip

    def forward(
        self, batch: tuple[Tensor, Tensor], random: StepRandom
    ) -> tuple[Tensor, dict[str, Tensor]]:
        images, _ = batch
        if self.flip:
            images = flipped(images, random.uniform(len(images)))
        drawn = (random.normal_like, random.uniform_like)
        return self.loss(self.model, images, *drawn, random.world.deviation)


class AutoencoderTraining(Stage[AutoencoderStage]):
    """The training of the autoencoder, with what comes before and after it."""

    def task(self) -> Task:
        part, start = self.part, self.job.start
        self.former = former_save(part) if start.resume and part.trained else {}
        self.perceptual = perceptual_term(self.job, self.config)
        return autoencoder_task(self.job.data, self.config, self.job.world.device, self.perceptual)

    def forget(self) -> None:
        super().forget()
        shutil.rmtree(self.job.run.adversary.folder, ignore_errors=True)

    def finish(self, model: nn.Module) -> None:
        assert isinstance(model, Autoencoder)
        data, world = self.job.data, self.job.world
        images = ImageRows(data, data.train, world.device)
        normalise(model, images, self.config.training, self.former)
        if self.config.adversarial:
            self.sharpen(model)
            if self.preview and world.first:
                self.preview(model, self.config.training.steps)  # replaces the one of before

    def sharpen(self, model: Autoencoder) -> None:
        """Let the decoder go on against a discriminator."""
        config = self.config
        loss = AutoencoderLoss(config.loss, self.perceptual)

        def objective(discriminator: Discriminator) -> nn.Module:
            adversarial = AdversarialLoss(loss, discriminator, config.adversary.weight)
            return AutoencoderObjective(model, adversarial, self.job.data.info.flip)

        settings = config.model_dump_json(exclude=NOT_FOR_SHARPENING)
        Sharpening(self.job, config.adversary, model, objective, settings).train()


def train_autoencoder(
    run: Run,
    data: Dataset,
    stage: AutoencoderStage,
    world: World,
    start: Start = FRESH,
    preview: Preview | None = None,
) -> None:
    """Train the autoencoder of a run. `preview(autoencoder, step)` draws a picture on the way."""
    job = Job(run, data, world, start)
    AutoencoderTraining(job, run.autoencoder, stage, preview).train()


def autoencoder_task(
    data: Dataset,
    stage: AutoencoderStage,
    device: torch.device,
    perceptual: PerceptualTerm | None = None,
) -> Task:
    """Return a new autoencoder and how it learns the train split."""
    torch.manual_seed(stream_seed(stage.training.seed))
    model = Autoencoder(stage.model, data.info.image_size)
    model.initialise(first_images(data))
    images = ImageRows(data, data.train, device)
    loss = AutoencoderLoss(stage.loss, perceptual)
    objective = place(AutoencoderObjective(model, loss, data.info.flip), device)
    return Task(model, objective, len(images), images)


def perceptual_term(job: Job, stage: AutoencoderStage) -> PerceptualTerm | None:
    """Return the distance of features that the loss adds, if any; its classifier is trained here.

    Raise ValueError for a classifier that --resume would change.
    """
    device = job.world.device
    if stage.perceptual == "none":
        return None
    if stage.perceptual == "lpips":
        return Mean(lpips_distance(backbone=stage.lpips_backbone).to(device))
    part = job.run.perceptual
    if job.start.resume and part.trained:
        recorded = ClassifierStage.model_validate(part.read_config()[part.name])
        before = recorded.model_dump(exclude=NOT_FOR_RESULTS)
        begun = as_begun(stage.perceptual_classifier, recorded)
        now = begun.model_dump(exclude=NOT_FOR_RESULTS)
        if found := changes(before, now):
            raise ValueError(
                f"--resume cannot change the perceptual classifier, which is trained: {found[0]}"
            )
    else:
        start = replace(job.start, overwrite=True, init=None)
        ClassifierTraining(replace(job, start=start), part, stage.perceptual_classifier).train()
    return PerceptualDistance(load_classifier(part, device).feature_maps)


class Mean(nn.Module):
    """A distance per image as one number."""

    def __init__(self, distance: nn.Module):
        super().__init__()
        self.distance = distance

    def forward(self, images: Tensor, reconstructions: Tensor) -> Tensor:
        return self.distance(images, reconstructions).mean()


def former_save(part: Part) -> dict[str, Tensor]:
    """Return the tensors of an earlier save; none where it is damaged: a checkpoint mends it."""
    try:
        return load_tensors(part.model_path)[0]
    except Damaged:
        return {}


@torch.inference_mode()
def normalise(
    model: Autoencoder, images: ImageRows, config: TrainingConfig, former: Mapping[str, Tensor]
) -> None:
    """Measure mean and deviation of every latent channel on the train split, and store them.

    `former`: the tensors of an earlier save, if any. Where it encodes alike its normalisation is
    taken, to the last bit.
    """
    if former and encodes_alike(model, former):
        model.normalise(former["shift"], former["scale"])
        return
    total = square = torch.zeros(())
    indices = spread(len(images), NORMALISED_ON)
    for chunk in np.array_split(indices, -(-len(indices) // config.batch_size)):
        with autocast(images.device, config.precision):
            posterior = model.encode(images(chunk)[0])
        mean = posterior.mean.cpu().double()
        variance = posterior.log_variance.exp().cpu().double()
        total = total + mean.mean(dim=(2, 3)).sum(dim=0)
        square = square + (mean.square() + variance).mean(dim=(2, 3)).sum(dim=0)
    shift = total / len(indices)
    scale = (square / len(indices) - shift.square()).clamp(min=1e-8).sqrt()
    model.normalise(shift, scale)


def encodes_alike(model: Autoencoder, former: Mapping[str, Tensor]) -> bool:
    """Return whether the encoder has the weights of an earlier save, bit for bit."""
    return all(
        torch.equal(tensor.cpu(), former[name])
        for name, tensor in encoding(model.state_dict()).items()
        if name not in ("shift", "scale")
    )
