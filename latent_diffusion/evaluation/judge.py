"""The judge: the classifier trained on the data set, which scores samples.

judge_training.py makes it; everything that scores loads it.
"""

import numpy as np
import torch

from latent_diffusion.classifier import Classifier
from latent_diffusion.data.reference import Reference
from latent_diffusion.device import autocast
from latent_diffusion.evaluation.references import ReferenceStatistics
from latent_diffusion.images import from_uint8
from latent_diffusion.loading import load_classifier
from latent_diffusion.run import Run


class Judge:
    """A classifier ready to look at images: a FeatureNetwork with class probabilities."""

    name = "judge"

    def __init__(self, network: Classifier, identity: str, device: torch.device, precision: str):
        self.network = network
        self.identity = identity
        self.device = device
        self.precision = precision

    @torch.inference_mode()
    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return features (N, D), float32, and probabilities (N, K), float64, of images."""
        with autocast(self.device, self.precision):
            features = self.network.features(from_uint8(images, self.device))
        logits = self.network.head(features.float())
        return features.cpu().float().numpy(), logits.cpu().double().softmax(dim=1).numpy()

    @classmethod
    def load(cls, run: Run, device: torch.device) -> "Judge":
        """Return the judge of a run; raise ValueError where none is trained."""
        part = run.classifier.require()
        precision = part.read_config()["classifier"]["training"]["precision"]
        return cls(load_classifier(part, device), part.checksum(), device, precision)


def judge_statistics(run: Run, judge: Judge) -> ReferenceStatistics:
    """Return the statistics of a run's judge over its train split.

    Raises ValueError with the remedy where they belong to another judge or are not there.
    """
    if run.classifier.read_config()["data"]["checksum"] != Reference.open(run).facts.checksum:
        raise ValueError(
            f"the judge of {run.folder} was trained on other data than the rest: "
            "run ldm train-classifier --overwrite"
        )
    path = run.reference / "judge.npz"
    option = "resume" if run.classifier.checkpoint_path.is_file() else "overwrite"
    remedy = f"run ldm train-classifier --{option}"
    try:
        found = ReferenceStatistics.load(path).require(judge, path)
    except ValueError as error:
        raise ValueError(f"{error}: {remedy}") from None
    if found.identity != judge.identity:
        raise ValueError(f"{path} was written by an older version: {remedy}")
    return found
