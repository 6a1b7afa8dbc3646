"""Runs that lie elsewhere: a folder that `ldm export --format hub` wrote, or its copy on a hub."""

import re
from pathlib import Path

from latent_diffusion.extras import install

REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
NEEDED = ["*.json", "*.toml", "*.safetensors"]  # of a repository; nothing in them is code


def find_pretrained(path_or_repository: Path | str, revision: str | None = None) -> Path:
    """Return the folder of a run that is here, or that a hub has, then after a download.

    A folder that is there is taken as it is, offline; only a repository's name, "somebody/model",
    asks huggingface_hub, which keeps what it has fetched. Raise ValueError for what is neither, and
    in one line for what the hub does not give.
    """
    folder, name = Path(path_or_repository), str(path_or_repository)
    if folder.is_dir():
        return folder
    if not REPOSITORY.fullmatch(name):
        raise ValueError(
            f"there is no folder {name}, and it is no repository's name such as me/cats"
        )
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HTTPError
    except ImportError:
        raise ValueError(
            f"there is no folder {name}; to look for it on the hub: {install('hub')}"
        ) from None
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=NEEDED))
    except (HTTPError, OSError) as error:
        first = str(error).strip().splitlines()[0]
        raise ValueError(
            f"there is no folder {name}, and the hub does not give it: {first}"
        ) from None
