"""What the charts of the pages show: training curves of one run or several, loss by noise level, the guidance sweep."""

from collections.abc import Sequence

import numpy as np

from latent_diffusion.inspection.plots import Curve, Panel
from latent_diffusion.report.gather import Training
from latent_diffusion.studies.noise_loss import NoiseLoss
from latent_diffusion.studies.sweep import TRIED, Trial

SHOWN = {
    "autoencoder": {"loss": "loss", "psnr": "PSNR, dB"},
    "perceptual": {"loss": "loss", "accuracy": "accuracy"},
    "adversary": {"psnr": "PSNR, dB", "discriminator": "loss of the discriminator"},
    "classifier": {"loss": "loss", "accuracy": "accuracy"},
    "diffusion": {"loss": "loss"},
}
SWEPT = {"fid": "FID", "accuracy": "accuracy", "precision": "precision", "recall": "recall"}
NOT_VARIED = (
    "run",
    "class_guidance",
    "evaluations",
    "seconds",
    "first_seed",
    "scores",
)  # of trials on the same seeds
MOST_POINTS = 200  # of a curve; more are averaged


def training_panels(name: str, trainings: dict[str, Training]) -> list[Panel]:
    """The log of one stage, of every run (by name) that has one. Figures are of training batches, not of held-out images."""
    panels = []
    for key, label in SHOWN[name].items():
        curves = [
            Curve(
                run, *thinned([(line["step"], line[key]) for line in training.log if key in line])
            )
            for run, training in trainings.items()
        ]
        if any(len(curve.x) for curve in curves):
            panels.append(
                Panel(f"{next(iter(trainings.values())).caption}: {label}", "step", label, curves)
            )
    return panels


def thinned(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """At most MOST_POINTS points, each the mean of its neighbours."""
    if not points:
        return [], []
    parts = np.array_split(np.asarray(points, np.float64), min(len(points), MOST_POINTS))
    return tuple(np.stack([part.mean(axis=0) for part in parts]).T.tolist())


def noise_panel(loss: NoiseLoss) -> Panel:
    curves = [
        Curve("with the class", loss.sigmas, loss.conditional),
        Curve("without it", loss.sigmas, loss.unconditional),
    ]
    return Panel("loss by noise level", "noise level (sigma)", "velocity loss", curves, log_x=True)


def sweep_panels(trials: list[Trial]) -> list[Panel]:
    """Scores over the first setting that takes numbers and varies, one curve for each combination of the others;
    confirmations with other seeds are in none."""
    tried = [trial for trial in trials if trial.first_seed == TRIED]
    varied = [
        name
        for name in Trial.model_fields
        if name not in NOT_VARIED and len({getattr(trial, name) for trial in tried}) > 1
    ]
    over = next(
        (
            name
            for name in ("guidance", *varied)
            if name in varied and isinstance(getattr(tried[0], name), int | float)
        ),
        "guidance",
    )
    groups: dict[str, list[Trial]] = {}
    for trial in sorted(tried, key=lambda trial: getattr(trial, over)):
        groups.setdefault(
            ", ".join(f"{spoken(name)} {getattr(trial, name)}" for name in varied if name != over),
            [],
        ).append(trial)
    panels = []
    for name, title in SWEPT.items():
        curves = []
        for label, group in groups.items():
            known = [
                (getattr(trial, over), found)
                for trial in group
                if (found := trial.scores.scores.get(name))
            ]
            error = [(s.high - s.low) / 2 if s.low is not None else 0.0 for _, s in known]
            curves.append(
                Curve(label or "samples", [x for x, _ in known], [s.value for _, s in known], error)
            )
        real = next(
            (found.real for trial in tried if (found := trial.scores.scores.get(name))), None
        )
        if any(curve.x for curve in curves):
            panels.append(
                Panel(
                    title,
                    spoken(over),
                    title,
                    curves,
                    {"held-out real images": real} if real is not None else {},
                )
            )
    return panels


def spoken(name: str) -> str:
    return name.replace("_", " ")
