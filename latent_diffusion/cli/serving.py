"""The command that serves a page: app."""

from importlib.util import find_spec
from typing import Annotated

import typer

from latent_diffusion.cli.common import app
from latent_diffusion.cli.options import Device, ExistingRun
from latent_diffusion.extras import install

Host = Annotated[
    str,
    typer.Option(
        "--host",
        help="Address to listen on; this machine alone by default, 0.0.0.0 for all that can "
        "reach it.",
    ),
]
Port = Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")]


@app.command(
    "app",
    epilog="Example: ldm app runs/eurosat --port 7860",
    help="A page in the browser: generate, reconstruct, interpolate, and a human test. Nothing "
    "leaves this machine.",
)
def app_(
    run: ExistingRun, host: Host = "127.0.0.1", port: Port = 7860, device: Device = "auto"
) -> None:
    """Serve the app until interrupted."""
    if find_spec("gradio") is None:
        raise ValueError(f"ldm app needs Gradio: {install('app')}")
    from latent_diffusion.app.interface import serve

    serve(run, host, port, device)
