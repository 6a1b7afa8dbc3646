"""Is a training of the denoiser healthy? Its loss on held-out pictures, beside two references.

The loop looks ten times (`Watch`): at held-out and at training pictures, each at its own fixed
noise level, beside what the best linear denoiser of the same latents has there, which compares
across data sets. `ailment` says in one line what is wrong, for the terminal and the report.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from autoencoder import Posterior
from latent_diffusion.denoiser import Denoiser, NoiseLevelConfig, velocity_error
from latent_diffusion.device import autocast, read_rows
from latent_diffusion.subsets import some
from metrics import linear_denoising_error

LOOKS, APART = 10, 5  # in a training, and steps from one to the next at least
# A look sees a picture of either kind for so many that the training sees: ten take 0.7% of its
# time, where a step costs three times what a look at its pictures does.
TRAINED_FOR_ONE = 1_000
FEWEST, MOST = 32, 2_048  # pictures of either kind in a look
MOST_FOR_SPECTRUM = 2_000  # training pictures
SEED = 5_000_001  # of the noise
LEAST = 1e-6  # loss that metrics.jsonl can hold; latents that are all the same have none
HELD_OUT, TRAINING, LINEAR = "held_out_loss", "training_loss", "linear_loss"  # in metrics.jsonl
UNLABELLED = "unlabelled_loss"  # of held-out pictures whose class is hidden; at the end alone

RISE = 0.02  # of the held-out loss, above which it has risen
BLOWN_UP = 1.5  # times its lowest, from where a loss has diverged
PLATEAU = 0.005  # gain over the second half of a training, below which there was none
NO_EFFECT = 0.001  # what a class must take off the loss
EMPTY = 0.1  # share of a channel's variance that pictures make, below which it says nothing

Look = dict[str, Any]  # a line of metrics.jsonl that has these losses


@dataclass(frozen=True)
class Pictures:
    """Latents (N, C, h, w) and labels (N,)."""

    latents: Tensor
    labels: Tensor

    @classmethod
    def sampled(cls, moments: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> "Pictures":
        """Return latents drawn from some of the moments, the same each time, and their labels."""
        posterior = Posterior(torch.from_numpy(read_rows(moments, rows).astype(np.float32)))
        noise = torch.randn(posterior.mean.shape, generator=torch.Generator().manual_seed(SEED + 1))
        return cls(posterior.sample(noise), torch.from_numpy(np.asarray(labels[rows])))

    def to(self, device: torch.device) -> "Pictures":
        """Return the same on a device."""
        return Pictures(self.latents.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Watch:
    """What a training looks at every so many steps; picture i has noise i and level sigma i."""

    held_out: Pictures
    training: Pictures
    noise: Tensor  # (N, C, h, w)
    sigmas: Tensor  # (N,)
    linear_loss: float
    every: int
    batch_size: int
    precision: str
    ends_early: bool = False

    @torch.inference_mode()
    def look(self, model: nn.Module, last: bool) -> dict[str, float]:
        """Return the losses of a denoiser as it is; without labels, too, after the last step."""
        assert isinstance(model, Denoiser)
        found = {
            HELD_OUT: self.loss(model, self.held_out.latents, self.held_out.labels),
            TRAINING: self.loss(model, self.training.latents, self.training.labels),
            LINEAR: self.linear_loss,
        }
        if last:
            hidden = torch.full_like(self.held_out.labels, model.null_label)
            found[UNLABELLED] = self.loss(model, self.held_out.latents, hidden)
        return found

    def loss(self, model: Denoiser, latents: Tensor, labels: Tensor) -> float:
        """Return the mean velocity loss of latents with labels."""
        total = 0.0
        with autocast(latents.device, self.precision):
            for start in range(0, len(latents), self.batch_size):
                part = slice(start, start + self.batch_size)
                noise, sigmas = self.noise[part], self.sigmas[part]
                losses = model.loss(latents[part], noise, sigmas, labels[part])
                total += losses.double().sum().item()
        return total / len(latents)


def shown(steps: int, batch_size: int) -> int:
    """Return how many pictures of either kind a look of such a training sees."""
    return min(MOST, max(FEWEST, steps * batch_size // TRAINED_FOR_ONE))


def make_watch(
    held_out: tuple[np.ndarray, np.ndarray],
    training: tuple[np.ndarray, np.ndarray],
    levels: NoiseLevelConfig,
    schedule: tuple[int, int],
    precision: str,
    device: torch.device,
    ends_early: bool,
) -> Watch:
    """Return the watch over a training of (steps, batch size) on this device.

    held_out, training: moments (N, 2C, h, w) and labels (N,); where they are fewer than are
    looked at, some are seen at several levels.
    """
    steps, batch_size = schedule
    count = shown(steps, batch_size)
    sigmas = levels.draw(torch.full((count,), 0.5))
    known = Pictures.sampled(*training, some(len(training[0]), MOST_FOR_SPECTRUM))
    errors = linear_denoising_error(known.latents.numpy(), sigmas.numpy())
    linear = torch.from_numpy(errors)
    seen = Pictures.sampled(*held_out, np.resize(shuffled(len(held_out[0])), count))
    learnt = Pictures.sampled(*training, np.resize(shuffled(len(training[0])), count))
    noise = torch.randn(seen.latents.shape, generator=torch.Generator().manual_seed(SEED))
    return Watch(
        held_out=seen.to(device),
        training=learnt.to(device),
        noise=noise.to(device),
        sigmas=sigmas.to(device),
        linear_loss=max(LEAST, velocity_error(linear, sigmas).mean().item()),
        every=max(APART, steps // LOOKS),
        batch_size=batch_size,
        precision=precision,
        ends_early=ends_early,
    )


def shuffled(count: int) -> np.ndarray:
    """Return the numbers 0 .. count - 1 in a random order, the same each time."""
    return np.random.default_rng(0).permutation(count)


def empty_channels(moments: np.ndarray) -> int:
    """Return how many channels of the latents of moments (N, 2C, h, w) say nothing of pictures.

    That is where one picture has what every other has, but for the posterior's own noise.
    """
    rows = some(len(moments), MOST_FOR_SPECTRUM)
    posterior = Posterior(torch.from_numpy(read_rows(moments, rows).astype(np.float32)))
    of_pictures = posterior.mean.var(dim=0, correction=0).mean(dim=(1, 2))
    of_noise = posterior.log_variance.exp().mean(dim=(0, 2, 3))
    return int((of_pictures < EMPTY * (of_pictures + of_noise)).sum())


def collapse(moments: np.ndarray) -> str:
    """Return in one line that latents have collapsed, and what to do; "" where they have not."""
    empty, channels = empty_channels(moments), moments.shape[1] // 2
    if not empty:
        return ""
    which = "the latents" if empty == channels else f"{empty} of {channels} channels of the latents"
    return (
        f"latents collapsed: {which} say next to nothing of the pictures; if these are not all "
        "alike, train the autoencoder with a lower --set autoencoder.loss.kl_weight, or with fewer "
        "--set autoencoder.model.latent_channels"
    )


def looks(log: Sequence[Look]) -> list[Look]:
    """Return the lines of a training's log that have held-out losses."""
    return [line for line in log if HELD_OUT in line]


def best(found: Sequence[Look]) -> Look:
    """Return the look with the lowest held-out loss, the first of several."""
    return min(found, key=lambda look: look[HELD_OUT])


def has_risen(found: Sequence[Look]) -> bool:
    """Return whether the held-out loss has risen clearly: in two looks in a row."""
    if len(found) <= 2:
        return False
    least = best(found)[HELD_OUT]
    return all(look[HELD_OUT] > (1 + RISE) * least for look in found[-2:])


def state(found: Sequence[Look]) -> str:
    """Return in a few words how a training stands; `found` has a look at least."""
    last = found[-1]
    linear = last[LINEAR]
    return (
        f"held-out loss {last[HELD_OUT]:.3f}, {last[HELD_OUT] / linear:.2f} of the best linear "
        f"denoiser's ({last[TRAINING] / linear:.2f} in training pictures)"
    )


def ailment(found: Sequence[Look], classes: int, label_dropout: float) -> str:
    """Return in one line what is wrong with a training and what to do; "" where nothing is seen."""
    if not found:
        return ""
    last, lowest = found[-1], best(found)
    gap = last[HELD_OUT] / lowest[HELD_OUT] - 1
    if not np.isfinite(last[HELD_OUT]) or (
        gap > BLOWN_UP - 1 and last[TRAINING] > BLOWN_UP * min(look[TRAINING] for look in found)
    ):
        return (
            f"diverged: the loss was lowest at step {lowest['step']}; try a third of --set "
            "diffusion.training.learning_rate"
        )
    if gap > RISE and last[TRAINING] < lowest[TRAINING]:
        return (
            f"overfitting: held-out loss has risen by {gap:.0%} since step {lowest['step']}, while "
            "that of training pictures fell; more pictures help, or --set "
            f"diffusion.training.steps={lowest['step']}, or fewer --set diffusion.model.widths"
        )
    if last[HELD_OUT] > last[LINEAR]:
        return (
            "not trained enough: a linear denoiser would do better; more --set "
            "diffusion.training.steps"
        )
    if classes > 1 and label_dropout and UNLABELLED in last:
        if last[UNLABELLED] > last[LINEAR]:
            return (
                "label dropout without effect: with its class hidden the denoiser does worse than "
                "a linear one, and guidance compares with that; more --set diffusion.label_dropout"
            )
        if last[UNLABELLED] < (1 + NO_EFFECT) * last[HELD_OUT]:
            return (
                "label dropout without effect: the denoiser does as well with the class hidden, so "
                "guidance changes nothing; are the labels right? else more --set "
                "diffusion.training.steps"
            )
    half = next(look for look in found if look["step"] >= last["step"] / 2)
    if len(found) > LOOKS // 2 and last[HELD_OUT] > (1 - PLATEAU) * half[HELD_OUT]:
        return (
            f"plateau: nothing was gained since step {half['step']}; more steps of this network "
            "will not help, wider --set diffusion.model.widths may"
        )
    return ""
