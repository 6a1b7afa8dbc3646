"""What every export shares: the facts in its config.json, and the folder that it is written to."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from latent_diffusion import __version__
from latent_diffusion.loading import has_student
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.run import Run, write_atomic
from latent_diffusion.sampling.config import SamplingConfig
from latent_diffusion.sampling.fast import MOST_STEPS, FastSampling

FORMAT = 1  # of config.json
ALL_LEVELS = (0.0, 1e9)  # noise levels of a guidance that acts at all of them; JSON has no infinity

Files = dict[str, bytes]  # of an export, by their paths inside of its folder


def student_of(folder: Path, pipe: Pipeline) -> Pipeline | None:
    """Return the pipeline of a run's student, beside that of its denoiser; None without one."""
    if not has_student(Run.open(folder)):
        return None
    return Pipeline.from_run(folder, str(pipe.device), pipe.precision, fast=True)


def facts_of(pipe: Pipeline, fast: Pipeline | None = None) -> dict[str, Any]:
    """Return what a program needs to sample with a pipeline's networks, as config.json says it.

    "guidance" is that of each class by name, "guided_levels" the lowest and the highest noise level
    where it acts; "sampling" has all settings of SamplingConfig. "fast" is what its student needs,
    where there is one: noise levels by the number of steps, and guidance up to the most it learnt.
    """
    sampling, names = pipe.sampling, pipe.facts.class_names
    interval = sampling.guidance_interval
    ends = {"sigma_max": sampling.first_level, "last_of_few": sampling.last_level}
    return {
        "format": FORMAT,
        "made_by": f"latent-diffusion {__version__}",
        "run": pipe.checksum,
        "class_names": names,
        "null_label": pipe.denoiser.null_label,
        "image_size": pipe.facts.image_size,
        "latent_shape": pipe.autoencoder.latent_shape,
        "guidance": scales_of(sampling, names),
        "guided_levels": ALL_LEVELS if interval == "all" else interval,
        "can_be_guided": pipe.knows_null,
        "sampling": {**sampling.model_dump(mode="json"), **ends},
        **({"fast": facts_of_student(fast.sampling, names)} if fast else {}),
    }


def facts_of_student(sampling: SamplingConfig, names: Sequence[str]) -> dict[str, Any]:
    """Return what a program needs to sample with a student."""
    assert isinstance(sampling, FastSampling)
    return {
        "guidance": scales_of(sampling, names),
        "most_guidance": sampling.most_guidance,
        "sampling": {"steps": sampling.steps},
        "levels": {str(n): sampling.of(n).levels for n in range(1, MOST_STEPS + 1)},
    }


def scales_of(sampling: SamplingConfig, names: Sequence[str]) -> dict[str, float]:
    """Return the guidance of each class by its name."""
    return {name: sampling.class_guidance.get(name, sampling.guidance) for name in names}


def as_json(value: Any) -> bytes:
    """Return a value as indented JSON; raise ValueError for NaN and infinity."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def check_free(folder: Path) -> None:
    """Raise ValueError where an export would go to a folder that holds something, or to a file."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ValueError(f"{folder} is there already: give a new folder")


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files to a folder, which is made if it is not there."""
    for name, content in files.items():
        write_atomic(folder / name, content)


def megabytes(files: Mapping[str, bytes]) -> float:
    """Return the size of files in MB."""
    return sum(map(len, files.values())) / 1e6
