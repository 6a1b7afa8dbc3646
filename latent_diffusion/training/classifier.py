"""Trains a classifier on the data set: the judge, and another behind the perceptual term."""

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from latent_diffusion.classifier import Classifier, ClassifierConfig
from latent_diffusion.data.rows import ImageRows, first_images, flipped
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import place
from latent_diffusion.distributed import World
from latent_diffusion.run import Run
from latent_diffusion.training.config import TrainingConfig
from latent_diffusion.training.loop import Task
from latent_diffusion.training.outlines import outline_groups
from latent_diffusion.training.randomness import StepRandom, stream_seed
from latent_diffusion.training.stage import FRESH, Job, Stage, Start


class ClassifierStage(BaseModel):
    """Everything about the judge."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: ClassifierConfig = ClassifierConfig()
    labels: Literal["auto", "classes", "outlines"] = Field(
        "auto",
        description="what it learns to tell: the data's classes, or groups of images with alike "
        "outlines; auto takes classes where there are two",
    )
    training: TrainingConfig = TrainingConfig(
        steps=2500, batch_size=64, learning_rate=3e-3, weight_decay=0.05
    )


# A small one that never judges, behind stage one's perceptual term and stage two's alignment.
PERCEPTUAL = ClassifierStage(
    model=ClassifierConfig(widths=(32, 64, 128)),
    training=TrainingConfig(steps=600, batch_size=64, learning_rate=3e-3, seed=1),
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
        accuracy = (logits.argmax(dim=1) == labels).float().mean()
        return F.cross_entropy(logits, labels), {"accuracy": accuracy}


def shifted(images: Tensor, uniform: Tensor) -> Tensor:
    """Return images (N, C, H, W), each moved by up to a sixteenth of its size, edges repeated.

    `uniform` (2, N) in [0, 1) says how far, down and across.
    """
    n, _, height, width = images.shape
    device, most = images.device, height // 16
    moves = (uniform * (2 * most + 1)).long()  # (2, N) in 0 .. 2 * most
    padded = F.pad(images, (most,) * 4, mode="replicate").permute(0, 2, 3, 1)
    rows = moves[0][:, None] + torch.arange(height, device=device)  # (N, H)
    columns = moves[1][:, None] + torch.arange(width, device=device)  # (N, W)
    which = torch.arange(n, device=device)[:, None, None]
    return padded[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


class ClassifierTraining(Stage[ClassifierStage]):
    """The training of a classifier."""

    def task(self) -> Task:
        return classifier_task(self.job.data, self.config, self.job.world.device)

    def facts(self) -> dict[str, str]:
        return {"scheme": scheme_of(self.config, self.job.data)}


def train_classifier(
    run: Run, data: Dataset, stage: ClassifierStage, world: World, start: Start = FRESH
) -> None:
    """Train the judge of a run; ValueError for data that cannot be told apart as it should."""
    ClassifierTraining(Job(run, data, world, start), run.classifier, stage).train()


def scheme_of(stage: ClassifierStage, data: Dataset) -> str:
    """Return what a classifier learns to tell: "classes" or "outlines".

    Raise ValueError for classes where the data has one.
    """
    if stage.labels == "classes" and data.num_classes < 2:
        raise ValueError(
            f"{data.folder} has one class ({data.info.class_names[0]}), and classes to tell are at "
            'least two: use classifier.labels = "outlines", or "auto"'
        )
    if stage.labels == "auto":
        return "classes" if data.num_classes > 1 else "outlines"
    return stage.labels


def classifier_task(data: Dataset, stage: ClassifierStage, device: torch.device) -> Task:
    """Return a new classifier and how it learns the train split."""
    by_classes = scheme_of(stage, data) == "classes"
    labels = data.labels if by_classes else outline_groups(data)
    torch.manual_seed(stream_seed(stage.training.seed))
    model = Classifier(stage.model, data.num_classes if by_classes else int(labels.max()) + 1)
    model.initialise(first_images(data))
    images = ImageRows(data, data.train, device, labels)
    # A mirrored image has other outlines, and may be of another group.
    objective = place(ClassifierObjective(model, data.info.flip and by_classes), device)
    return Task(model, objective, len(images), images)
