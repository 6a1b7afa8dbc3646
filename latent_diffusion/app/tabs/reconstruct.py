"""Reconstruct: what the autoencoder leaves of a person's own picture."""

from pathlib import Path

import gradio as gr

from latent_diffusion.app import page
from latent_diffusion.app.tabs.controls import Updates, connect
from latent_diffusion.app.uploads import MOST_MEGABYTES, reconstruct_upload
from latent_diffusion.inspection.grids import ERROR_GAIN
from latent_diffusion.loading import Codec
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.run import Run

CAPTIONS = ["original", "reconstruction", f"error, {ERROR_GAIN} times brighter"]
FILES = ["original.png", "reconstruction.png", "error.png"]


class ReconstructTab:
    """The tab's components, and what an upload does."""

    def __init__(self, pipe: Pipeline, run: Run):
        self.codec = Codec.of(run, pipe.device)
        size = pipe.facts.image_size
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                self.upload = gr.File(
                    label=f"A picture of yours, up to {MOST_MEGABYTES} MB",
                    type="filepath",
                    file_types=["image"],
                    height=160,
                )
                gr.Markdown(
                    f"Its centre square is brought to {size}x{size} pixels, encoded to latents "
                    "and decoded again. What is lost here, no denoiser can bring back."
                )
            with gr.Column(scale=2, min_width=280):
                self.pictures = gr.HTML(
                    page.empty("Original, reconstruction and error appear here."),
                    elem_id="reconstruction",
                )
                self.status = gr.Markdown(elem_id="reconstruct-status")
        outputs = [self.upload, self.pictures, self.status]
        connect(self.upload.upload, self.reconstruct, self.status, [self.upload], outputs, "quick")

    def reconstruct(self, path: str) -> Updates:
        """Show the picture, its reconstruction and the error."""
        # The next picture can be given at once.
        yield {self.upload: None, self.pictures: page.empty(""), self.status: ""}
        found = reconstruct_upload(self.codec, Path(path))
        shown = [found.original, found.reconstruction, found.error]
        yield {
            self.pictures: page.pictures(shown, CAPTIONS, FILES),
            self.status: f"PSNR {found.psnr:.2f} dB, SSIM {found.ssim:.4f} (1 is identical)",
        }
