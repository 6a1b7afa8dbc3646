"""Detectability as scores: of all samples, by scale and by stage, with what they are worth.

`ldm evaluate`, the demo, sweeps and reports add these to the scores of a judge.
"""

from collections.abc import Callable

import numpy as np

from latent_diffusion.data.reference import Reference
from latent_diffusion.evaluation.detector import (
    FEWEST_DETECTED,
    KNOWN_FAULT,
    MOST_DETECTED,
    SEEN_BY,
    Detection,
    Detector,
    Layered,
    Reals,
    describe,
    tell,
)
from latent_diffusion.evaluation.features import FeatureNetwork
from latent_diffusion.evaluation.scores import Score, Scores
from latent_diffusion.evaluation.sources import ImageSource
from metrics import Detectability

Reconstruct = Callable[[np.ndarray], np.ndarray]  # uint8 images, encoded and decoded


def reporting_detector(network: FeatureNetwork, reference: Reference) -> Detector | None:
    """Return a detector of the held-out images that are for scores, not for choices.

    None for a network whose layers cannot be looked at, as Inception's.
    """
    return detector_of(network, reference.reported())


def choosing_detector(network: FeatureNetwork, reference: Reference) -> Detector | None:
    """Return a detector of the held-out images that are for choices, or None as above."""
    return detector_of(network, reference.for_choices())


def detector_of(network: FeatureNetwork, half: Reference) -> Detector | None:
    """Return a detector of one half of the held-out images."""
    if not isinstance(network, Layered):
        return None
    return Detector(network, *half.held_out(MOST_DETECTED))


def add_detectability(
    scores: Scores,
    detector: Detector,
    images: ImageSource,
    names: list[str],
    reconstruct: Reconstruct | None = None,
) -> Detection | None:
    """Add how well samples are told from real pictures to their scores, and return the detection.

    names: the classes. reconstruct: the autoencoder, for the shares of the two stages. Where there
    are too few pictures to tell, a note says so, and there is no score.
    """
    asked = images.labels(names)
    if asked is None:  # then classes cannot be matched
        detector, asked = detector.without_classes(), np.zeros(images.count, np.int64)
    found = detector.detect(images.read, asked)
    if isinstance(found, Detection) and same_pictures(found, images.read(found.rows)):
        scores.notes.append(
            "no detectability: the samples hold held-out pictures that they would be told from"
        )
        return None
    if not isinstance(found, Detection):
        scores.notes.append(too_few(found, len(detector.labels), images.count))
        return None
    control = found.reals.control
    scores.detected, scores.detector = len(found.rows), SEEN_BY
    scores.scores["detectability"] = as_score(found.found, control)
    for name, one in found.by_scale.items():
        scores.scores[f"detectability_{name}"] = as_score(one)
    if reconstruct:
        reals = found.reals
        decoded = describe(detector.network, reconstruct(reals.images), reals.described.labels)
        of_decoder = tell(reals.described, decoded, paired=True)
        of_denoiser = tell(decoded, found.described)
        scores.scores["detectability_decoder"] = as_score(of_decoder)
        scores.scores["detectability_denoiser"] = as_score(of_denoiser)
    return found


def same_pictures(found: Detection, samples: np.ndarray) -> bool:
    """Return whether a real picture is among the samples, uint8 (N, S, S, 3)."""
    real = {image.tobytes() for image in found.reals.images}
    return any(image.tobytes() in real for image in samples)


def as_score(found: Detectability, control: Detectability | None = None) -> Score:
    """Return an AUC with its interval, beside its control where there is one."""
    score = Score(value=found.auc, low=found.low, high=found.high)
    if control:
        score.real, score.real_range = control.auc, (control.low, control.high)
    return score


def too_few(reals: Reals | None, real: int, samples: int) -> str:
    """Return why nothing can be said, and what would help."""
    if reals is None:
        return (
            f"too few pictures to tell samples from real ones: {samples} samples, and {real} "
            f"held-out images of that half; {FEWEST_DETECTED} of the same classes are needed"
        )
    return (
        f"too few pictures to tell samples from real ones: in {len(reals.images)} of them even a "
        f"plain fault ({KNOWN_FAULT}) is told with an AUC of {reals.known.auc:.2f} only; more "
        "samples, or more held-out images (ldm prepare --holdout), are needed"
    )
