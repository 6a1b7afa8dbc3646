"""How a judge is made: trained, its statistics of the train split stored, its accuracy measured.

`ldm train-classifier`, the demo and the GPU run call it; scoring needs none of it.
"""

import numpy as np

from latent_diffusion.data.store import Dataset
from latent_diffusion.distributed import World, shared_work
from latent_diffusion.evaluation.features import Spatial, look
from latent_diffusion.evaluation.judge import SPATIAL_FILE, Judge
from latent_diffusion.evaluation.references import reference_statistics
from latent_diffusion.evaluation.sources import ImageSource, of_dataset
from latent_diffusion.progress import say
from latent_diffusion.run import Run
from latent_diffusion.subsets import some
from latent_diffusion.training.classifier import ClassifierStage, train_classifier
from latent_diffusion.training.stage import FRESH, Start

RECORDED = "judge"  # in scores.json
MOST_SPATIAL = 10_000  # images whose middle layer is kept as statistics


def make_judge(
    run: Run, data: Dataset, stage: ClassifierStage, world: World, start: Start = FRESH
) -> None:
    """Train the judge of a run, and store its statistics of the train split.

    Its accuracy on the held-out images is said, and recorded in scores.json.
    """
    train_classifier(run, data, stage, world, start)
    judge, names, accuracy = Judge.load(run, world.device), data.info.class_names, None
    with shared_work(world):
        found = reference_statistics(judge, of_dataset(data, data.train), names)
        some_images = of_dataset(data, data.train[some(len(data.train), MOST_SPATIAL)])
        spatial = reference_statistics(Spatial(judge), some_images, names)
        if len(data.test) and judge.scheme == "classes":
            accuracy = accuracy_on(judge, of_dataset(data, data.test), data.labels[data.test])
    if not world.first:
        return
    found.save(run.reference / "judge.npz")
    spatial.save(run.reference / SPATIAL_FILE)
    if accuracy is not None:
        run.add_scores(RECORDED, {"test_accuracy": accuracy})
        say(f"judge: test accuracy {accuracy:.3f}")


def accuracy_on(judge: Judge, held_out: ImageSource, labels: np.ndarray) -> float:
    """Return the share of held-out images whose label (N,) a judge of classes says."""
    seen = look(judge, held_out.batches(), held_out.count, title="judge sees held-out images")
    assert seen.probabilities is not None
    return float((seen.probabilities.argmax(axis=1) == labels).mean())
