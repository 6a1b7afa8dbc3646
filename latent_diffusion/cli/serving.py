"""The command that serves a page: app."""

from importlib.util import find_spec
from typing import Annotated

import typer

from latent_diffusion.cli.common import Device, ExistingRun, app


@app.command("app", epilog="Example: ldm app runs/eurosat --port 7860")
def app_(
    run: ExistingRun,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on; this machine alone by default, 0.0.0.0 for all that can reach it."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 7860,
    device: Device = "auto",
) -> None:
    """A page in the browser: generate, reconstruct, interpolate, and a human test. Nothing leaves this machine."""
    if find_spec("gradio") is None:
        raise ValueError('ldm app needs Gradio: pip install "latent-diffusion[app]"')
    from latent_diffusion.app.interface import serve

    serve(run, host, port, device)
