"""What the charts of the pages show, besides the sweep: training curves, loss by noise level."""

from collections.abc import Mapping, Sequence

import numpy as np

from latent_diffusion.inspection.plots import Curve, Panel
from latent_diffusion.report.gather import Training
from latent_diffusion.studies.latent_cost import LatentCost
from latent_diffusion.studies.noise_loss import NoiseLoss
from latent_diffusion.training.health import HELD_OUT, LINEAR, TRAINING, looks

LOGGED = {  # of each training: the keys of its log that have curves, and what their axes are called
    "autoencoder": {"loss": "loss", "psnr": "PSNR, dB"},
    "perceptual": {"loss": "loss", "accuracy": "accuracy"},
    "adversary": {"psnr": "PSNR, dB", "discriminator": "loss of the discriminator"},
    "classifier": {"loss": "loss", "accuracy": "accuracy"},
    "diffusion": {"loss": "loss"},
    "student": {
        "loss": "loss",
        "difference_4": "squared difference of latents after 4 steps from its teacher's",
        "difference_1": "squared difference of latents after 1 step from its teacher's",
    },
}
MOST_POINTS = 200  # of a curve; more are averaged


def training_panels(name: str, trainings: Mapping[str, Training]) -> list[Panel]:
    """Return the curves of one training, one a run (by name) that has it.

    Figures are of training batches, not of held-out images.
    """
    caption = next(iter(trainings.values())).caption
    panels = []
    for key, label in LOGGED[name].items():
        curves = []
        for run, training in trainings.items():
            points = [(line["step"], line[key]) for line in training.log if key in line]
            curves.append(Curve(run, *thinned(points)))
        if any(len(curve.x) for curve in curves):
            panels.append(Panel(f"{caption}: {label}", "step", label, curves))
    return panels


def health_panel(training: Training) -> Panel | None:
    """Return a denoiser's losses at fixed noise levels over that of the best linear denoiser.

    None in a run that did not record them.
    """
    found = looks(training.log)
    if not found:
        return None
    steps = [look["step"] for look in found]
    curves = [
        Curve(name, steps, [look[key] / look[LINEAR] for look in found])
        for name, key in (("held-out pictures", HELD_OUT), ("training pictures", TRAINING))
    ]
    what = "loss over that of the best linear denoiser"
    return Panel("denoiser: health", "step", what, curves, {"best linear denoiser": 1.0})


def thinned(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Return x and y of at most MOST_POINTS points, each the mean of its neighbours."""
    if not points:
        return [], []
    parts = np.array_split(np.asarray(points, np.float64), min(len(points), MOST_POINTS))
    x, y = np.stack([part.mean(axis=0) for part in parts]).T.tolist()
    return x, y


def noise_panel(loss: NoiseLoss) -> Panel:
    """Return the loss over noise levels, with the class and without."""
    curves = [
        Curve("with the class", loss.sigmas, loss.conditional),
        Curve("without it", loss.sigmas, loss.unconditional),
    ]
    return Panel("loss by noise level", "noise level (sigma)", "velocity loss", curves, log_x=True)


def cost_panels(cost: LatentCost) -> list[Panel]:
    """Return the spectrum of latents, and how well pictures are told that are redrawn from a level.

    The bars of the second are 95% intervals.
    """
    components = list(range(1, len(cost.deviations) + 1))
    sigmas = [level.sigma for level in cost.levels]
    error = [(level.high - level.low) / 2 for level in cost.levels]
    return [
        Panel(
            "spectrum of latents",
            "principal component",
            "deviation",
            [Curve("latents", components, cost.deviations)],
            log_x=True,
            log_y=True,
        ),
        Panel(
            "redrawn from a noise level down",
            "sigma",
            "AUC of the detector",
            [Curve("held-out pictures", sigmas, [level.auc for level in cost.levels], error)],
            {"cannot be told": 0.5},
            log_x=True,
        ),
    ]
