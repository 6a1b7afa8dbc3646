"""The page of `ldm app`, made with Gradio, and its server. The tabs are in tabs/."""

import socket
import threading
from pathlib import Path

import gradio as gr

from latent_diffusion.app import page
from latent_diffusion.app.jobs import Jobs
from latent_diffusion.app.tabs.generate import GenerateTab
from latent_diffusion.app.tabs.human_test import HumanTestTab
from latent_diffusion.app.tabs.interpolate import InterpolateTab
from latent_diffusion.app.tabs.reconstruct import ReconstructTab
from latent_diffusion.app.tabs.scores import ScoresTab
from latent_diffusion.app.uploads import MOST_MEGABYTES
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import say
from latent_diffusion.run import Run

WAITING = 40  # jobs in the queue; the next one is told that the app is busy
UPLOADS_KEPT = 3600  # seconds
LOCAL = ("127.0.0.1", "localhost", "::1")


def build(run: Run, pipe: Pipeline) -> gr.Blocks:
    """Return the page for one run."""
    jobs, facts = Jobs(run, pipe), pipe.facts
    name, size = run.folder.resolve().name, facts.image_size
    with gr.Blocks(
        title=f"{name} – latent diffusion",  # noqa: RUF001 (a dash as pages set it)
        analytics_enabled=False,
        delete_cache=(UPLOADS_KEPT, UPLOADS_KEPT),
    ) as blocks:
        gr.Markdown(
            f"## {name}\n{size}x{size} pixels, {facts.num_classes} "
            f"class{'es' if facts.num_classes > 1 else ''}, "
            f"trained on {sum(facts.histogram):,} images"
        )
        with gr.Tab("Generate"):
            GenerateTab(jobs)
        with gr.Tab("Reconstruct"):
            ReconstructTab(pipe, run)
        with gr.Tab("Interpolate"):
            InterpolateTab(jobs)
        with gr.Tab("Human test"):
            HumanTestTab(jobs, run)
        with gr.Tab("Scores"):
            ScoresTab(run)
    return blocks.queue(max_size=WAITING)


def open_app(folder: Path, host: str, port: int, device: str = "auto") -> gr.Blocks:
    """Load the run and serve its page from threads of this process; `.close()` ends it.

    Raise ValueError for a port in use.
    """
    require_free(host, port)
    run = Run.open(folder)
    blocks = build(run, Pipeline.from_run(folder, device))
    # Everything that could call out or show another user's work is off, whatever the environment
    # says.
    blocks.launch(
        server_name=host,
        server_port=port,
        share=False,
        quiet=True,
        prevent_thread_lock=True,
        inbrowser=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        run_history=False,
        enable_monitoring=False,
        footer_links=[],
        css=page.STYLE,
        theme=theme(),
        max_file_size=MOST_MEGABYTES * 2**20,
    )
    return blocks


def theme() -> gr.themes.Base:
    """Return Gradio's own with the system's fonts, and small print that can be read."""
    return gr.themes.Default(
        primary_hue="blue",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
    )


def serve(folder: Path, host: str, port: int, device: str) -> None:
    """Serve a run's page until interrupted."""
    blocks = open_app(folder, host, port, device)
    try:
        say(f"open http://{host}:{port} in a browser; Ctrl-C ends it")
        if host not in LOCAL:
            say(
                "this address can be reached by other machines: whoever can reach it can use the "
                "app"
            )
        threading.Event().wait()
    finally:
        blocks.close(verbose=False)


def require_free(host: str, port: int) -> None:
    """Raise ValueError unless this process may listen there, before networks are loaded."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except OSError as error:
        raise ValueError(
            f"cannot listen on {host}:{port} ({error.strerror}): give another --port or --host"
        ) from None
