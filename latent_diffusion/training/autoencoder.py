"""Stage one: trains the autoencoder and measures the normalisation of its latents."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

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
)
from autoencoder.perceptual import PerceptualDistance, lpips_distance
from latent_diffusion.classifier import ClassifierConfig
from latent_diffusion.data.reference import DataFacts
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import autocast, place
from latent_diffusion.run import Part, Run, load_tensors, load_weights
from latent_diffusion.training.adversary import AdversaryStage, sharpen
from latent_diffusion.training.classifier import ClassifierStage, load_classifier, train_network
from latent_diffusion.training.distributed import World
from latent_diffusion.training.latents import encoding
from latent_diffusion.training.loop import Task, TrainingConfig, save_model, train
from latent_diffusion.training.randomness import StepRandom, stream_seed
from latent_diffusion.training.stage import (
    Images,
    Start,
    begin,
    changes,
    commit,
    first_images,
    flipped,
    initialise_from,
    spread,
)

NORMALISED_ON = 10_000  # train images, at most
NOT_FOR_RESULTS = {
    "training": {"precision", "preview_every", "checkpoint_every"}
}  # settings that a trained network may be kept with
NOT_FOR_SHARPENING = {
    "training": True,
    "perceptual_classifier": True,
    "lpips_backbone": True,
    "adversary": NOT_FOR_RESULTS,
}


class AutoencoderStage(BaseModel):
    """Everything about stage one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: AutoencoderConfig = AutoencoderConfig()
    loss: AutoencoderLossConfig = AutoencoderLossConfig()
    perceptual: Literal["none", "classifier", "lpips"] = Field(
        "none",
        description="none; classifier: a small one trained here first, never the judge; lpips: needs VGG weights",
    )
    perceptual_classifier: ClassifierStage = ClassifierStage(
        model=ClassifierConfig(widths=(32, 64, 128)),
        training=TrainingConfig(steps=600, batch_size=64, learning_rate=3e-3, seed=1),
    )
    lpips_backbone: Path | None = Field(
        None, description="file of torchvision's vgg16 weights; else the torch cache"
    )
    training: TrainingConfig = TrainingConfig()
    adversarial: bool = Field(
        False, description="whether the decoder then goes on against a PatchGAN, for sharpness"
    )
    adversary: AdversaryStage = AdversaryStage()


class AutoencoderObjective(nn.Module):
    def __init__(self, model: Autoencoder, loss: AutoencoderLoss | AdversarialLoss, flip: bool):
        super().__init__()
        self.model, self.loss, self.flip = model, loss, flip

    def forward(
        self, batch: tuple[Tensor, Tensor], random: StepRandom
    ) -> tuple[Tensor, dict[str, Tensor]]:
        images, _ = batch
        if self.flip:
            images = flipped(images, random.uniform(len(images)))
        return self.loss(self.model, images, random.normal_like, random.uniform_like)


def train_autoencoder(
    run: Run,
    data: Dataset,
    stage: AutoencoderStage,
    world: World,
    start: Start = Start(),
    preview: Callable[[Autoencoder, int], Path | None] | None = None,
) -> None:
    part = run.autoencoder
    stage = begin(part, stage, data, start, world)
    former = load_tensors(part.model_path)[0] if start.resume and part.trained else {}
    perceptual = perceptual_distance(run, data, stage, world, start)
    task = autoencoder_task(data, stage, world.device, perceptual)
    if start.init:
        initialise_from(start.init, part, task.model, data.info.class_names, world)
    commit(run, part, stage, data, start, world)
    if not start.resume and world.first:
        shutil.rmtree(run.adversary.folder, ignore_errors=True)
    train(task, stage.training, part, world, start.resume, preview, start.tensorboard)
    normalise(task.model, Images(data, data.train, world.device), stage.training, former)
    if stage.adversarial:
        loss, settings = (
            AutoencoderLoss(stage.loss, perceptual),
            stage.model_dump_json(exclude=NOT_FOR_SHARPENING),
        )
        sharpen(
            run,
            data,
            task.model,
            lambda discriminator: AutoencoderObjective(
                task.model,
                AdversarialLoss(loss, discriminator, stage.adversary.weight),
                data.info.flip,
            ),
            stage.adversary,
            settings,
            world,
            start,
        )
        if preview and world.first:
            preview(task.model, stage.training.steps)  # in place of the picture of before
    save_model(part, task.model, world)


def autoencoder_task(
    data: Dataset,
    stage: AutoencoderStage,
    device: torch.device,
    perceptual: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Task:
    torch.manual_seed(stream_seed(stage.training.seed))
    model = Autoencoder(stage.model, data.info.image_size)
    model.initialise(first_images(data))
    images = Images(data, data.train, device)
    objective = place(
        AutoencoderObjective(model, AutoencoderLoss(stage.loss, perceptual), data.info.flip), device
    )
    return Task(model, objective, len(images), images)


def perceptual_distance(
    run: Run, data: Dataset, stage: AutoencoderStage, world: World, start: Start
) -> Callable[[Tensor, Tensor], Tensor] | None:
    if stage.perceptual == "none":
        return None
    if stage.perceptual == "lpips":
        lpips = lpips_distance(backbone=stage.lpips_backbone).to(world.device)
        return Mean(lpips)
    if data.num_classes < 2:
        raise ValueError(
            'perceptual = "classifier" needs a data set with at least two classes: use "none" or "lpips"'
        )
    part = run.perceptual
    if start.resume and part.trained:
        before = ClassifierStage.model_validate(part.read_config()[part.name])
        if found := changes(
            *(
                one.model_dump(exclude=NOT_FOR_RESULTS)
                for one in (before, stage.perceptual_classifier)
            )
        ):
            raise ValueError(
                f"--resume cannot change the perceptual classifier, which is trained: {found[0]}"
            )
    else:
        train_network(
            run,
            part,
            data,
            stage.perceptual_classifier,
            world,
            replace(start, overwrite=True, init=None),
        )
    network = load_classifier(part, world.device).requires_grad_(False)
    return PerceptualDistance(network.feature_maps)


class Mean(nn.Module):
    """A distance per image as one number."""

    def __init__(self, distance: nn.Module):
        super().__init__()
        self.distance = distance

    def forward(self, images: Tensor, reconstructions: Tensor) -> Tensor:
        return self.distance(images, reconstructions).mean()


@torch.inference_mode()
def normalise(
    model: Autoencoder, images: Images, config: TrainingConfig, former: Mapping[str, Tensor] = {}
) -> None:
    """Measure mean and deviation of every latent channel on the train split, and store them in the weights.

    `former`: the tensors of an earlier save. Where it encodes alike its normalisation is taken, to the last bit.
    """
    if former and all(
        torch.equal(tensor.cpu(), former[name])
        for name, tensor in encoding(model.state_dict()).items()
        if name not in ("shift", "scale")
    ):
        return model.normalise(former["shift"], former["scale"])
    total = square = 0.0
    places = spread(len(images), NORMALISED_ON)
    for chunk in np.array_split(places, -(-len(places) // config.batch_size)):
        with autocast(images.device, config.precision):
            posterior = model.encode(images(chunk)[0])
        mean, variance = posterior.mean.cpu().double(), posterior.log_variance.exp().cpu().double()
        total = total + mean.mean(dim=(2, 3)).sum(dim=0)
        square = square + (mean.square() + variance).mean(dim=(2, 3)).sum(dim=0)
    shift = total / len(places)
    scale = (square / len(places) - shift.square()).clamp(min=1e-8).sqrt()
    model.normalise(shift, scale)


def load_autoencoder(run: Run, device: torch.device) -> Autoencoder:
    """The trained autoencoder of a run, ready to use; ValueError if there is none or its files do not fit."""
    part: Part = run.autoencoder.require()
    model = Autoencoder(
        AutoencoderStage.model_validate(part.read_config()["autoencoder"]).model, image_size(run)
    )
    load_weights(model, load_tensors(part.model_path)[0], part.model_path)
    return place(model, device).eval().requires_grad_(False)


def image_size(run: Run) -> int:
    """Side of the images of a run's trained autoencoder."""
    return DataFacts.model_validate(run.autoencoder.require().read_config()["data"]).image_size
