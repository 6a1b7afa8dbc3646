"""What race and ablation both ask before they begin: same data, same experiment, which machine."""

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from latent_diffusion.data.reference import Reference
from latent_diffusion.data.store import Dataset


def machine(device: torch.device) -> str:
    """Return what the device is: a GPU's name, or the kind of processor with its threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()}, {torch.get_num_threads()} threads"


def refuse_other_data(judge: Path, reference: Reference, data: Dataset) -> None:
    """Raise ValueError if the run `judge`, whose reference this is, was trained on other data."""
    if reference.facts.checksum != data.info.checksum:
        raise ValueError(f"the judge of {judge} was trained on other data than {data.folder}")


def refuse_another(
    out: Path, kind: str, facts: Mapping[str, Any], earlier: Mapping[str, Any]
) -> None:
    """Raise ValueError if the folder holds another experiment of this kind.

    facts: what makes it the one that it is; earlier: what the folder records, if anything.
    """
    for name, value in facts.items():
        if earlier and earlier.get(name) != value:
            raise ValueError(
                f"{out} holds another {kind}, whose {name} is {earlier.get(name)} and not "
                f"{value}: give a new --out"
            )
