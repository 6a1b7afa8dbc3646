"""The tabs of the app: what a person sets, and what is done with it. Each handler yields new values of components."""

import functools
import shlex
import time
from collections.abc import Callable
from pathlib import Path

import gradio as gr
import numpy as np

from latent_diffusion.app import page
from latent_diffusion.app.human_test import (
    FEWEST_ROUNDS,
    MOST_ROUNDS,
    HumanTest,
    plan,
    shown_images,
)
from latent_diffusion.app.jobs import (
    MOST_FRAMES,
    MOST_GUIDANCE,
    MOST_IMAGES,
    MOST_STEPS,
    Jobs,
    Order,
)
from latent_diffusion.app.uploads import MOST_MEGABYTES, reconstruct_upload
from latent_diffusion.data.reference import Reference
from latent_diffusion.device import is_out_of_memory
from latent_diffusion.inspection.grids import ERROR_GAIN, grid, wrapped
from latent_diffusion.loading import Codec
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.run import Run
from latent_diffusion.sampling.config import by_class_spoken
from latent_diffusion.sampling.samplers import SAMPLERS

ALL = -1  # in the list of classes
WAITING = "Waiting for a turn …"
# Jobs at a time. Drawing jobs share the network step by step; quick ones (reconstructions, answers) never wait for them.
DRAWING = {
    "concurrency_id": "drawing",
    "concurrency_limit": 4,
    "show_progress": "hidden",
    "api_visibility": "private",
}
QUICK = {
    "concurrency_id": "quick",
    "concurrency_limit": 4,
    "show_progress": "hidden",
    "api_visibility": "private",
}
EXPOSURES = [
    ("100 ms", 100),
    ("250 ms", 250),
    ("500 ms", 500),
    ("1 s", 1000),
    ("2 s", 2000),
    ("as long as I want", 0),
]


def polite(handler: Callable, status: gr.Markdown) -> Callable:
    """The handler, which says in `status` what the person can put right; the rest of the page stays as it is."""

    @functools.wraps(handler)
    def run(*inputs):
        try:
            yield from handler(*inputs)
        except ValueError as error:
            yield {status: f"**{str(error)[:1].upper()}{str(error)[1:]}.**"}
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            yield {status: "**There is not enough memory for this: ask for fewer images.**"}

    return run


def class_list(pipe: Pipeline, everything: bool, **options) -> gr.Dropdown:
    names = [(name, label) for label, name in enumerate(pipe.facts.class_names)]
    return gr.Dropdown(([("all classes in turn", ALL)] if everything else []) + names, **options)


def sampling_controls(pipe: Pipeline) -> list:
    """Guidance, steps and sampler, set as the run samples by default."""
    by_class = (
        by_class_spoken(pipe.sampling.class_guidance)
        if pipe.sampling.guidance <= MOST_GUIDANCE
        else ""
    )
    guidance = gr.Slider(
        0,
        MOST_GUIDANCE,
        min(pipe.sampling.guidance, MOST_GUIDANCE),
        step=0.05,
        label="Guidance",
        info="1 is none; more makes images more typical of their class and less varied."
        + (
            f" At {pipe.sampling.guidance:g}, the run's own, some classes have another: {by_class}."
            if by_class
            else ""
        ),
    )
    with gr.Accordion("Steps and sampler", open=False):
        steps = gr.Slider(
            1,
            MOST_STEPS,
            min(pipe.sampling.steps, MOST_STEPS),
            step=1,
            label="Steps",
            info="From noise to image; more takes longer.",
        )
        sampler = gr.Dropdown(
            list(SAMPLERS),
            value=pipe.sampling.sampler,
            label="Sampler",
            info="ddpm adds fresh noise at each step; heun calls the network twice a step.",
        )
    return [guidance, steps, sampler]


def start_and_cancel(name: str) -> list[gr.Button]:
    with gr.Row():
        return [
            gr.Button(name, variant="primary", min_width=120),
            gr.Button("Cancel", min_width=120),
        ]


def drawn(text: str, pictures_id: str, status_id: str) -> list:
    """Where pictures come, their status, and a note of its own: a step under way may still report to the status."""
    with gr.Column(scale=2, min_width=280):
        return [
            gr.HTML(page.empty(text), elem_id=pictures_id),
            gr.Markdown(elem_id=status_id),
            gr.Markdown(),
        ]


def generate_tab(jobs: Jobs) -> None:
    names = jobs.pipe.facts.class_names
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            label = class_list(jobs.pipe, True, value=ALL, label="Class", elem_id="class")
            count = gr.Slider(1, MOST_IMAGES, 4, step=1, label="Number of images", elem_id="count")
            seed = gr.Number(
                1,
                precision=0,
                label="Seed",
                elem_id="seed",
                info="Of the first image; the others follow. The same seed and settings give the same image.",
            )
            controls = sampling_controls(jobs.pipe)
            average = gr.Dropdown(
                jobs.ema_lengths,
                value=jobs.pipe.ema_length,
                label="Average of the weights",
                info="Share of the training that it covers.",
                visible=len(jobs.ema_lengths) > 1,
            )
            start, cancel = start_and_cancel("Generate")
        pictures, status, note = drawn(
            "Images appear here, out of noise.", "generated", "generate-status"
        )

    def generate(
        label: int,
        count: float,
        seed: float,
        guidance: float,
        steps: float,
        sampler: str,
        average: float,
    ):
        order, begun = (
            jobs.order(
                None if label == ALL else label, count, seed, guidance, steps, sampler, average
            ),
            time.perf_counter(),
        )
        captions = [
            f"{names[drawn]}, seed {number}" for number, drawn in zip(order.seeds, order.labels)
        ]
        yield {status: WAITING, note: ""}
        for drawing in jobs.draw(order):
            shown = (
                {}
                if drawing.images is None
                else {pictures: page.pictures(drawing.images, captions)}
            )
            yield {**shown, status: f"Step {drawing.step} of {order.config.steps}"}
        yield {
            pictures: page.pictures(
                drawing.images,
                captions,
                [f"{number:05d}.png" for number in order.seeds],
                sheet=("grid.png", grid(wrapped(drawing.images, 8))),
            ),
            status: f"{len(order.seeds)} image{'s' if len(order.seeds) > 1 else ''} in {time.perf_counter() - begun:.1f} s; "
            f"click one to save it. The same from the command line:\n\n`{command(jobs, order, label)}`",
        }

    event = start.click(
        polite(generate, status),
        [label, count, seed, *controls, average],
        [pictures, status, note],
        **DRAWING,
    )
    cancel.click(
        lambda: "Cancelled.", None, note, cancels=[event], queue=False, api_visibility="private"
    )


def command(jobs: Jobs, order: Order, label: int) -> str:
    name = jobs.pipe.facts.class_names[label]
    quoted = '"' + name.replace('"', '""') + '"' if "," in name or '"' in name else name
    classes = [] if label == ALL else ["--classes", quoted]
    average = [] if order.pipe is jobs.pipe else ["--average", f"{order.pipe.ema_length:g}"]
    config = order.config
    guidance = [] if config.class_guidance else ["--guidance", f"{config.guidance:g}"]
    return shlex.join(
        [
            "ldm",
            "sample",
            str(jobs.run.folder),
            "OUT",
            *classes,
            "--seeds",
            f"{order.seeds[0]}-{order.seeds[-1]}",
            *guidance,
            "--steps",
            str(config.steps),
            "--sampler",
            config.sampler,
            *average,
        ]
    )


def reconstruct_tab(pipe: Pipeline, run: Run) -> None:
    codec = Codec.of(run, pipe.device)
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            upload = gr.File(
                label=f"A picture of yours, up to {MOST_MEGABYTES} MB",
                type="filepath",
                file_types=["image"],
                height=160,
            )
            gr.Markdown(
                f"Its centre square is brought to {pipe.facts.image_size}x{pipe.facts.image_size} pixels, encoded to latents and "
                "decoded again. What is lost here, no denoiser can bring back."
            )
        with gr.Column(scale=2, min_width=280):
            pictures = gr.HTML(
                page.empty("Original, reconstruction and error appear here."),
                elem_id="reconstruction",
            )
            status = gr.Markdown(elem_id="reconstruct-status")

    def reconstruct(path: str | None):
        yield {
            upload: None,
            pictures: page.empty(""),
            status: "",
        }  # the next picture can be given at once
        found = reconstruct_upload(codec, Path(path))
        captions = ["original", "reconstruction", f"error, {ERROR_GAIN} times brighter"]
        yield {
            pictures: page.pictures(
                found[:3], captions, ["original.png", "reconstruction.png", "error.png"]
            ),
            status: f"PSNR {found.psnr:.2f} dB, SSIM {found.ssim:.4f} (1 is identical)",
        }

    upload.upload(polite(reconstruct, status), upload, [upload, pictures, status], **QUICK)


def interpolate_tab(jobs: Jobs) -> None:
    last = jobs.pipe.facts.num_classes - 1
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            ends = []
            for name, label, number in (("From", 0, 1), ("To", min(1, last), 2)):
                with gr.Row():
                    ends += [
                        class_list(
                            jobs.pipe, False, value=label, label=f"{name} class", min_width=120
                        ),
                        gr.Number(number, precision=0, label=f"{name} seed", min_width=120),
                    ]
            frames = gr.Slider(
                2,
                MOST_FRAMES,
                9,
                step=1,
                label="Frames",
                info="Between two seeds noise goes along an arc, between two "
                "classes predictions are blended.",
            )
            controls = sampling_controls(jobs.pipe)
            start, cancel = start_and_cancel("Interpolate")
        pictures, status, note = drawn(
            "The frames of a walk from one image to another appear here.", "walk", "walk-status"
        )

    def interpolate(
        first: int, first_seed: float, second: int, second_seed: float, frames: float, *sampling
    ):
        config = jobs.settings(*sampling)
        states = jobs.walk((first_seed, second_seed), (first, second), frames, config)
        yield {status: WAITING, note: ""}
        for drawing in states:
            shown = (
                {}
                if drawing.images is None
                else {pictures: walk_pictures(drawing.images, drawing.step == config.steps)}
            )
            yield {**shown, status: f"Step {drawing.step} of {config.steps}"}
        yield {
            status: f"{len(drawing.images)} frames; click one to save it. The first and the last are those of Generate."
        }

    event = start.click(
        polite(interpolate, status), [*ends, frames, *controls], [pictures, status, note], **DRAWING
    )
    cancel.click(
        lambda: "Cancelled.", None, note, cancels=[event], queue=False, api_visibility="private"
    )


def walk_pictures(images: np.ndarray, finished: bool) -> str:
    captions = [f"{number / (len(images) - 1):.0%}" for number in range(len(images))]
    files = [f"walk-{number:02d}.png" for number in range(len(images))]
    return page.pictures(
        images, captions, *([files, ("walk.png", grid([images]))] if finished else [])
    )


def human_test_tab(jobs: Jobs, run: Run) -> None:
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            gr.Markdown(
                "Can you tell generated images from real ones? Half of the pictures are real, held out from training; half are "
                "generated. They come in random order."
            )
            rounds = gr.Slider(
                FEWEST_ROUNDS, MOST_ROUNDS, 20, step=10, label="Rounds", elem_id="rounds"
            )
            exposure = gr.Dropdown(
                EXPOSURES, value=500, label="Each picture is shown for", elem_id="exposure"
            )
            start = gr.Button("Start", variant="primary")
        with gr.Column(scale=2, min_width=280):
            status = gr.Markdown(elem_id="test-status")
            pictures = gr.HTML(
                page.empty("The pictures appear here, one at a time."),
                js_on_load=page.HUMAN_TEST_SCRIPT,
                elem_id="test",
            )
    session = gr.State()

    def begin(rounds: float, exposure: int):
        reference = Reference.open(run)
        chosen = plan(reference, int(rounds))
        order = Order(jobs.pipe, chosen.seeds, chosen.labels, jobs.pipe.sampling)
        yield {pictures: page.empty(""), status: "Drawing the generated pictures …"}
        for drawing in jobs.draw(order):
            yield {
                status: f"Drawing the generated pictures: step {drawing.step} of {order.config.steps}"
            }
        test = HumanTest(
            run.folder / "human_test",
            chosen,
            shown_images(chosen, reference, drawing.images),
            reference.facts.class_names,
            reference.labels,
            exposure or None,
            {
                **order.config.model_dump(),
                "precision": jobs.pipe.precision,
                "run": jobs.pipe.checksum,
            },
        )
        yield {
            session: test,
            pictures: page.human_test_round(test.images[0], 1, test.rounds, test.milliseconds),
            status: "",
        }

    def answer(test: HumanTest | None, event: gr.EventData):
        if test is None:  # the page has outlived the server
            raise ValueError("this session is over: press Start for a new one")
        test.answer(int(event.round), event.said == "real", float(event.milliseconds))
        done = len(test.answers)
        if test.done:
            yield {pictures: mistakes(test), status: results(test)}
        else:
            yield {
                pictures: page.human_test_round(
                    test.images[done], done + 1, test.rounds, test.milliseconds
                )
            }

    start.click(polite(begin, status), [rounds, exposure], [session, pictures, status], **DRAWING)
    pictures.select(polite(answer, status), session, [pictures, status], **QUICK)


def results(test: HumanTest) -> str:
    lines = ["| pictures | wrong | error rate | 95% interval |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {rate.wrong} of {rate.n} | {rate.rate:.0%} | {rate.low:.0%} to {rate.high:.0%} |"
        for name, rate in test.result().items()
    ]
    return "\n".join(
        [
            *lines,
            "",
            "50% overall would mean that you cannot tell them from real ones. "
            f"Saved in `human_test/{test.session}.jsonl` of the run.",
        ]
    )


def mistakes(test: HumanTest) -> str:
    wrong = test.mistakes()
    if not wrong:
        return page.empty("No mistakes: every picture was told.")
    names = {True: "real", False: "generated"}
    captions = [
        f"{answer['class']}: {names[answer['real']]}, taken for {names[answer['said_real']]}"
        for answer in wrong
    ]
    return page.pictures([test.images[answer["round"] - 1] for answer in wrong], captions)
