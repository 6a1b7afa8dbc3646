"""Trained networks from a run directory, ready to use, and the Codec between images and latents.

Whoever uses a run loads it here. Nothing of training/ is imported: a network's shape comes from the
`[….model]` table that its training recorded.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from autoencoder import Autoencoder, AutoencoderConfig
from latent_diffusion.classifier import Classifier, ClassifierConfig
from latent_diffusion.config import validated
from latent_diffusion.data.reference import DataFacts
from latent_diffusion.denoiser import ALIGNMENT, FURTHER, Denoiser, RecordedNetwork, Student
from latent_diffusion.device import autocast, in_compute_batches, place
from latent_diffusion.ema import ema_after
from latent_diffusion.images import from_uint8, to_uint8
from latent_diffusion.run import Part, Run
from latent_diffusion.tensors import load_tensors, load_weights

COMPUTE_BATCH = 64  # rows of every network call, where nothing else is asked for
ENCODING = ("encoder.", "to_latents.", "shift", "scale")  # beginnings of the names of its tensors
Network = TypeVar("Network", bound=nn.Module)


def load_autoencoder(run: Run, device: torch.device) -> Autoencoder:
    """Return the trained autoencoder of a run.

    Raise ValueError if there is none or its files do not fit.
    """
    part = run.autoencoder.require()
    table = part.read_config()["autoencoder"]["model"]
    config = validated(AutoencoderConfig, table, f"{part.config_path}: autoencoder.model")
    model = Autoencoder(config, trained_on(part).image_size)
    return ready(model, load_tensors(part.model_path)[0], part, device)


def load_classifier(part: Part, device: torch.device) -> Classifier:
    """Return a trained classifier: the judge of a run, or the one behind its perceptual term.

    Raise ValueError if there is none or its files do not fit.
    """
    table = part.require().read_config()[part.name]["model"]
    config = validated(ClassifierConfig, table, f"{part.config_path}: {part.name}.model")
    weights = load_tensors(part.model_path)[0]
    # Of what it learnt to tell there need not be as many as classes.
    outputs = weights["head.bias"] if "head.bias" in weights else ()
    model = Classifier(config, len(outputs) or trained_on(part).num_classes)
    return ready(model, weights, part, device)


def load_denoiser(
    run: Run, latent_channels: int, device: torch.device, ema_length: float | None = None
) -> Denoiser:
    """Return the trained denoiser of a run.

    ema_length: of the EMA of its weights, where snapshots were kept; without, the one that
    `ldm sweep --apply` chose or else the training's own. Raise ValueError if there is no denoiser,
    or if it belongs to another autoencoder.
    """
    part = run.diffusion.require()
    config = part.read_config()
    if not fits(run.autoencoder, config["autoencoder_checksum"]):
        raise ValueError(
            f"the denoiser of {run.folder} was trained on latents of another autoencoder (it was "
            "retrained since): run ldm train-diffusion again"
        )
    names = trained_on(part).class_names
    table = {"model": config["diffusion"]["model"]}
    recorded = validated(RecordedNetwork, table, f"{part.config_path}: diffusion")
    network = recorded.model.build(latent_channels, len(names))
    training = config["diffusion"]["training"]
    if ema_length is None:
        ema_length = chosen_ema(config)
    if ema_length == training["ema_length"]:
        weights = load_tensors(part.model_path)[0]
    else:
        weights = without_training(ema_after(part.ema_folder, ema_length, training["steps"]))
    return ready(Denoiser(network, names), weights, part, device)


def without_training(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a network's tensors without those of what it has while it is trained alone."""
    return {name: v for name, v in weights.items() if not name.startswith(f"{ALIGNMENT}.")}


def load_student(run: Run, latent_channels: int, device: torch.device) -> Student:
    """Return the student of a run's denoiser.

    Raise ValueError if there is none, or if it learnt from another denoiser than the run has.
    """
    part = run.student.require()
    config = part.read_config()
    check_teacher(run)
    names = trained_on(part).class_names
    table = {"model": config["student"]["model"]}
    recorded = validated(RecordedNetwork, table, f"{part.config_path}: student")
    network = recorded.model.build(latent_channels, len(names), FURTHER)
    student = Student(network, names, config["student"]["most_guidance"])
    return ready(student, load_tensors(part.model_path)[0], part, device)


def has_student(run: Run) -> bool:
    """Return whether a run has a trained student of the networks that it has."""
    try:
        run.student.require()
        check_teacher(run)
    except (ValueError, OSError):
        return False
    return True


def check_teacher(run: Run) -> None:
    """Raise ValueError where a run's student learnt from other networks than the run has."""
    config = run.student.read_config()
    if not fits(run.autoencoder, config["autoencoder_checksum"]):
        raise ValueError(
            f"the student of {run.folder} was trained on latents of another autoencoder (it was "
            "retrained since): run ldm train-diffusion, then ldm distill again"
        )
    if config["teacher_checksum"] != run.diffusion.checksum():
        raise ValueError(
            f"the student of {run.folder} learnt from another denoiser (it was retrained since): "
            "run ldm distill again"
        )


def chosen_ema(config: Mapping) -> float:
    """Return the EMA length that a denoiser's config.toml says to sample with."""
    return config.get("ema_length", config["diffusion"]["training"]["ema_length"])


def trained_on(part: Part) -> DataFacts:
    """Return what a trained part recorded of its data set."""
    return DataFacts.model_validate(part.read_config()["data"])


def ready(
    network: Network, weights: Mapping[str, Tensor], part: Part, device: torch.device
) -> Network:
    """Return the network with these weights, on the device, for inference only."""
    load_weights(network, weights, part.model_path)
    return place(network, device).eval().requires_grad_(False)


def encoding(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return those of an autoencoder's tensors that make latents; the others only decode."""
    return {name: tensor for name, tensor in tensors.items() if name.startswith(ENCODING)}


def latents_checksum(autoencoder: Part) -> str:
    """Return the sha256 of what makes an autoencoder's latents.

    Autoencoders that share it differ in their decoders alone.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(encoding(load_tensors(autoencoder.model_path)[0]).items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


def fits(autoencoder: Part, recorded: str) -> bool:
    """Return whether the autoencoder's latents are those of a recorded checksum.

    Earlier runs recorded that of the whole autoencoder.
    """
    return recorded in (latents_checksum(autoencoder), autoencoder.checksum())


@dataclass(frozen=True)
class Codec:
    """uint8 images (N, H, W, 3) <-> latents (N, C, h, w), by an autoencoder in one precision.

    The autoencoder always runs on `compute_batch` rows, so that an image is encoded and decoded to
    the same bits in whatever company.
    """

    autoencoder: Autoencoder
    precision: str
    compute_batch: int = COMPUTE_BATCH

    @classmethod
    def of(cls, run: Run, device: torch.device) -> Self:
        """Load the autoencoder of a run, in the precision that it was trained in."""
        recorded = run.autoencoder.require().read_config()["autoencoder"]["training"]
        return cls(load_autoencoder(run, device), recorded["precision"])

    @property
    def device(self) -> torch.device:
        """Return where the autoencoder is."""
        return next(self.autoencoder.parameters()).device

    def batched(self, compute_batch: int) -> Self:
        """Return the same with another compute batch, which changes the last bits."""
        return replace(self, compute_batch=compute_batch)

    @torch.inference_mode()
    def encode(self, images: np.ndarray) -> Tensor:
        """Return the latents of images: the posterior's mean, float32, on the device."""
        device = self.device

        def mean(rows: Tensor) -> Tensor:
            return self.autoencoder.encode(from_uint8(rows.to(device), device)).mean

        with autocast(device, self.precision):
            encode = in_compute_batches(mean, self.compute_batch)
            return encode(torch.from_numpy(np.array(images))).float()

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> np.ndarray:
        """Return the images of latents."""
        with autocast(latents.device, self.precision):
            decode = in_compute_batches(self.autoencoder.decode, self.compute_batch)
            return to_uint8(decode(latents))

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """Return what encoding and decoding leave of images."""
        size, parts = min(self.compute_batch, len(images)), []
        few = self.batched(size)  # a handful is not padded
        for start in range(0, len(images), size):
            parts.append(few.decode(few.encode(images[start : start + size])))
        return np.concatenate(parts)
