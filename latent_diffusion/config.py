"""The config of a run: one TOML file that nests what each part declares beside its code, and --set a.b=value.

A key that does not exist is refused with the nearest one that does, a wrong value with what is allowed.
"""

import difflib
import tomllib
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from latent_diffusion.run import Part, configs_folder, read_toml
from latent_diffusion.sampling.generate import SamplingConfig
from latent_diffusion.training.autoencoder import AutoencoderStage
from latent_diffusion.training.classifier import ClassifierStage
from latent_diffusion.training.diffusion import DiffusionStage


class Config(BaseModel):
    """Everything that can be set, by stage."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    autoencoder: AutoencoderStage = AutoencoderStage()
    classifier: ClassifierStage = ClassifierStage()
    diffusion: DiffusionStage = DiffusionStage()
    sampling: SamplingConfig = SamplingConfig()


def load_config(path: Path, settings: list[str] = (), precision: str | None = None) -> Config:
    """Read a TOML file and apply `settings` ("a.b=value") and a precision for all stages. ValueError in one line."""
    config = build(read_extended(find(path)), settings, precision, str(path))
    others = {
        "autoencoder": config.autoencoder,
        "autoencoder.perceptual_classifier": config.autoencoder.perceptual_classifier,
        "classifier": config.classifier,
    }
    if name := next((name for name, stage in others.items() if stage.training.snapshots), None):
        raise ValueError(
            f"{path}: {name}.training.snapshots: only diffusion.training takes snapshots, from which its average is chosen "
            "afterwards"
        )
    return config


def resumed_config(part: Part, settings: list[str] = (), precision: str | None = None) -> Config:
    """The config that a part of a run recorded."""
    recorded = part.read_config()
    return build(
        {name: recorded[name] for name in Config.model_fields if name in recorded},
        settings,
        precision,
        str(part.config_path),
    )


def build(tree: dict, settings: list[str], precision: str | None, source: str) -> Config:
    for setting in settings:
        assign(tree, setting)
    if precision:
        for stage in (
            "autoencoder",
            "autoencoder.perceptual_classifier",
            "autoencoder.adversary",
            "classifier",
            "diffusion",
        ):
            assign(tree, f"{stage}.training.precision={precision}")
    try:
        return Config.model_validate(over(Config().model_dump(), tree))
    except ValidationError as error:
        raise ValueError(explain(error, source)) from None


def over(defaults: dict, tree: dict) -> dict:
    """The defaults of all stages with what is set, so that a setting inside of a table leaves the others as they are declared."""
    return {
        **defaults,
        **{
            name: over(defaults[name], value)
            if isinstance(value, dict) and isinstance(defaults.get(name), dict)
            else value
            for name, value in tree.items()
        },
    }


def assign(tree: dict, setting: str) -> None:
    """Put "a.b=value" into a nested dict; the value is read as TOML, or else as text."""
    path, equals, text = setting.partition("=")
    if not equals or not all(path.split(".")):
        raise ValueError(
            f"--set {setting} is not of the form a.b=value, for example diffusion.training.steps=2000"
        )
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *parents, last = path.split(".")
    for name in parents:
        tree = tree.setdefault(name, {})
        if not isinstance(tree, dict):
            raise ValueError(f"--set {setting}: {name} is a value, not a table")
    tree[last] = value


def explain(error: ValidationError, source: str) -> str:
    """The first thing wrong, in one line: where, what, and what to write instead."""
    first = error.errors()[0]
    where, given = ".".join(map(str, first["loc"])), first.get("input")
    if first["type"] == "extra_forbidden":
        known = fields(first["loc"][:-1])
        near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        return f"{source}: no setting {where}: {hint}"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        return ": ".join(part for part in (source, where, message) if part)
    return f"{source}: {where} = {given!r}: {message[0].lower() + message[1:]}"


def fields(path: tuple) -> list[str]:
    """Names of the settings under a path."""
    model = Config
    for name in path:
        annotation = model.model_fields[name].annotation
        model = next(
            (
                a
                for a in (annotation, *get_args(annotation))
                if isinstance(a, type) and issubclass(a, BaseModel)
            ),
            model,
        )
    return list(model.model_fields)


def find(path: Path) -> Path:
    """The file itself, or one of the project's own by its name ("cartoons_cpu", "configs/cartoons_cpu.toml")."""
    own = configs_folder() / f"{path.name.removesuffix('.toml')}.toml"
    if path.is_file() or not own.is_file() or path.parent.name not in ("", "configs"):
        if not path.is_file():
            names = ", ".join(sorted(p.stem for p in configs_folder().glob("*.toml")))
            raise ValueError(f"there is no config at {path}; the project's own are {names}")
        return path
    return own


def read_extended(path: Path, above: tuple[Path, ...] = ()) -> dict:
    """Return a TOML file's settings, laid over those of the config that it names in `extends`.

    `extends` is the name of one of the project's own configs ("own_gpu") or a path beside the file
    ("mine.toml"). That config may extend another; `above` are the files on the way here. Tables
    merge, and the file's own values win. ValueError if a file extends itself or a missing one.
    """
    tree = read_toml(path)
    if "extends" not in tree:
        return tree
    base = extended_path(path, tree.pop("extends"))
    above = (*above, path.resolve())
    if base.resolve() in above:
        chain = " -> ".join(file.name for file in (*above, base))
        raise ValueError(f"{path}: extends goes in a circle: {chain}")
    return over(read_extended(base, above), tree)


def extended_path(path: Path, name: object) -> Path:
    """Return the file that `extends = name` in the config at `path` means."""
    known = sorted(file.stem for file in configs_folder().glob("*.toml"))
    if name in known:
        return configs_folder() / f"{name}.toml"
    if isinstance(name, str) and (path.parent / name).is_file():
        return path.parent / name
    raise ValueError(
        f"{path}: extends = {name!r} is neither a file beside it nor one of the project's own "
        f"configs, which are {', '.join(known)}"
    )


def default_config(device) -> Path:
    """The general config for one's own images on this kind of device."""
    return configs_folder() / ("own_cpu.toml" if device.type == "cpu" else "own_gpu.toml")
