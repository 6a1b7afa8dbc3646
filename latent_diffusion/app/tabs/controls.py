"""What the tabs share: settings of sampling, buttons, and how handlers are called.

A handler is a generator that yields new values of components.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, Literal

import gradio as gr
from gradio.events import Dependency

from latent_diffusion.app.jobs import MOST_GUIDANCE, MOST_STEPS
from latent_diffusion.device import is_out_of_memory
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.sampling.config import by_class_spoken
from latent_diffusion.sampling.samplers import SAMPLERS

ALL = -1  # in the list of classes
WAITING = "Waiting for a turn …"
AT_ONCE = 4  # jobs of a queue

Updates = Iterator[dict[Any, Any]]  # new values, by component
Handler = Callable[..., Updates]


def connect(
    event: Callable[..., Dependency],
    handler: Handler,
    status: gr.Markdown,
    inputs: list[Any],
    outputs: list[Any],
    queue: Literal["drawing", "quick"],
) -> Dependency:
    """Have an event, such as a button's click, call a handler with the values of `inputs`.

    Drawing jobs share the network step by step; quick ones (reconstructions, answers) never wait
    for them.
    """
    return event(
        polite(handler, status),
        inputs,
        outputs,
        concurrency_id=queue,
        concurrency_limit=AT_ONCE,
        show_progress="hidden",
        api_visibility="private",
    )


def cancel_by(button: gr.Button, job: Dependency, note: gr.Markdown) -> None:
    """Have a button end a job, and say so in `note`."""
    button.click(
        lambda: "Cancelled.", None, note, cancels=[job], queue=False, api_visibility="private"
    )


def polite(handler: Handler, status: gr.Markdown) -> Handler:
    """Return the handler, which says in `status` what the person can put right.

    The rest of the page stays as it is.
    """

    @functools.wraps(handler)
    def run(*inputs: Any) -> Updates:
        try:
            yield from handler(*inputs)
        except ValueError as error:
            yield {status: f"**{str(error)[:1].upper()}{str(error)[1:]}.**"}
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            yield {status: "**There is not enough memory for this: ask for fewer images.**"}

    return run


def class_list(pipe: Pipeline, with_all: bool, **options: Any) -> gr.Dropdown:
    """Return a list of the run's classes, which gives a label; ALL for all of them in turn."""
    choices = [(name, label) for label, name in enumerate(pipe.facts.class_names)]
    if with_all:
        choices.insert(0, ("all classes in turn", ALL))
    return gr.Dropdown(choices, **options)


def sampling_controls(pipe: Pipeline) -> list[Any]:
    """Return guidance, steps and sampler, set as the run samples by default."""
    own = pipe.sampling
    guidance = gr.Slider(
        0,
        MOST_GUIDANCE,
        min(own.guidance, MOST_GUIDANCE),
        step=0.05,
        label="Guidance",
        info="1 is none; more makes images more typical of their class and less varied."
        + exceptions(pipe),
    )
    with gr.Accordion("Steps and sampler", open=False):
        steps = gr.Slider(
            1,
            MOST_STEPS,
            min(own.steps, MOST_STEPS),
            step=1,
            label="Steps",
            info="From noise to image; more takes longer.",
        )
        sampler = gr.Dropdown(
            list(SAMPLERS),
            value=own.sampler,
            label="Sampler",
            info="How noise becomes an image; heun evaluates the network twice a step.",
        )
    return [guidance, steps, sampler]


def exceptions(pipe: Pipeline) -> str:
    """Return a sentence that names classes with a guidance of their own, empty without any."""
    own = pipe.sampling
    if not own.class_guidance or own.guidance > MOST_GUIDANCE:
        return ""
    return (
        f" At {own.guidance:g}, the run's own, some classes have another: "
        f"{by_class_spoken(own.class_guidance)}."
    )


def start_and_cancel(name: str) -> tuple[gr.Button, gr.Button]:
    """Return the buttons that start a job and end it."""
    with gr.Row():
        start = gr.Button(name, variant="primary", min_width=120)
        return start, gr.Button("Cancel", min_width=120)


def picture_area(
    first: str, pictures_id: str, status_id: str
) -> tuple[gr.HTML, gr.Markdown, gr.Markdown]:
    """Return where pictures come, `first` this HTML, their status, and a note.

    The note is apart because a step under way may still report to the status.
    """
    with gr.Column(scale=2, min_width=280):
        pictures = gr.HTML(first, elem_id=pictures_id)
        return pictures, gr.Markdown(elem_id=status_id), gr.Markdown()
