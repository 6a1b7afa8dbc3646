"""The judge: the classifier trained on the data set, which scores samples.

It learnt to tell the data's classes, or where there is one, groups of images with alike outlines.

judge_training.py makes it; everything that scores loads it.
"""

import numpy as np
import torch

from latent_diffusion.classifier import Classifier
from latent_diffusion.data.reference import Reference
from latent_diffusion.device import autocast
from latent_diffusion.evaluation.features import FeatureNetwork, Spatial
from latent_diffusion.evaluation.references import ReferenceStatistics
from latent_diffusion.images import from_uint8
from latent_diffusion.loading import load_classifier
from latent_diffusion.run import Run

SPATIAL_FILE = "spatial.npz"  # in RUN/reference/
MIDDLE, SPATIAL = 8, 8  # places a side, and channels, of the layer whose places are compared


class Judge:
    """A classifier ready to look at images: a FeatureNetwork with class probabilities.

    `scheme` is what it learnt to tell: "classes", or "outlines", and then there are none.
    """

    name = "judge"

    def __init__(
        self,
        network: Classifier,
        identity: str,
        device: torch.device,
        precision: str,
        scheme: str = "classes",
    ):
        self.network = network
        self.identity = identity
        self.device = device
        self.precision = precision
        self.scheme = scheme

    def require_classes(self) -> None:
        """Raise ValueError for a judge that did not learn classes, where all scores are needed."""
        if self.scheme != "classes":
            raise ValueError(
                "this study needs a judge of classes, and the data has one class: "
                "ldm study faults does without"
            )

    @torch.inference_mode()
    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return features (N, D), float32, and probabilities (N, K), float64, of images."""
        with autocast(self.device, self.precision):
            features = self.network.features(from_uint8(images, self.device))
        if self.scheme != "classes":
            return features.cpu().float().numpy(), None
        logits = self.network.head(features.float())
        return features.cpu().float().numpy(), logits.cpu().double().softmax(dim=1).numpy()

    @torch.inference_mode()
    def feature_maps(self, images: np.ndarray) -> list[np.ndarray]:
        """Return what each layer sees in images, float32 (N, C, h, w), the finest first."""
        with autocast(self.device, self.precision):
            layers = self.network.feature_maps(from_uint8(images, self.device))
        return [layer.float().cpu().numpy() for layer in layers]

    def spatial(self, images: np.ndarray) -> np.ndarray:
        """Return features (N, D) of a middle layer of images uint8, place by place.

        The first channels of the layer that has MIDDLE places a side, or of the last one.
        """
        layers = self.feature_maps(images)
        middle = next((layer for layer in layers if layer.shape[-1] <= MIDDLE), layers[-1])
        return middle[:, :SPATIAL].reshape(len(middle), -1)

    @classmethod
    def load(cls, run: Run, device: torch.device) -> "Judge":
        """Return the judge of a run; raise ValueError where none is trained."""
        part = run.classifier.require()
        config = part.read_config()
        return cls(
            load_classifier(part, device),
            part.checksum(),
            device,
            config["classifier"]["training"]["precision"],
            config.get("scheme", "classes"),  # what judges from before there were others learnt
        )


def judge_statistics(run: Run, judge: Judge) -> ReferenceStatistics:
    """Return the statistics of a run's judge over its train split.

    Raises ValueError with the remedy where they belong to another judge or are not there.
    """
    if run.classifier.read_config()["data"]["checksum"] != Reference.open(run).facts.checksum:
        raise ValueError(
            f"the judge of {run.folder} was trained on other data than the rest: "
            "run ldm train-classifier --overwrite"
        )
    return stored_statistics(run, judge, "judge.npz")


def spatial_statistics(run: Run, judge: Judge) -> ReferenceStatistics | None:
    """Return the statistics of a judge's middle layer over the train split.

    None in a run of an earlier version, which has none.
    """
    if not (run.reference / SPATIAL_FILE).is_file():
        return None
    return stored_statistics(run, Spatial(judge), SPATIAL_FILE)


def stored_statistics(run: Run, network: FeatureNetwork, name: str) -> ReferenceStatistics:
    """Return what a run keeps of a network's statistics; raise ValueError as above."""
    path = run.reference / name
    option = "resume" if run.classifier.checkpoint_path.is_file() else "overwrite"
    remedy = f"run ldm train-classifier --{option}"
    try:
        found = ReferenceStatistics.load(path).require(network, path)
    except ValueError as error:
        raise ValueError(f"{error}: {remedy}") from None
    if found.identity != network.identity:
        raise ValueError(f"{path} was written by an older version: {remedy}")
    return found
