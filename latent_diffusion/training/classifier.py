"""Trains a classifier on the data set: the judge, and the separate one behind perceptual = "classifier"."""

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional as F

from latent_diffusion.classifier import Classifier, ClassifierConfig
from latent_diffusion.data.reference import DataFacts
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import place
from latent_diffusion.run import Part, Run, load_tensors, load_weights
from latent_diffusion.training.distributed import World
from latent_diffusion.training.loop import Task, TrainingConfig, save_model, train
from latent_diffusion.training.randomness import StepRandom, stream_seed
from latent_diffusion.training.stage import (
    Images,
    Start,
    begin,
    commit,
    first_images,
    flipped,
    initialise_from,
)


class ClassifierStage(BaseModel):
    """Everything about the judge."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: ClassifierConfig = ClassifierConfig()
    training: TrainingConfig = TrainingConfig(
        steps=2500, batch_size=64, learning_rate=3e-3, weight_decay=0.05
    )


class ClassifierObjective(nn.Module):
    """Cross entropy on flipped and shifted images."""

    def __init__(self, model: Classifier, flip: bool):
        super().__init__()
        self.model, self.flip = model, flip

    def forward(
        self, batch: tuple[Tensor, Tensor], random: StepRandom
    ) -> tuple[Tensor, dict[str, Tensor]]:
        images, labels = batch
        if self.flip:
            images = flipped(images, random.uniform(len(images)))
        logits = self.model(shifted(images, random.uniform(2, len(images))))
        return F.cross_entropy(logits, labels), {
            "accuracy": (logits.argmax(dim=1) == labels).float().mean()
        }


def shifted(images: Tensor, uniform: Tensor) -> Tensor:
    """Each image moved by up to a sixteenth of its size, edges repeated; `uniform` (2, N) in [0, 1)."""
    n, _, height, width = images.shape
    most = height // 16
    moves = (uniform * (2 * most + 1)).long()  # (2, N) in 0 .. 2 * most
    padded = F.pad(images, (most,) * 4, mode="replicate")
    rows = moves[0][:, None] + torch.arange(height, device=images.device)  # (N, H)
    columns = moves[1][:, None] + torch.arange(width, device=images.device)
    first = torch.arange(n, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[first, rows[:, :, None], columns[:, None, :]].permute(
        0, 3, 1, 2
    )


def train_classifier(
    run: Run, data: Dataset, stage: ClassifierStage, world: World, start: Start = Start()
) -> None:
    """The judge of a run. ValueError for a data set of a single class."""
    if data.num_classes < 2:
        raise ValueError(
            f"{data.folder} has one class ({data.info.class_names[0]}), and a judge needs at least two"
        )
    train_network(run, run.classifier, data, stage, world, start)


def classifier_task(data: Dataset, stage: ClassifierStage, device: torch.device) -> Task:
    torch.manual_seed(stream_seed(stage.training.seed))
    model = Classifier(stage.model, data.num_classes)
    model.initialise(first_images(data))
    images = Images(data, data.train, device)
    return Task(
        model, place(ClassifierObjective(model, data.info.flip), device), len(images), images
    )


def train_network(
    run: Run, part: Part, data: Dataset, stage: ClassifierStage, world: World, start: Start
) -> None:
    stage = begin(part, stage, data, start, world)
    task = classifier_task(data, stage, world.device)
    if start.init:
        initialise_from(start.init, part, task.model, data.info.class_names, world)
    commit(run, part, stage, data, start, world)
    train(task, stage.training, part, world, start.resume, tensorboard=start.tensorboard)
    save_model(part, task.model, world)


def load_classifier(part: Part, device: torch.device) -> Classifier:
    """A trained classifier, ready to use; ValueError if there is none or its files do not fit."""
    config = part.require().read_config()
    model = Classifier(
        ClassifierStage.model_validate(config[part.name]).model,
        DataFacts.model_validate(config["data"]).num_classes,
    )
    load_weights(model, load_tensors(part.model_path)[0], part.model_path)
    return place(model, device).eval().requires_grad_(False)
