"""The picture files of a folder or zip, found and read as `ldm prepare` does.

For every command that takes pictures as they are: evaluate, statistics, grade, audit, reconstruct.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latent_diffusion.data.archives import Tar, Zip, open_tree
from latent_diffusion.data.decode import Fit, look, open_picture
from latent_diffusion.data.formats import IMAGE_SUFFIXES, Unreadable, sniff
from latent_diffusion.data.tree import File, Nothing, Skip, Tree

TOLD = 3  # examples of what was left out


@dataclass(frozen=True)
class PictureFiles:
    """Picture files by name, in order, and the files beside them that are none."""

    place: Path
    tree: Tree
    files: dict[str, File]
    left_out: list[Skip]

    @property
    def said(self) -> str | None:
        """Return what was left out and why in a line, or None where nothing was."""
        if not self.left_out:
            return None
        told = [f"{skip.path} ({skip.reason})" for skip in self.left_out[:TOLD]]
        more = ", …" if len(self.left_out) > TOLD else ""
        return f"{self.place}: {len(self.left_out)} files left out: {', '.join(told)}{more}"

    def whole(self, name: str) -> np.ndarray:
        """Return a picture as it is, uint8 (H, W, 3); ValueError if it is unreadable."""
        try:
            return np.asarray(open_picture(self.tree.read(self.files[name].key)).image)
        except Unreadable as reason:
            raise ValueError(f"{self.place}: {name} cannot be read ({reason})") from None

    def square(self, name: str, size: int, fit: Fit) -> np.ndarray:
        """Return a picture as prepare makes it, uint8 (size, size, 3); ValueError likewise."""
        try:
            return look(self.tree.read(self.files[name].key), size, fit).pixels
        except Unreadable as reason:
            raise ValueError(f"{self.place}: {name} cannot be read ({reason})") from None


def find_pictures(place: Path, without: frozenset[str] = frozenset()) -> PictureFiles | None:
    """Return the pictures of a folder or zip, however deep, or None where there is neither.

    A file that is called a picture counts as one; of others the content decides. without: the
    names of files, in any folder, that are left out.
    Raises ValueError for a damaged zip.
    """
    tree = tree_at(place)
    if isinstance(tree, Nothing | Tar):  # a tar can only be read forwards
        return None
    listing = tree.scan()
    files: dict[str, File] = {}
    left_out = list(listing.skipped)
    for file in listing.files:
        if file.path.rpartition("/")[2] in without:
            left_out.append(Skip(file.path, "made by ldm"))
        elif reason := no_picture(tree, file):
            left_out.append(Skip(file.path, reason))
        else:
            files[file.path] = file
    return PictureFiles(place, tree, files, sorted(left_out))


def tree_at(place: Path) -> Tree:
    """Return the tree at a place; a zip may have any name."""
    tree = open_tree(place)
    if isinstance(tree, Nothing) and place.is_file() and zipfile.is_zipfile(place):
        return Zip(str(place))
    return tree


def no_picture(tree: Tree, file: File) -> str | None:
    """Return why a file is no picture, or None where it is one, or is called one."""
    if file.path.lower().endswith(IMAGE_SUFFIXES):
        return None
    try:
        tree.read(file.key, check=sniff)
        return None
    except Unreadable as reason:
        return str(reason)
