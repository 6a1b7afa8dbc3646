"""Whether a training that was killed ends like one that was not, with the run's own networks.

Each training does a few steps on some of the run's pictures. Its files are then put back to what a
kill after half of the steps leaves, and it resumes.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from pydantic import BaseModel

from latent_diffusion.data.reference import Reference, dataset_of
from latent_diffusion.data.split import TRAIN
from latent_diffusion.data.store import Dataset
from latent_diffusion.distributed import World
from latent_diffusion.progress import hushed
from latent_diffusion.run import Interrupted, Part, Run
from latent_diffusion.subsets import spread
from latent_diffusion.training.autoencoder import AutoencoderStage, train_autoencoder
from latent_diffusion.training.classifier import train_classifier
from latent_diffusion.training.config import with_training
from latent_diffusion.training.diffusion import train_diffusion
from latent_diffusion.training.stage import FRESH, Start
from latent_diffusion.training.stages import resumed_config
from latent_diffusion.training.student import train_student
from latent_diffusion.verification.check import Unknown

STEPS, KILLED_AFTER = 6, 3
IMAGES, FEWEST_IMAGES, MOST_BATCH = 64, 16, 16
Stage = TypeVar("Stage", bound=BaseModel)
Train = Callable[[Run, Start], None]


def resumes_alike(run: Run, part: Part, data: Dataset | None, device: torch.device) -> str:
    """Return what was compared of a training of a part, and was the same, bit for bit.

    The pictures are some of the data set's, or of those that the run keeps. Raise ValueError where
    a training that was killed and resumed ends with other bits.
    """
    if not part.trained:
        raise Unknown("not trained")
    with tempfile.TemporaryDirectory(prefix="ldm-verify-") as temporary, hushed():
        folder = Path(temporary)
        train, parts = short_training(run, part, few_pictures(run, data, folder), device)
        try:
            straight = bytes_after(train, Run(folder / "straight"), FRESH)
            for killed in parts:
                broken = Run(shutil.copytree(folder / "straight", folder / killed))
                put_back(broken, part.name, parts, killed)
                if bytes_after(train, broken, Start(resume=True)) == straight:
                    continue
                if bytes_after(train, Run(folder / "again"), FRESH) != straight:
                    raise Unknown(not_repeated(device))
                raise ValueError(
                    f"the training of the {getattr(run, killed).caption}, killed after step "
                    f"{KILLED_AFTER} and resumed, ends with other bits than one that never stopped"
                )
        except Interrupted:
            raise KeyboardInterrupt from None
    within = " each" if len(parts) > 1 else ""
    named = ", ".join(getattr(run, name).caption for name in parts)
    return (
        f"{STEPS} steps{within} ({named}), straight and killed after {KILLED_AFTER}: the same bits "
        f"in {len(straight)} files"
    )


def not_repeated(device: torch.device) -> str:
    """Return why nothing can be said where equal trainings differ."""
    how = "" if device.type == "cpu" else ": --device cpu can tell"
    return f"two equal trainings differ on {device}, whose kernels do not repeat themselves{how}"


def few_pictures(run: Run, data: Dataset | None, folder: Path) -> Dataset:
    """Return some pictures to train on: of the run's data set, or of those that the run keeps.

    Raise Unknown where there are too few.
    """
    reference = Reference.open(run)
    images, labels = reference.images, reference.labels
    rows = spread(len(images), IMAGES)
    if data and data.info.checksum == reference.facts.checksum:
        images, labels = data.images, data.labels
        rows = data.train[spread(len(data.train), IMAGES)]
    if len(rows) < FEWEST_IMAGES:
        raise Unknown(f"the run keeps {len(rows)} pictures, too few to train on: give --data")
    pixels = np.asarray(images[rows])
    return dataset_of(reference.facts, pixels, labels[rows], TRAIN, folder / "data")


def short_training(
    run: Run, part: Part, data: Dataset, device: torch.device
) -> tuple[Train, tuple[str, ...]]:
    """Return a short training like that of a part, and the parts that it trains, in this order."""
    config, world = resumed_config(part), World(0, 1, device)
    if part.name == "autoencoder":
        stage = short_autoencoder(config.autoencoder)
        before = ("perceptual",) if stage.perceptual == "classifier" else ()
        after = ("adversary",) if stage.adversarial else ()

        def autoencoder(target: Run, start: Start) -> None:
            train_autoencoder(target, data, stage, world, start)

        return autoencoder, (*before, part.name, *after)
    if part.name == "classifier":

        def classifier(target: Run, start: Start) -> None:
            train_classifier(target, data, short(config.classifier), world, start)

        return classifier, (part.name,)

    if part.name == "student":

        def student(target: Run, start: Start) -> None:
            copy_trained(run.autoencoder.require(), target.autoencoder)
            copy_trained(run.diffusion.require(), target.diffusion)
            train_student(target, short(config.student), world, start)

        return student, (part.name,)

    def diffusion(target: Run, start: Start) -> None:
        copy_trained(run.autoencoder.require(), target.autoencoder)
        if config.diffusion.alignment.weight:
            copy_trained(run.perceptual.require(), target.perceptual)
        train_diffusion(target, data, short(config.diffusion), config.sampling, world, start)

    return diffusion, (part.name,)


def copy_trained(part: Part, target: Part) -> None:
    """Copy a trained part of a run into another run."""
    target.folder.mkdir(parents=True, exist_ok=True)
    for name in ("config_path", "model_path"):
        shutil.copy(getattr(part, name), getattr(target, name))


def short(stage: Stage) -> Stage:
    """Return the config of a stage with a few small steps."""
    training = stage.training  # type: ignore[attr-defined]  # every stage has one
    return with_training(
        stage,
        steps=STEPS,
        minutes=None,
        warmup_steps=1,
        batch_size=min(MOST_BATCH, training.batch_size),
        checkpoint_every=KILLED_AFTER,
        preview_every=STEPS,
        snapshots=min(2, training.snapshots),
        compile="none",
    )


def short_autoencoder(stage: AutoencoderStage) -> AutoencoderStage:
    """Return stage one with a few small steps of each of its trainings, and without LPIPS."""
    changes = {
        "perceptual": "none" if stage.perceptual == "lpips" else stage.perceptual,
        "perceptual_classifier": short(stage.perceptual_classifier),
        "adversary": short(stage.adversary),
    }
    return short(stage.model_copy(update=changes))


def put_back(run: Run, main: str, parts: tuple[str, ...], killed: str) -> None:
    """Leave of a run what it held when the training of a part was killed after half of its steps.

    main: the part that saves last.
    """
    part: Part = getattr(run, killed)
    os.replace(part.earlier_checkpoint_path, part.checkpoint_path)
    for later in parts[parts.index(killed) + 1 :]:
        shutil.rmtree(getattr(run, later).folder)
    for path in (part.model_path, getattr(run, main).model_path):
        path.unlink(missing_ok=True)


def bytes_after(train: Train, run: Run, start: Start) -> dict[str, bytes]:
    """Return the content of all tensor files of a run, by their paths in it, after a training."""
    train(run, start)
    paths = sorted(run.folder.rglob("*.safetensors"))
    return {str(path.relative_to(run.folder)): path.read_bytes() for path in paths}
