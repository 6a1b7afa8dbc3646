"""The command that takes a run elsewhere: export."""

from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from latent_diffusion.cli.common import app
from latent_diffusion.cli.options import EmaLength, ExistingRun
from latent_diffusion.extras import install
from latent_diffusion.progress import say


class Format(StrEnum):
    """What --format may be."""

    onnx = "onnx"
    web = "web"
    hub = "hub"


ExportFolder = Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write; a new one.")]
FormatOption = Annotated[
    Format,
    typer.Option(
        "--format",
        help="onnx: networks for ONNX Runtime, and a sampler in NumPy. web: a page that samples in "
        "the browser. hub: weights and a model card, for Pipeline.from_pretrained.",
    ),
]
Runtime = Annotated[
    Path | None,
    typer.Option(
        "--runtime",
        help="web: folder with onnxruntime-web's files; from its npm package by default.",
        show_default=False,
    ),
]
Pictures = Annotated[
    bool,
    typer.Option(
        "--with-pictures",
        help="hub: your held-out pictures go along, and stand beside samples on the card.",
    ),
]
ScreeningData = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="hub: the run's prepared data set; the card then shows samples that are no near "
        "copies of it.",
        show_default=False,
    ),
]
Licence = Annotated[
    str | None,
    typer.Option(
        "--license", help="hub: under which the model is, such as mit.", show_default=False
    ),
]
Push = Annotated[
    str | None,
    typer.Option(
        "--push",
        metavar="NAME/MODEL",
        help="hub: then upload it to this repository, made private if it is not there.",
        show_default=False,
    ),
]


@app.command(
    epilog="Example: ldm export runs/eurosat eurosat-page --format web",
    help="A trained run in other people's programs, pages and hubs. No picture of yours goes along "
    "unless you say so.",
)
def export(
    run: ExistingRun,
    out: ExportFolder,
    format: FormatOption,
    runtime: Runtime = None,
    data: ScreeningData = None,
    with_pictures: Pictures = False,
    license: Licence = None,
    push: Push = None,
    ema: EmaLength = None,
) -> None:
    """Write a run in another form."""
    refuse_unused(
        format,
        {
            "--runtime": (Format.web, runtime),
            "--data": (Format.hub, data),
            "--with-pictures": (Format.hub, with_pictures),
            "--license": (Format.hub, license),
            "--push": (Format.hub, push),
        },
    )
    if format == Format.hub:
        to_hub(run, out, license, data, with_pictures, push, ema)
        return
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise ValueError(f"--format {format} needs {', '.join(missing)}: {install('export')}")
    if format == Format.onnx:
        from latent_diffusion.export.onnx import export_onnx

        export_onnx(run, out, ema)
        say(f"all of it in {out}: python {out / 'sample.py'} draws without PyTorch")
    else:
        from latent_diffusion.export.web import export_web

        export_web(run, out, runtime, ema)
        say(f"all of it in {out}: python -m http.server --directory {out}, then localhost:8000")


def to_hub(
    run: Path,
    out: Path,
    license: str | None,
    data: Path | None,
    with_pictures: bool,
    repository: str | None,
    ema: float | None,
) -> None:
    """Write a hub folder and, where asked, upload it."""
    from latent_diffusion.export.hub import Asked, export_hub, push

    if repository and find_spec("huggingface_hub") is None:
        raise ValueError(f"--push needs huggingface_hub: {install('hub')}")
    export_hub(run, out, Asked(license or "unknown", data, with_pictures, ema_length=ema))
    say(f'all of it in {out}: Pipeline.from_pretrained("{out}") loads it, README.md is its card')
    if repository:
        say(f"uploaded: {push(out, repository)}")


def refuse_unused(format: Format, options: dict[str, tuple[Format, object]]) -> None:
    """Raise ValueError for an option that was given and belongs to another format."""
    for name, (of, value) in options.items():
        if value and of != format:
            raise ValueError(f"{name} is for --format {of}, and this is --format {format}")
