"""The page of `ldm app`, made with Gradio: what the tabs share, and the server. The tabs are in tabs.py."""

import socket
import threading
from pathlib import Path

import gradio as gr

from latent_diffusion.app import page
from latent_diffusion.app.jobs import Jobs
from latent_diffusion.app.tabs import generate_tab, human_test_tab, interpolate_tab, reconstruct_tab
from latent_diffusion.app.uploads import MOST_MEGABYTES
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import say
from latent_diffusion.run import Run

WAITING = 40  # jobs in the queue; the next one is told that the app is busy
UPLOADS_KEPT = 3600  # seconds


def build(run: Run, pipe: Pipeline) -> gr.Blocks:
    """The page for one run."""
    jobs, facts = Jobs(run, pipe), pipe.facts
    with gr.Blocks(
        title=f"{run.folder.resolve().name} – latent diffusion",
        analytics_enabled=False,
        delete_cache=(UPLOADS_KEPT, UPLOADS_KEPT),
    ) as blocks:
        gr.Markdown(
            f"## {run.folder.resolve().name}\n{facts.image_size}x{facts.image_size} pixels, {facts.num_classes} "
            f"class{'es' if facts.num_classes > 1 else ''}, trained on {sum(facts.histogram):,} images"
        )
        with gr.Tab("Generate"):
            generate_tab(jobs)
        with gr.Tab("Reconstruct"):
            reconstruct_tab(pipe, run)
        with gr.Tab("Interpolate"):
            interpolate_tab(jobs)
        with gr.Tab("Human test"):
            human_test_tab(jobs, run)
    return blocks.queue(max_size=WAITING)


def open_app(folder: Path, host: str, port: int, device: str = "auto") -> gr.Blocks:
    """Load the run and serve its page from threads of this process; `.close()` ends it. ValueError for a port in use."""
    require_free(host, port)
    run = Run.open(folder)
    blocks = build(run, Pipeline.from_run(folder, device))
    # Everything that could call out or show another user's work is off, whatever the environment says.
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
    """Gradio's own with the system's fonts, and small print that can be read."""
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    return gr.themes.Default(primary_hue="blue", **fonts).set(
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
    )


def serve(folder: Path, host: str, port: int, device: str) -> None:
    """Serve until interrupted."""
    blocks = open_app(folder, host, port, device)
    try:
        say(f"open http://{host}:{port} in a browser; Ctrl-C ends it")
        if host not in ("127.0.0.1", "localhost", "::1"):
            say(
                "this address can be reached by other machines: whoever can reach it can use the app"
            )
        threading.Event().wait()
    finally:
        blocks.close(verbose=False)


def require_free(host: str, port: int) -> None:
    """ValueError unless this process may listen there: before the networks are loaded, and in one line."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise ValueError(
            f"cannot listen on {host}:{port} ({error.strerror}): give another --port or --host"
        ) from None
