"""Human test: can a person tell generated images from real ones?"""

import gradio as gr

from latent_diffusion.app import page
from latent_diffusion.app.human_test import (
    FEWEST_ROUNDS,
    MOST_ROUNDS,
    HumanTest,
    plan,
    shown_images,
)
from latent_diffusion.app.jobs import Jobs, Order
from latent_diffusion.app.tabs.controls import Updates, connect
from latent_diffusion.data.reference import Reference
from latent_diffusion.run import Run

EXPOSURES = [
    ("100 ms", 100),
    ("250 ms", 250),
    ("500 ms", 500),
    ("1 s", 1000),
    ("2 s", 2000),
    ("as long as I want", 0),
]


class HumanTestTab:
    """The tab's components, and what a start and an answer do."""

    def __init__(self, jobs: Jobs, run: Run):
        self.jobs, self.run = jobs, run
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                gr.Markdown(
                    "Can you tell generated images from real ones? Half of the pictures are real, "
                    "held out from training; half are generated. They come in random order."
                )
                rounds = gr.Slider(
                    FEWEST_ROUNDS, MOST_ROUNDS, 20, step=10, label="Rounds", elem_id="rounds"
                )
                exposure = gr.Dropdown(
                    EXPOSURES, value=500, label="Each picture is shown for", elem_id="exposure"
                )
                start = gr.Button("Start", variant="primary")
            with gr.Column(scale=2, min_width=280):
                self.status = gr.Markdown(elem_id="test-status")
                self.pictures = gr.HTML(
                    page.empty("The pictures appear here, one at a time."),
                    js_on_load=page.HUMAN_TEST_SCRIPT,
                    elem_id="test",
                )
        self.session = gr.State()
        shown = [self.pictures, self.status]
        begun = [self.session, *shown]
        connect(start.click, self.begin, self.status, [rounds, exposure], begun, "drawing")
        connect(self.pictures.select, self.answer, self.status, [self.session], shown, "quick")

    def begin(self, rounds: float, exposure: int) -> Updates:
        """Draw the generated half, and show the first round."""
        reference = Reference.open(self.run)
        chosen = plan(reference, int(rounds))
        pipe = self.jobs.pipe
        order = Order(pipe, chosen.seeds, chosen.labels, pipe.sampling)
        drawing = "Drawing the generated pictures"
        yield {self.pictures: page.empty(""), self.status: f"{drawing} …"}
        for state in self.jobs.draw(order):
            yield {self.status: f"{drawing}: step {state.step} of {order.config.steps}"}
        assert state.images is not None  # the last state has them
        facts = {**order.config.model_dump(), "precision": pipe.precision, "run": pipe.checksum}
        test = HumanTest(
            folder=self.run.folder / "human_test",
            plan=chosen,
            images=shown_images(chosen, reference, state.images),
            class_names=reference.facts.class_names,
            reference_labels=reference.labels,
            milliseconds=exposure or None,
            facts=facts,
        )
        yield {self.session: test, self.pictures: round_of(test, 1), self.status: ""}

    def answer(self, test: HumanTest | None, event: gr.EventData) -> Updates:
        """Record an answer, and show the next round or the result."""
        if test is None:  # the page has outlived the server
            raise ValueError("this session is over: press Start for a new one")
        test.answer(int(event.round), event.said == "real", float(event.milliseconds))
        if test.done:
            yield {self.pictures: mistakes(test), self.status: results(test)}
        else:
            yield {self.pictures: round_of(test, len(test.answers) + 1)}


def round_of(test: HumanTest, number: int) -> str:
    """Return a round, counted from 1, as the page shows it."""
    image = test.images[number - 1]
    return page.human_test_round(image, number, test.rounds, test.milliseconds)


def results(test: HumanTest) -> str:
    """Return the error rates as Markdown, once all rounds are answered."""
    lines = ["| pictures | wrong | error rate | 95% interval |", "|---|---|---|---|"]
    for name, found in test.result().items():
        interval = f"{found.low:.0%} to {found.high:.0%}"
        lines.append(f"| {name} | {found.wrong} of {found.n} | {found.rate:.0%} | {interval} |")
    lines += [
        "",
        "50% overall would mean that you cannot tell them from real ones. "
        f"Saved in `human_test/{test.session}.jsonl` of the run.",
    ]
    return "\n".join(lines)


def mistakes(test: HumanTest) -> str:
    """Return the pictures that were taken for what they are not."""
    wrong = test.mistakes()
    if not wrong:
        return page.empty("No mistakes: every picture was told.")
    kinds = {True: "real", False: "generated"}
    captions = [
        f"{answer['class']}: {kinds[answer['real']]}, taken for {kinds[answer['said_real']]}"
        for answer in wrong
    ]
    return page.pictures([test.images[answer["round"] - 1] for answer in wrong], captions)
