"""How long each part of a workflow will take, measured before anything is trained."""

import time
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

from rich.table import Table

from autoencoder import Autoencoder
from latent_diffusion.classifier import Classifier
from latent_diffusion.data.store import Dataset
from latent_diffusion.denoiser import Denoiser
from latent_diffusion.denoiser.dit import DiTConfig
from latent_diffusion.denoiser.unet import UNetConfig
from latent_diffusion.device import choose_precision
from latent_diffusion.distributed import World
from latent_diffusion.evaluation.judge import Judge
from latent_diffusion.inspection.previews import SEEDS as PREVIEW_SEEDS
from latent_diffusion.loading import Codec
from latent_diffusion.pipeline import whole_batch
from latent_diffusion.run import Run
from latent_diffusion.sampling.generate import generate
from latent_diffusion.training.config import with_training
from latent_diffusion.training.planning import (
    STAGES,
    AnyStage,
    minutes_of,
    seconds_per_step,
    trial_task,
)
from latent_diffusion.training.stages import Config
from latent_diffusion.training.timing import PREVIEWS
from latent_diffusion.workflow.ending import SEEDS_SHOWN

# The most of each that leaves time for what is to be trained: shares of all the time.
SAMPLES, MOST_SCORING = (1_000, 500, 250), 0.2  # drawn and scored
SWEPT, MOST_SWEEPING = (500, 300, 200, 0), 0.15  # for each guidance tried
MOST_REPORTING = 0.1
TITLES = {
    "autoencoder": "stage one: the autoencoder",
    "classifier": "the judge: a classifier whose features score samples",
    "diffusion": "stage two: the denoiser",
}
TRIED_STEPS = 2  # of a sampler, to see how fast it is
SEEN_BY_THE_JUDGE = 60  # times as many images as there are samples, while they are scored
SECONDS_OF_STATISTICS = 20.0  # of that
GUIDANCE = (1.0, 1.25, 1.5, 2.0, 3.0)  # tried where none is given
SETTINGS_SWEPT = len(GUIDANCE) + 2  # the best, and the best by class, are drawn again
SECONDS_TO_COMPARE = 3.0  # one of them
DRAWN_FOR_A_REPORT, SECONDS_OF_A_REPORT = 450, 15.0  # samples, and what else there is
HALF_BELOW = {True: 2_000, False: 1_200}  # steps on pictures that are drawn, and on others
FEW_STEPS = 1_000  # of stage two, from which on pictures begin to hold together
OTHERS_GROW = 1.5  # minutes more in all, for one more of stage two
LEAST_SHARE = 0.3  # of the time that stage two gets, however long all else takes


def narrower(model: UNetConfig | DiTConfig, steps: float | None, drawn: bool) -> list[int]:
    """Return half of a UNet's widths where so few steps of it teach less; [] for its own."""
    if steps is None or steps >= HALF_BELOW[drawn] or not isinstance(model, UNetConfig):
        return []
    return [max(16, width // 32 * 16) for width in model.widths]


class Cost(NamedTuple):
    """Seconds for encoding and previews, and for drawing a sample, scoring it, judging all data."""

    apart: float
    draw: float
    score: float
    see_all: float


class Forecast:
    """What the parts of a workflow cost on this machine; `minutes` are those of all of it."""

    def __init__(
        self,
        run: Run,
        data: Dataset,
        config: Config,
        minutes: float,
        world: World,
        sweeping: bool = False,
    ):
        self.run, self.data, self.config, self.minutes = run, data, config, minutes
        self.world, self.device, self.sweeping = world, world.device, sweeping

    def stage_two(self, spent: float) -> float:
        """Return the minutes of stage two where so many seconds are spent, and only it is left."""
        left = self.minutes - (spent + self.seconds_after) / 60 - self.of_alignment
        return max(left, LEAST_SHARE * self.minutes)

    def table(self, spent: float) -> Table:
        """Return minutes and steps of every part that is not done yet, after `spent` seconds."""
        table = Table(title=f"{self.minutes:g} minutes on {self.device}", title_style="bold")
        for column in ("part", "minutes", "steps"):
            table.add_column(column, justify="left" if column == "part" else "right")
        for name in STAGES:
            stage = getattr(self.config, name)
            if getattr(self.run, name).trained:
                table.add_row(TITLES[name], "done", "")
                continue
            if name == "diffusion":
                minutes = own = self.stage_two(spent)
            else:
                minutes, own = minutes_of(stage), stage.training.minutes
            spent += 60 * minutes
            table.add_row(TITLES[name], f"{minutes:.1f}", self.steps(stage, own))
        if self.swept:
            sweep = f"{self.sweep_seconds(self.swept) / 60:.1f}"
            table.add_row(f"guidance by class: {self.swept:,} samples of each", sweep, "")
        scores = f"{self.seconds_of_scores / 60:.1f}"
        table.add_row(f"encoding; {self.samples:,} samples and their scores", scores, "")
        if self.seconds_of_report:
            table.add_row("a report", f"{self.seconds_of_report / 60:.1f}", "")
        return table

    def steps(self, stage: AnyStage, minutes: float | None) -> str:
        """Return about how many steps a stage does in so many minutes, or those it is given."""
        if stage.training.minutes is None:
            return f"{stage.training.steps:,}"
        assert minutes
        return f"about {60 * minutes / self.step_seconds(stage):,.0f}"

    def step_seconds(self, stage: AnyStage) -> float:
        """Return how long a step of a stage takes."""
        exact, model = with_training(stage, precision=self.precision), self.config.autoencoder.model
        return seconds_per_step(exact, model, self.data, self.world)

    def steps_of_stage_two(self, spent: float) -> float | None:
        """Return about how many steps stage two does in its time; None where it has none to do.

        spent: seconds, before anything that is not trained yet.
        """
        stage = self.config.diffusion
        if stage.training.minutes is None or self.run.diffusion.trained:
            return None
        early = [name for name in STAGES[:-1] if not getattr(self.run, name).trained]
        spent += 60 * sum(minutes_of(getattr(self.config, name)) for name in early)
        return 60 * self.stage_two(spent) / self.step_seconds(stage)

    def advice(self, spent: float) -> str | None:
        """Return in one line what would be better where stage two is short; None where it is not.

        spent: seconds, before anything that is not trained yet.
        """
        steps = self.steps_of_stage_two(spent)
        if steps is None or steps >= FEW_STEPS:
            return None
        missing = (FEW_STEPS - steps) * self.step_seconds(self.config.diffusion) / 60
        enough = self.minutes + OTHERS_GROW * missing
        return (
            f"stage two does only about {steps:,.0f} steps in its time, too few for pictures that "
            f"hold together: --minutes {enough:.0f} would be enough"
        )

    @property
    def of_alignment(self) -> float:
        """The minutes of a classifier that is trained for stage two's alignment alone."""
        config, there = self.config, self.run.perceptual.trained
        if there or not config.diffusion.alignment.weight:
            return 0.0
        if config.autoencoder.perceptual == "classifier":
            return 0.0  # it belongs to stage one
        return config.diffusion.alignment.classifier.training.minutes or 0.0

    @cached_property
    def precision(self) -> str:
        """What "auto" stands for on this device."""
        return choose_precision("auto", self.device)

    @property
    def seconds_after(self) -> float:
        """How long all takes that is neither stage one, nor the judge, nor steps of stage two.

        That is encoding the data set, drawing previews, samples and a grid, scoring them, choosing
        guidance and writing a report.
        """
        return self.seconds_of_scores + self.sweep_seconds(self.swept) + self.seconds_of_report

    @property
    def seconds_of_scores(self) -> float:
        """How long encoding, previews, samples and their scores take."""
        cost = self.measured
        return cost.apart + SECONDS_OF_STATISTICS + self.samples * (cost.draw + cost.score)

    @property
    def samples(self) -> int:
        """Return how many samples are drawn and scored."""
        each = self.measured.draw + self.measured.score
        most = 60 * MOST_SCORING * self.minutes
        return next((count for count in SAMPLES if count * each <= most), SAMPLES[-1])

    @property
    def swept(self) -> int:
        """Return how many samples each guidance is tried on; 0 where none is."""
        most = 60 * MOST_SWEEPING * self.minutes * self.sweeping
        return next(count for count in SWEPT if self.sweep_seconds(count) <= most)

    def sweep_seconds(self, count: int) -> float:
        """Return how long trying all guidances takes with so many samples each."""
        return SETTINGS_SWEPT * (count * self.measured.draw + SECONDS_TO_COMPARE) * (count > 0)

    @property
    def seconds_of_report(self) -> float:
        """How long a report takes; 0 where there is no time for one."""
        cost = self.measured
        seconds = SECONDS_OF_A_REPORT + DRAWN_FOR_A_REPORT * cost.draw + cost.see_all
        return seconds if seconds <= 60 * MOST_REPORTING * self.minutes else 0.0

    @cached_property
    def measured(self) -> "Cost":
        """What pictures cost on this machine."""
        data, config = self.data, self.config
        autoencoder, classifier, denoiser = (
            trial_task(getattr(config, name), config.autoencoder.model, data, self.device).model
            for name in STAGES
        )
        assert isinstance(autoencoder, Autoencoder)
        assert isinstance(classifier, Classifier) and isinstance(denoiser, Denoiser)
        codec = Codec(autoencoder, self.precision)
        judge = Judge(classifier, "", self.device, self.precision)
        images = data.images[data.train[: codec.compute_batch]]
        short = config.sampling.model_copy(update={"steps": TRIED_STEPS, "class_guidance": {}})
        batch = whole_batch(short)
        labels, seeds = [0] * batch, list(range(1, batch + 1))
        encode = seconds_of(lambda: codec.encode(images)) / len(images)
        see = seconds_of(lambda: judge(images)) / len(images)
        draw = seconds_of(lambda: generate(denoiser, codec, seeds, labels, short)) / batch
        draw *= config.sampling.evaluations / short.evaluations
        pictures = PREVIEWS * PREVIEW_SEEDS * min(data.num_classes, 12)
        pictures += SEEDS_SHOWN * data.num_classes
        views = 2 if data.info.flip else 1
        trained_on = views * len(data.train)
        return Cost(
            apart=trained_on * encode + pictures * draw,
            draw=draw,
            score=SEEN_BY_THE_JUDGE * see,
            see_all=trained_on * see,
        )


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long it takes when it is done for the second time."""
    work()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
