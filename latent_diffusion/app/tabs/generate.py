"""Generate: images of a class from seeds, with the command that draws the same."""

import shlex
import time
from typing import Any

import gradio as gr
import numpy as np

from latent_diffusion.app import page
from latent_diffusion.app.jobs import MOST_IMAGES, Jobs, Order
from latent_diffusion.app.tabs.controls import (
    ALL,
    WAITING,
    Updates,
    cancel_by,
    class_list,
    connect,
    picture_area,
    sampling_controls,
    start_and_cancel,
)
from latent_diffusion.data.decode import whole_picture
from latent_diffusion.inspection.grids import grid, wrapped
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.run import Run
from latent_diffusion.sampling.folder import LIST, read_list

SHEET_COLUMNS = 8
SPEEDS = [  # what they are called, and the student's jumps; 0 for none
    ("the denoiser, as set below", 0),
    ("its student: 4 network evaluations", 4),
    ("its student: 2", 2),
    ("its student: 1", 1),
]
FIRST_SHOWN = 12  # samples of the run, when the page opens


class GenerateTab:
    """The tab's components, and what its button does."""

    def __init__(self, jobs: Jobs):
        self.jobs = jobs
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                settings = self.settings()
                start, cancel = start_and_cancel("Generate")
            self.pictures, self.status, self.note = picture_area(
                first_pictures(jobs.run, jobs.pipe), "generated", "generate-status"
            )
        outputs = [self.pictures, self.status, self.note]
        job = connect(start.click, self.generate, self.status, settings, outputs, "drawing")
        cancel_by(cancel, job, self.note)

    def settings(self) -> list[Any]:
        """Return the components whose values `generate` takes, in its order."""
        pipe = self.jobs.pipe
        label = class_list(pipe, True, value=ALL, label="Class", elem_id="class")
        count = gr.Slider(1, MOST_IMAGES, 4, step=1, label="Number of images", elem_id="count")
        seed = gr.Number(
            1,
            precision=0,
            label="Seed",
            elem_id="seed",
            info="Of the first image; the others follow. The same seed and settings give the same "
            "image.",
        )
        jumps = gr.Dropdown(
            SPEEDS,
            value=0,
            label="Speed",
            info="A student draws sooner and a little worse, whatever steps and sampler are.",
            visible=self.jobs.has_student,
        )
        controls = sampling_controls(pipe)
        ema_length = gr.Dropdown(
            self.jobs.ema_lengths,
            value=pipe.ema_length,
            label="EMA of the weights",
            info="Share of the training that it covers.",
            visible=len(self.jobs.ema_lengths) > 1,
        )
        return [label, count, seed, *controls, ema_length, jumps]

    def generate(
        self,
        label: int,
        count: float,
        seed: float,
        guidance: float,
        steps: float,
        sampler: str,
        ema_length: float,
        jumps: int,
    ) -> Updates:
        """Draw the images, with previews on the way."""
        asked = None if label == ALL else label
        order = self.jobs.order(asked, count, seed, guidance, steps, sampler, ema_length, jumps)
        begun, captions = time.perf_counter(), self.captions(order)
        yield {self.status: WAITING, self.note: ""}
        for state in self.jobs.draw(order):
            update: dict[Any, str] = {self.status: f"Step {state.step} of {order.config.steps}"}
            if state.images is not None:
                update[self.pictures] = page.pictures(state.images, captions)
            yield update
        assert state.images is not None  # the last state has them
        seconds = time.perf_counter() - begun
        yield {
            self.pictures: finished_pictures(state.images, captions, order.seeds),
            self.status: f"{len(order.seeds)} image{'s' if len(order.seeds) > 1 else ''} in "
            f"{seconds:.1f} s; click one to save it. The same from the command line:\n\n"
            f"`{command(self.jobs, order, label)}`",
        }

    def captions(self, order: Order) -> list[str]:
        """Return the class and the seed of each image."""
        names = self.jobs.pipe.facts.class_names
        pairs = zip(order.labels, order.seeds, strict=True)
        return [f"{names[label]}, seed {seed}" for label, seed in pairs]


def first_pictures(run: Run, pipe: Pipeline) -> str:
    """Return what the page opens with: samples in the run, else the last preview of its training.

    Samples of other networks than the run has by now are left out.
    """
    folder = run.folder / "samples"
    try:
        listed = read_list(folder)["files"] if (folder / LIST).is_file() else {}
        own = {name: about for name, about in listed.items() if about.get("run") == pipe.checksum}
        if own:
            names = list(own)[:FIRST_SHOWN]
            images = [whole_picture(folder / name) for name in names]
            captions = [f"{own[name]['class']}, seed {own[name]['seed']}" for name in names]
            return page.pictures(images, captions)
        previews = sorted((run.diffusion.folder / "pictures").glob("*.png"))
        if previews:
            caption = f"The preview after step {int(previews[-1].stem)} of the training"
            return page.wide(whole_picture(previews[-1]), caption)
    except ValueError:  # somebody moved or changed them
        pass
    return page.empty("Images appear here, out of noise.")


def finished_pictures(images: np.ndarray, captions: list[str], seeds: list[int]) -> str:
    """Return images (N, H, W, 3) as files to save, called as `ldm sample` calls them."""
    files = [f"{seed:05d}.png" for seed in seeds]
    sheet = grid(wrapped(images, SHEET_COLUMNS))
    return page.pictures(images, captions, files, sheet=("grid.png", sheet))


def command(jobs: Jobs, order: Order, label: int) -> str:
    """Return the command line that draws an order; label: as it was chosen, perhaps ALL."""
    config = order.config
    words = ["ldm", "sample", str(jobs.run.folder), "OUT"]
    if label != ALL:
        words += ["--classes", quoted(jobs.pipe.facts.class_names[label])]
    words += ["--seeds", f"{order.seeds[0]}-{order.seeds[-1]}"]
    if not config.class_guidance:
        words += ["--guidance", f"{config.guidance:g}"]
    words += ["--steps", str(config.steps)]
    if order.pipe.is_fast:
        return shlex.join([*words, "--fast"])
    words += ["--sampler", config.sampler]
    if order.pipe is not jobs.pipe:
        words += ["--ema", f"{order.pipe.ema_length:g}"]
    return shlex.join(words)


def quoted(name: str) -> str:
    """Return a class name as --classes reads it."""
    if "," not in name and '"' not in name:
        return name
    return '"' + name.replace('"', '""') + '"'
