"""The judge: the classifier trained on the data set, whose features and probabilities score samples."""

import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from latent_diffusion.classifier import Classifier
from latent_diffusion.data.reference import Reference
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import autocast
from latent_diffusion.images import from_uint8
from latent_diffusion.progress import Progress, say
from latent_diffusion.run import Run, write_atomic
from latent_diffusion.training.classifier import ClassifierStage, load_classifier, train_classifier
from latent_diffusion.training.distributed import World
from latent_diffusion.training.stage import Start
from metrics import Statistics, StatisticsAccumulator

BATCH = 256


@dataclass(frozen=True)
class Seen:
    """What the judge saw in some images: statistics of its features, and probabilities (N, K)."""

    statistics: Statistics | None  # of a single image there are none
    probabilities: np.ndarray


class Judge:
    """A classifier ready to look at images."""

    def __init__(self, network: Classifier, device: torch.device, precision: str):
        self.network, self.device, self.precision = network, device, precision

    @torch.inference_mode()
    def look(self, batches: Iterable[np.ndarray]) -> Seen:
        """One pass over uint8 images (N, H, W, 3), in batches; memory does not grow with their number but for the
        probabilities."""
        accumulator, probabilities = StatisticsAccumulator(), []
        for images in batches:
            with autocast(self.device, self.precision):
                features = self.network.features(from_uint8(images, self.device))
            logits = self.network.head(features.float())
            accumulator.update(features.cpu().double().numpy())
            probabilities.append(logits.cpu().double().softmax(dim=1).numpy())
        probabilities = np.concatenate(probabilities)
        return Seen(accumulator.result() if len(probabilities) > 1 else None, probabilities)

    @classmethod
    def load(cls, run: Run, device: torch.device) -> "Judge":
        part = run.classifier.require()
        return cls(load_classifier(part, device), device, part.read_config()["classifier"]["training"]["precision"])


def batches(images: np.ndarray, rows: np.ndarray | None = None) -> Iterable[np.ndarray]:
    count = len(images) if rows is None else len(rows)
    for start in range(0, count, BATCH):
        yield images[start:start + BATCH] if rows is None else images[rows[start:start + BATCH]]


def make_judge(run: Run, data: Dataset, stage: ClassifierStage, world: World, start: Start = Start()) -> None:
    """Train the judge, measure its accuracy on the held-out images, and store its statistics of the train split."""
    train_classifier(run, data, stage, world, start)
    if not world.first:
        return
    judge, scores = Judge.load(run, world.device), {}
    for name, rows in (("train", data.train), ("test", data.test)):
        if len(rows) == 0:
            continue
        with Progress(f"judging {name}", len(rows)) as progress:
            seen = judge.look(counted(batches(data.images, rows), progress))
        scores[f"{name}_accuracy"] = float((seen.probabilities.argmax(axis=1) == data.labels[rows]).mean())
        if name == "train":
            write_statistics(run, seen.statistics)
    run.add_scores("judge", scores)
    say("judge: " + ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in scores.items()))


def counted(images: Iterable[np.ndarray], progress: Progress) -> Iterable[np.ndarray]:
    for batch in images:
        yield batch
        progress.advance(len(batch))


def write_statistics(run: Run, statistics: Statistics) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, mu=statistics.mean, sigma=statistics.covariance, n=statistics.n, judge=run.classifier.checksum())
    write_atomic(run.reference / "judge.npz", buffer.getvalue())


def reference_statistics(run: Run) -> Statistics:
    """Of this run's judge over its train split; ValueError where they belong to another judge or are not there."""
    path = run.reference / "judge.npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            statistics, judge = Statistics(file["mu"], file["sigma"], int(file["n"])), str(file["judge"])
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise ValueError(f"{path} is missing or damaged ({error}): run ldm train-classifier --resume") from None
    if run.classifier.read_config()["data"]["checksum"] != Reference.open(run).facts.checksum:
        raise ValueError(f"the judge of {run.folder} was trained on other data than the rest: run ldm train-classifier --overwrite")
    if judge != run.classifier.checksum():
        raise ValueError(f"{path} belongs to another judge than {run.classifier.model_path}: run ldm train-classifier --resume")
    return statistics

