"""Interpolate: a walk from one image to another."""

from typing import Any

import gradio as gr
import numpy as np

from latent_diffusion.app import page
from latent_diffusion.app.jobs import MOST_FRAMES, Jobs
from latent_diffusion.app.tabs.controls import (
    WAITING,
    Updates,
    cancel_by,
    class_list,
    connect,
    picture_area,
    sampling_controls,
    start_and_cancel,
)
from latent_diffusion.inspection.grids import grid


class InterpolateTab:
    """The tab's components, and what its button does."""

    def __init__(self, jobs: Jobs):
        self.jobs = jobs
        last = jobs.pipe.facts.num_classes - 1
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                settings = self.end("From", 0, 1) + self.end("To", min(1, last), 2)
                settings.append(
                    gr.Slider(
                        2,
                        MOST_FRAMES,
                        9,
                        step=1,
                        label="Frames",
                        info="Between two seeds noise goes along an arc, between two classes "
                        "predictions are blended.",
                    )
                )
                settings += sampling_controls(jobs.pipe)
                start, cancel = start_and_cancel("Interpolate")
            self.pictures, self.status, self.note = picture_area(
                page.empty("The frames of a walk from one image to another appear here."),
                "walk",
                "walk-status",
            )
        outputs = [self.pictures, self.status, self.note]
        job = connect(start.click, self.interpolate, self.status, settings, outputs, "drawing")
        cancel_by(cancel, job, self.note)

    def end(self, name: str, label: int, seed: int) -> list[Any]:
        """Return the class and the seed of an end of the walk."""
        with gr.Row():
            return [
                class_list(
                    self.jobs.pipe, False, value=label, label=f"{name} class", min_width=120
                ),
                gr.Number(seed, precision=0, label=f"{name} seed", min_width=120),
            ]

    def interpolate(
        self,
        first: int,
        first_seed: float,
        second: int,
        second_seed: float,
        frames: float,
        guidance: float,
        steps: float,
        sampler: str,
    ) -> Updates:
        """Walk from (class, seed) to (class, seed), with previews on the way."""
        config = self.jobs.settings(guidance, steps, sampler)
        states = self.jobs.walk((first_seed, second_seed), (first, second), frames, config)
        yield {self.status: WAITING, self.note: ""}
        for state in states:
            update: dict[Any, str] = {self.status: f"Step {state.step} of {config.steps}"}
            if state.images is not None:
                done = state.step == config.steps
                update[self.pictures] = walk_pictures(state.images, done)
            yield update
        assert state.images is not None  # the last state has them
        yield {
            self.status: f"{len(state.images)} frames; click one to save it. The first and the "
            "last are those of Generate."
        }


def walk_pictures(images: np.ndarray, done: bool) -> str:
    """Return the frames (F, H, W, 3) of a walk, as files to save once it is done."""
    captions = [f"{number / (len(images) - 1):.0%}" for number in range(len(images))]
    if not done:
        return page.pictures(images, captions)
    files = [f"walk-{number:02d}.png" for number in range(len(images))]
    return page.pictures(images, captions, files, sheet=("walk.png", grid([images])))
