"""`--format hub`: a folder that `Pipeline.from_pretrained` reads, with a model card.

It is a run that has only what sampling needs, so everything that takes a run takes it as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from latent_diffusion.data.reference import Reference
from latent_diffusion.data.store import Dataset
from latent_diffusion.evaluation.audit import RATE, nearest
from latent_diffusion.export.card import card
from latent_diffusion.export.folder import (
    Files,
    as_json,
    check_free,
    facts_of,
    student_of,
    write_files,
)
from latent_diffusion.inspection.grids import beside_real, grid
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import say
from latent_diffusion.run import Run
from latent_diffusion.sampling.folder import png
from latent_diffusion.subsets import some
from latent_diffusion.tensors import save_tensors
from metrics import near_copies

GRID = "samples.png"
SHOWN = 8  # pictures of a class on the card
SPARE = 2  # times as many are drawn, for near copies are left out
MOST_CLASSES = 12  # on the card's grid
MOST_HELD_OUT = 500  # images that say what is near; an audit takes more


@dataclass(frozen=True)
class Asked:
    """What is to be in the folder besides the networks.

    data: the run's prepared data set, to show samples that are no near copies of it; `pictures`:
    whether the run's held-out images go along; `licence`: an identifier of the hub.
    """

    licence: str = "unknown"
    data: Path | None = None
    pictures: bool = False
    device: str = "auto"
    ema_length: float | None = None


def export_hub(run_folder: Path, out: Path, asked: Asked) -> None:
    """Write a run's networks, config.json and the card to a new folder.

    Raise ValueError where the folder holds something, and for another data set than the run's.
    """
    check_free(out)
    run = Run.open(run_folder)
    pipe = Pipeline.from_run(run_folder, asked.device, ema_length=asked.ema_length)
    fast = student_of(run_folder, pipe)
    sheet = sample_sheet(run, pipe, asked)
    about = {"model_type": "latent-diffusion", **facts_of(pipe, fast)}
    files: Files = {"config.json": as_json(about)}
    if sheet is not None:
        files[GRID] = sheet
    files["README.md"] = card(run, pipe, asked.licence, GRID if sheet else None, fast).encode()
    if asked.pictures:
        for path in sorted(run.reference.iterdir()):
            files[f"reference/{path.name}"] = path.read_bytes()
    write_networks(run, pipe, fast, out)
    write_files(out, files)


def write_networks(run: Run, pipe: Pipeline, fast: Pipeline | None, out: Path) -> None:
    """Write the networks with what their trainings recorded, less where the user's files lay."""
    goal = Run(out)
    autoencoder, diffusion = run.autoencoder.read_config(), run.diffusion.read_config()
    autoencoder["autoencoder"].pop("lpips_backbone", None)
    # The weights are those of the chosen EMA, whichever the training itself ended with.
    diffusion["diffusion"]["training"]["ema_length"] = pipe.ema_length
    diffusion["ema_length"] = pipe.ema_length
    for part, config, network in (
        (goal.autoencoder, autoencoder, pipe.autoencoder),
        (goal.diffusion, diffusion, pipe.denoiser),
    ):
        save_tensors(part.model_path, network.state_dict())
        part.write_config({**config, "data": public(config["data"])})
    if fast:
        student = run.student.read_config()
        save_tensors(goal.student.model_path, fast.denoiser.state_dict())
        known = {"teacher_checksum": goal.diffusion.checksum(), "data": public(student["data"])}
        goal.student.write_config({**student, **known})


def public(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a part recorded of its data set, of its place the last name alone."""
    return {**data, "source": Path(data["source"]).name}


def sample_sheet(run: Run, pipe: Pipeline, asked: Asked) -> bytes | None:
    """Return the card's grid of samples as a PNG, or None, said, where it might show the user's.

    Samples may be near copies of training images. With the data set those are left out; with
    `pictures` all are shown, beside real ones.
    """
    if not asked.pictures and asked.data is None:
        say(
            "the card shows no samples, for some might be near copies of your pictures: --data "
            "DATA shows those that are not, --with-pictures all, beside real ones"
        )
        return None
    names = pipe.facts.class_names[:MOST_CLASSES]
    drawn = SHOWN if asked.pictures else SPARE * SHOWN
    seeds = list(range(1, drawn + 1)) * len(names)
    labels = [label for label in range(len(names)) for _ in range(drawn)]
    images = pipe.generate(seeds, labels, pipe.sampling)
    rows = list(images.reshape(len(names), drawn, *images.shape[1:]))
    if asked.pictures:
        return png(beside_real(rows, [pipe.real(name) for name in names], names))
    assert asked.data is not None
    own = ~are_near_copies(images, run, asked.data).reshape(len(names), drawn)
    rows = [row[kept][:SHOWN] for row, kept in zip(rows, own, strict=True)]
    say(f"{np.sum(~own)} of {own.size} samples are near copies of training images, and not shown")
    named = {name: row for name, row in zip(names, rows, strict=True) if len(row)}
    return png(grid(list(named.values()), list(named))) if named else None


def are_near_copies(images: np.ndarray, run: Run, folder: Path) -> np.ndarray:
    """Return of images (N, H, W, 3) whether each is a near copy of a training image: bool (N,).

    That is to lie nearer, in pixels, than all but RATE of held-out images do. Raise ValueError for
    another data set than the run's, and where no images were held out.
    """
    reference, data = Reference.open(run), Dataset.open(folder)
    if data.info.checksum != reference.facts.checksum:
        raise ValueError(f"{folder} is not the data set that {run.folder} was trained on")
    held_out = np.asarray(reference.images)
    if not len(held_out):
        raise ValueError(
            f"{run.folder} keeps no held-out images, which say what is near: leave out --data"
        )
    training = data.images[data.train]
    views = [training, training[:, :, ::-1]] if data.info.flip else [training]
    _, distance = nearest(images, views, "nearest in pixels")
    _, usual = nearest(held_out[some(len(held_out), MOST_HELD_OUT)], views, "of held-out images")
    return distance <= near_copies(distance, usual, RATE).threshold


def push(folder: Path, repository: str) -> str:
    """Upload a folder to a repository of the hub, which is made, private, if it is not there.

    Return the address of what was uploaded. Raise ValueError where the hub does not take it.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError

    hub = HfApi()
    try:
        hub.create_repo(repository, private=True, exist_ok=True)
        return str(hub.upload_folder(repo_id=repository, folder_path=folder))
    except (HTTPError, OSError) as error:
        first = str(error).strip().splitlines()[0]
        raise ValueError(
            f"the hub did not take {repository} ({first}); {folder} is written: hf auth login, "
            f"then hf upload {repository} {folder}"
        ) from None
