"""Says every fault of a folder or zip that is handed in.

Called by `ldm submit`, and for what it builds itself.
"""

import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path

from PIL import Image

from latent_diffusion.data.decode import Unreadable
from latent_diffusion.data.tree import MAX_FILE_BYTES, Folder, is_hidden, too_large
from latent_diffusion.evaluation.rubric import Rubric, SubmissionPlan
from latent_diffusion.progress import say
from latent_diffusion.submission import submission_plan

NAMED = 3  # missing files that are named
# What zipfile raises for damage, encryption and methods that it does not know.
DAMAGE = (OSError, RuntimeError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, struct.error)


def require_faultless(path: Path, rubric: Rubric) -> None:
    """Say every fault, one line each, and raise ValueError where there is any."""
    faults = find_faults(path, rubric)
    for fault in faults:
        say(fault)
    if faults:
        raise ValueError(f"{path} has {len(faults)} faults under {rubric.title}: see above")


def find_faults(path: Path, rubric: Rubric) -> list[str]:
    """Return every fault of a folder or zip under a rubric; none if it can be handed in."""
    plan = submission_plan(rubric)
    files, faults = read_all(path, plan.zip)
    wanted = [plan.files.format(seed=seed) for seed in range(1, rubric.images + 1)]
    faults += missing(files, wanted)
    favourites = set()
    for name in sorted(set(files) - set(wanted)):
        if plan.favourites and is_favourite(name, plan.favourite_files):
            favourites.add(name)
        else:
            faults.append(f"{name}: {misnamed(name, wanted, plan)}")
            del files[name]
    if len(favourites) != plan.favourites:
        pattern = plan.favourite_files.replace("{seed}", "SEED")
        faults.append(f"{len(favourites)} favourites instead of {plan.favourites} ({pattern})")
    return faults + picture_faults(files, favourites, rubric.size)


def missing(files: Mapping[str, bytes], wanted: list[str]) -> list[str]:
    """Return a line that names the wanted files which are not there, if there are any."""
    absent = [name for name in wanted if name not in files]
    if not absent:
        return []
    more = ", …" if len(absent) > NAMED else ""
    return [f"{len(absent)} of {len(wanted)} files are missing: {', '.join(absent[:NAMED])}{more}"]


def picture_faults(files: Mapping[str, bytes], favourites: set[str], size: int) -> list[str]:
    """Return what is wrong with the pictures themselves: each alone, and two that are the same.

    A favourite may be one of the fixed files.
    """
    faults = []
    first_of: dict[bytes, str] = {}  # names by pixels
    for name in sorted(files):
        fault, pixels = look_at(files[name], size)
        if fault:
            faults.append(f"{name}: {fault}")
        if not pixels:
            continue
        first = first_of.setdefault(pixels, name)
        same_kind = (name in favourites) == (first in favourites)
        if first != name and same_kind:
            faults.append(f"{name}: the same picture as {first}")
    return faults


def look_at(content: bytes, size: int) -> tuple[str | None, bytes]:
    """Return what is wrong with one file, and its pixels (empty if there are none)."""
    try:
        with Image.open(BytesIO(content)) as image:
            pixels = image.convert("RGB").tobytes()
            if image.format != "PNG":
                return f"a {image.format} file, not a PNG", pixels
            if image.mode != "RGB":
                return f"mode {image.mode}, not RGB", pixels
            if image.size != (size, size):
                return f"{image.width}x{image.height}, not {size}x{size}", pixels
            return None, pixels
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return "not a picture, or damaged", b""


Entries = Iterator[tuple[str, Callable[[], bytes]]]  # names, and how to read each file


def read_all(path: Path, want_zip: bool) -> tuple[dict[str, bytes], list[str]]:
    """Return files by name, and faults of the whole.

    Those are folders inside, hidden files, a zip where a folder belongs. Raise ValueError where
    there is neither a folder nor a zip.
    """
    faults = []
    if path.is_dir():
        entries = list(in_folder(path))
        if want_zip:
            faults.append("a folder, where one .zip is wanted")
    elif path.is_file() and zipfile.is_zipfile(path):
        entries = list(in_zip(opened(path)))
        if len(entries) != len(dict(entries)):
            faults.append("the zip holds two files of one name")
        if not want_zip:
            faults.append("a .zip, where a folder is wanted")
    else:
        raise ValueError(f"there is no folder or .zip at {path}")
    files = {}
    for name, read in dict(entries).items():
        if any(is_hidden(part) for part in name.split("/")):
            faults.append(f"{name}: a hidden file, which must not be there")
        elif "/" in name:
            faults.append(f"{name}: in a sub-folder; all files belong at the top")
        else:
            try:
                files[name] = read()
            except (Unreadable, *DAMAGE) as error:
                faults.append(f"{name}: cannot be read ({error})")
    return files, faults


def opened(path: Path) -> zipfile.ZipFile:
    """Return a zip; raise ValueError where it is damaged."""
    try:
        return zipfile.ZipFile(path)
    except DAMAGE as error:
        raise ValueError(f"{path} cannot be read as a zip file: {error}") from None


def in_folder(folder: Path) -> Entries:
    """Yield the files of a folder and of all folders in it, by their paths from it."""
    for item in folder.rglob("*"):
        if not item.is_dir():
            name = item.relative_to(folder).as_posix()
            yield name, partial(Folder(str(folder)).read, name)


def in_zip(archive: zipfile.ZipFile) -> Entries:
    """Yield the files of a zip by their paths in it, also two of one name."""
    for info in archive.infolist():
        if not info.is_dir():
            yield info.filename, partial(read_member, archive, info)


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Return the bytes of a member; raise Unreadable for more than a picture may have."""
    if info.file_size > MAX_FILE_BYTES:
        raise too_large(MAX_FILE_BYTES)
    return archive.read(info)


def is_favourite(name: str, pattern: str) -> bool:
    """Return whether a file is called as favourites are: the seed without leading zeros."""
    before, _, after = pattern.partition("{seed}")
    number = name.removeprefix(before).removesuffix(after)
    surrounded = name.startswith(before) and name.endswith(after)
    return surrounded and number.isdecimal() and number == str(int(number))


def misnamed(name: str, wanted: list[str], plan: SubmissionPlan) -> str:
    """Return why a file should not be there, with the right name where it can be told."""
    for right in wanted:
        if loose(right) == loose(name):
            return f"must be called {right}"
    pattern = plan.favourite_files
    if plan.favourites and loose(name).startswith(loose(pattern.partition("{seed}")[0])):
        return (
            f"favourites are called {pattern.replace('{seed}', 'SEED')}, "
            "the seed without leading zeros"
        )
    return "does not belong there"


def loose(name: str) -> str:
    """Return a file name without what is often got wrong: upper case, leading zeros."""
    parts = re.findall(r"\d+|\D+", name.lower())
    return "".join(part.lstrip("0") if part.isdecimal() else part for part in parts)
