"""The judge: the classifier trained on the data set, whose features and probabilities score samples."""

import numpy as np
import torch

from latent_diffusion.classifier import Classifier
from latent_diffusion.data.reference import Reference
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import autocast
from latent_diffusion.evaluation.features import look
from latent_diffusion.evaluation.references import ReferenceStatistics, measure
from latent_diffusion.evaluation.sources import of_dataset
from latent_diffusion.images import from_uint8
from latent_diffusion.loading import load_classifier
from latent_diffusion.progress import say
from latent_diffusion.run import Run
from latent_diffusion.training.classifier import ClassifierStage, train_classifier
from latent_diffusion.training.distributed import World
from latent_diffusion.training.stage import Start


class Judge:
    """A classifier ready to look at images: a FeatureNetwork with class probabilities."""

    name = "judge"

    def __init__(self, network: Classifier, identity: str, device: torch.device, precision: str):
        self.network, self.identity, self.device, self.precision = (
            network,
            identity,
            device,
            precision,
        )

    @torch.inference_mode()
    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with autocast(self.device, self.precision):
            features = self.network.features(from_uint8(images, self.device))
        logits = self.network.head(features.float())
        return features.cpu().float().numpy(), logits.cpu().double().softmax(dim=1).numpy()

    @classmethod
    def load(cls, run: Run, device: torch.device) -> "Judge":
        part = run.classifier.require()
        return cls(
            load_classifier(part, device),
            part.checksum(),
            device,
            part.read_config()["classifier"]["training"]["precision"],
        )


def make_judge(
    run: Run, data: Dataset, stage: ClassifierStage, world: World, start: Start = Start()
) -> None:
    """Train the judge, store its statistics of the train split, and measure its accuracy on the held-out images."""
    train_classifier(run, data, stage, world, start)
    if not world.first:
        return
    judge = Judge.load(run, world.device)
    measure(judge, of_dataset(data, data.train), data.info.class_names).save(
        run.reference / "judge.npz"
    )
    if len(data.test):
        held_out = of_dataset(data, data.test)
        seen = look(judge, held_out.batches(), held_out.count, title="judge sees held-out images")
        accuracy = float((seen.probabilities.argmax(axis=1) == data.labels[data.test]).mean())
        run.add_scores("judge", {"test_accuracy": accuracy})
        say(f"judge: test accuracy {accuracy:.3f}")


def judge_statistics(run: Run, judge: Judge) -> ReferenceStatistics:
    """Of this run's judge over its train split; ValueError where they belong to another judge or are not there."""
    path = run.reference / "judge.npz"
    remedy = f"run ldm train-classifier --{'resume' if run.classifier.checkpoint_path.is_file() else 'overwrite'}"
    if run.classifier.read_config()["data"]["checksum"] != Reference.open(run).facts.checksum:
        raise ValueError(
            f"the judge of {run.folder} was trained on other data than the rest: run ldm train-classifier --overwrite"
        )
    try:
        found = ReferenceStatistics.load(path).require(judge, path)
    except ValueError as error:
        raise ValueError(f"{error}: {remedy}") from None
    if found.identity != judge.identity:
        raise ValueError(f"{path} was written by an older version: {remedy}")
    return found
