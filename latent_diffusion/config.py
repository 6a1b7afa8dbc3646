"""Settings as TOML files and as --set a.b=value, checked by pydantic models; what they say belongs
to whoever declares the model (training/stages.py for a run's).

A key that does not exist is refused with the nearest one that does, a wrong value with what is
allowed.
"""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from latent_diffusion.parsing import MOST_NESTED, parse_toml, read_toml
from latent_diffusion.run import EARLIER_NAMES, configs_folder, modern

Model = TypeVar("Model", bound=BaseModel)
KIND = "kind"  # the key of a table that says which of several models it is
EITHER = {"steps": "minutes", "minutes": "steps"}  # how long a training is: what is set last counts


class HasType(Protocol):
    """A torch device, for which nobody here waits."""

    type: str


def build(
    model: type[Model], tree: Mapping[str, Any], settings: Sequence[str], source: str
) -> Model:
    """Return the model with the settings of a tree, and then of "a.b=value"; the rest as declared.

    A setting inside of a table leaves the others of the table alone. Raise ValueError, in one line
    that begins with `source`, for what is not allowed.
    """
    whole = over(model().model_dump(), tree)
    for setting in sorted(settings, key=lambda setting: not names_a_kind(setting)):
        assign(whole, setting)
    return validated(model, modern(whole), source)


def validated(model: type[Model], settings: Mapping[str, Any], source: str) -> Model:
    """Return the model with these settings; ValueError in one line that begins with `source`."""
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        raise ValueError(explain(error, source, model)) from None


def names_a_kind(setting: str) -> bool:
    """Return whether "a.b.kind=value" chooses a model, whose settings come after it."""
    return setting.partition("=")[0].endswith(f".{KIND}")


def over(below: Mapping[str, Any], tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of `tree` laid over those `below`, table by table.

    A table of another kind than the one below shares no settings with it, and takes its place.
    """
    kinds = tree.get(KIND), below.get(KIND)
    if all(isinstance(kind, str) for kind in kinds) and kinds[0] != kinds[1]:
        return dict(tree)
    merged = {name: value for name, value in below.items() if not outdone(name, tree)}
    for name, value in tree.items():
        known = below.get(name)
        both = isinstance(value, Mapping) and isinstance(known, Mapping)
        merged[name] = over(known, value) if both else value  # type: ignore[arg-type]
    return merged


def outdone(name: str, tree: Mapping[str, Any]) -> bool:
    """Return whether a table sets what takes the place of this setting, and not the setting."""
    return EITHER.get(name) in tree and name not in tree


def assign(tree: dict[str, Any], setting: str) -> None:
    """Put "a.b=value" into a nested dict; the value is read as TOML, or else as text.

    Another kind of model drops the settings that were there for the former one.
    """
    path, equals, text = setting.partition("=")
    if not equals or not all(path.split(".")):
        raise ValueError(
            f"--set {setting} is not of the form a.b=value, for example "
            "diffusion.training.steps=2000"
        )
    try:
        value = parse_toml(f"value = {text}")["value"]
    except ValueError:
        value = text
    *parents, last = path.split(".")
    if len(parents) > MOST_NESTED:
        raise ValueError(f"--set {setting[:40]}…: there is no setting so deep")
    for name in parents:
        tree = tree.setdefault(name, {})
        if not isinstance(tree, dict):
            raise ValueError(f"--set {setting}: {name} is a value, not a table")
    if last == KIND and isinstance(tree.get(KIND), str) and tree[KIND] != value:
        tree.clear()
    tree.pop(EITHER.get(last, ""), None)
    tree[EARLIER_NAMES.get(last, last)] = value


def explain(error: ValidationError, source: str, model: type[BaseModel]) -> str:
    """Return the first thing wrong, in one line: where, what, and what to write instead."""
    first = error.errors()[0]
    path, table = locate(first["loc"], model)
    where = ".".join(path)
    if first["type"] == "extra_forbidden":
        known = list(table.model_fields)
        near = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        return f"{source}: no setting {where}: {hint}"
    if first["type"] == "union_tag_invalid":
        context = first["ctx"]
        return (
            f"{source}: {where}.{KIND} = {context['tag']!r}: there are {context['expected_tags']}"
        )
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        return ": ".join(part for part in (source, where, message) if part)
    return f"{source}: {where} = {first.get('input')!r}: {message[0].lower()}{message[1:]}"


def locate(
    location: Sequence[int | str], model: type[BaseModel]
) -> tuple[list[str], type[BaseModel]]:
    """Return the settings that lead to an error, by name, and the model of the last one's table.

    pydantic's location also names the kind where a setting is one of several models.
    """
    path: list[str] = []
    table = inside = model
    kinds: dict[str, type[BaseModel]] = {}
    for name in map(str, location):
        if name in kinds:
            inside, kinds = kinds[name], {}
            continue
        path.append(name)
        table = inside
        field = table.model_fields.get(name)
        models = models_in(field.annotation) if field else []
        kinds = {kind_of(one): one for one in models}
        inside = models[0] if models else table
    return path, table


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models that a setting's type allows."""
    allowed = (annotation, *get_args(annotation))
    return [one for one in allowed if isinstance(one, type) and issubclass(one, BaseModel)]


def kind_of(model: type[BaseModel]) -> str:
    """Return the kind that a model stands for, if it is one of several."""
    field = model.model_fields.get(KIND)
    return str(field.default) if field else ""


def find(path: Path) -> Path:
    """Return the file, or one of the project's own by its name ("cartoons_cpu").

    Raise ValueError, with the names of all, where there is none.
    """
    own = configs_folder() / f"{path.name.removesuffix('.toml')}.toml"
    if path.is_file():
        return path
    if own.is_file() and path.parent.name in ("", "configs"):
        return own
    raise ValueError(
        f"there is no config at {path}; the project's own are {', '.join(own_names())}"
    )


def own_name(text: str) -> str | None:
    """Return the name that "configs/own_cpu" or "own_cpu.toml" means, if it is one of our own."""
    stem = text.removeprefix("configs/").removesuffix(".toml")
    return stem if stem in own_names() else None


def own_names() -> list[str]:
    """Return the names of the project's own configs."""
    return sorted(path.stem for path in configs_folder().glob("*.toml"))


def read_extended(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return a TOML file's settings, laid over those of the configs that it names in `extends`.

    `extends` is the name of one of the project's own configs ("own_gpu") or of their parts
    ("drawn"), or a path beside the file ("mine.toml"), or a list of them, each laid over the ones
    before. They may extend others; `above` are the files on the way here. Tables merge, and the
    file's own values win. ValueError if a file extends itself or a missing one.
    """
    tree = modern(read_toml(path))
    named = tree.pop("extends", [])
    above = (*above, path.resolve())
    if len(above) > MOST_NESTED:
        raise ValueError(f"{path}: {len(above)} configs extend each other: put them together")
    below: dict[str, Any] = {}
    for name in named if isinstance(named, list) else [named]:
        base = extended_path(path, name)
        if base.resolve() in above:
            chain = " -> ".join(file.name for file in (*above, base))
            raise ValueError(f"{path}: extends goes in a circle: {chain}")
        below = over(below, read_extended(base, above))
    return over(below, tree)


def read_laid(paths: Sequence[Path]) -> dict[str, Any]:
    """Return the settings of several TOML files, each laid over those before it."""
    tree: dict[str, Any] = {}
    for path in paths:
        tree = over(tree, read_extended(path))
    return tree


def extended_path(path: Path, name: object) -> Path:
    """Return the file that `extends = name` in the config at `path` means."""
    if name in own_names():
        return configs_folder() / f"{name}.toml"
    if isinstance(name, str) and name.isidentifier() and part_path(name).is_file():
        return part_path(name)
    if isinstance(name, str) and (path.parent / name).is_file():
        return path.parent / name
    if isinstance(name, str) and (stem := own_name(name)):
        return configs_folder() / f"{stem}.toml"
    raise ValueError(
        f"{path}: extends = {name!r} is neither a file beside it nor one of the project's own "
        f"configs, which are {', '.join(own_names())}"
    )


def part_path(name: str) -> Path:
    """Return the file of a part: what some pictures want, to be laid over a whole config."""
    return configs_folder() / "parts" / f"{name}.toml"


def default_config(device: HasType) -> Path:
    """Return the general config for one's own images on this kind of device."""
    return configs_folder() / ("own_cpu.toml" if device.type == "cpu" else "own_gpu.toml")
