"""Clones of the synth-cute repository: `ab/<64 hex>.png` beside `ab/<64 hex>.json`."""

import json
import re

from latent_diffusion.data.decode import Unreadable
from latent_diffusion.data.sources.layout import enclosing_folders, within
from latent_diffusion.data.sources.source import Asked, FileLoader, Found, Item, Source, class_of
from latent_diffusion.data.split import UNDECIDED
from latent_diffusion.data.tree import File, Skip, Tree

NAME = re.compile(r"([0-9a-f]{2})/(\1[0-9a-f]{62})\.(png|json)")
CLASS_WORD = re.compile(r"\bcartoon\s+(\w+)", re.IGNORECASE)
MAX_JSON_BYTES = 2**20


class SynthCute(Source):
    """Pictures whose class is the word after "cartoon" in the "inputs" of the JSON beside them."""

    accepts = "a synth-cute clone"

    def find(self, asked: Asked) -> Found | None:
        if not asked.holds_pictures:
            return None
        for prefix in enclosing_folders(asked.listing.files):
            inside, skipped = within(asked.listing.files, prefix)
            if any(is_prompt(file, prefix) for file in inside):
                items, unused = pair(asked.tree, inside, prefix)
                skipped += asked.listing.skipped + unused
                return Found("synth-cute", sorted(items), FileLoader(asked.tree), sorted(skipped))
        return None


def is_prompt(file: File, prefix: str) -> bool:
    """Return whether a file lies and is named as synth-cute's JSON files are."""
    return file.path.endswith(".json") and bool(NAME.fullmatch(file.path, len(prefix)))


def pair(tree: Tree, files: list[File], prefix: str) -> tuple[list[Item], list[Skip]]:
    """Return the pictures that have a class in the JSON beside them, and all other files."""
    pictures: dict[str, File] = {}
    prompts: dict[str, File] = {}
    items, skipped = [], []
    for file in files:
        match = NAME.fullmatch(file.path, len(prefix))
        if match is None:
            skipped.append(Skip(file.path, "not part of the synth-cute layout"))
        elif match[3] == "png":
            pictures[match[2]] = file
        else:
            prompts[match[2]] = file
    for stem, file in pictures.items():
        if stem not in prompts:
            skipped.append(Skip(file.path, "no JSON beside it"))
            continue
        try:
            class_name = prompt_class(tree, prompts[stem])
        except Unreadable as reason:
            skipped.append(Skip(file.path, str(reason)))
        else:
            items.append(Item(file.path, file.key, class_name, UNDECIDED))
    for stem, file in prompts.items():
        if stem not in pictures:
            skipped.append(Skip(file.path, "JSON without a picture"))
    return items, skipped


def prompt_class(tree: Tree, file: File) -> str:
    """Return the class word of one JSON file; raise Unreadable where there is none."""
    try:
        record = json.loads(tree.read(file.key, limit=MAX_JSON_BYTES))
    except (Unreadable, ValueError, RecursionError):
        raise Unreadable("broken JSON beside it") from None
    inputs = record.get("inputs") if isinstance(record, dict) else None
    match = CLASS_WORD.search(inputs) if isinstance(inputs, str) else None
    if match is None:
        raise Unreadable("no class in the JSON beside it")
    return class_of(match[1].lower())
