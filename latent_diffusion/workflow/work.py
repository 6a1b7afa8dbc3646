"""From pictures to a scored result in so many minutes: `ldm train`, and on cartoons `ldm demo`.

Every stage is given minutes and finds its own steps; stage two gets the time that all else leaves.
What is finished is kept: work that was interrupted goes on, and work that is done samples and
scores again at once.
"""

import time
from functools import cached_property
from pathlib import Path
from typing import Any

import tomli_w
import torch

from latent_diffusion.config import default_config, part_path
from latent_diffusion.data.prepare import prepare
from latent_diffusion.data.store import Dataset
from latent_diffusion.data.summary import summary
from latent_diffusion.device import choose_device
from latent_diffusion.distributed import World
from latent_diffusion.evaluation.judge_training import make_judge
from latent_diffusion.inspection.previews import Preview, reconstruction_preview, sample_preview
from latent_diffusion.loading import without_training
from latent_diffusion.lock import locked
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import LateProgress, clock, console, part_of, say
from latent_diffusion.run import Interrupted, Part, Run, without_none, write_atomic
from latent_diffusion.sampling.config import by_class_spoken
from latent_diffusion.studies.sweep.search import sweep
from latent_diffusion.tensors import holds
from latent_diffusion.training.autoencoder import train_autoencoder
from latent_diffusion.training.checkpoint import newest_checkpoint, section
from latent_diffusion.training.config import with_training
from latent_diffusion.training.diffusion import train_diffusion
from latent_diffusion.training.planning import STAGES, planned
from latent_diffusion.training.stage import Start
from latent_diffusion.training.stages import Config, load_config, resumed_config
from latent_diffusion.workflow.ending import sample_and_score
from latent_diffusion.workflow.forecast import GUIDANCE, TITLES, Forecast, narrower
from latent_diffusion.workflow.look import are_drawn, nearest_measured, parts_for
from latent_diffusion.workflow.order import DEMO_CONFIG, Order

PLAN, PREVIEW = "plan.toml", "preview.png"  # in a run


def run_demo(folder: Path, device: str, settings: list[str], minutes: float | None = None) -> None:
    """Do all of the demo in `folder`, or what is left of it.

    Raise ValueError for settings other than those it began with, which it would go on without.
    """
    run = Run(folder)
    begun = Order.read(run)
    if begun and settings not in ([], begun.settings):
        given = " ".join(f"--set {setting}" for setting in begun.settings) or "no --set"
        raise ValueError(
            f"the demo in {folder} began with {given}: leave out --set to go on, or give a new "
            "--run"
        )
    order, more = longer_order(begun, minutes) if begun else (Order.demo(settings, minutes), 0.0)
    work_on(run, order, device, "ldm demo goes on where it stopped", more)


def longer_order(begun: Order, minutes: float | None) -> tuple[Order, float]:
    """Return an order that was begun, with so many minutes if any are given, and how many more."""
    if minutes is None:
        return begun, 0.0
    return begun.model_copy(update={"minutes": minutes}), minutes - begun.minutes


def run_train(
    order: Order,
    folder: Path,
    device: str,
    resume: bool,
    plan_only: bool,
    minutes: float | None = None,
) -> None:
    """Do all that was ordered in `folder`; `resume`: what is left of it, or of so many minutes.

    plan_only: only say what would be trained, and write it as RUN/plan.toml.
    """
    run = Run(folder)
    begun = Order.read(run)
    if begun and not (resume or plan_only):
        raise ValueError(
            f"{folder} was begun already, with {begun.minutes:g} minutes for {begun.source}: "
            "--resume goes on (with more --minutes stage two is trained further), another RUN "
            "begins anew"
        )
    if plan_only:
        Work(run, order, choose_device(device)).only_plan()
        return
    order, more = longer_order(begun, minutes) if begun else (order, 0.0)
    work_on(run, order, device, "--resume goes on where it stopped", more)


def work_on(run: Run, order: Order, device: str, how: str, more: float = 0.0) -> None:
    """Do the work, and keep how long it took so far however it ends.

    more: minutes than it was begun with, for stage two.
    """
    try:
        with locked(run.lock_path):
            work = Work(run, order, choose_device(device), more)
            try:
                with part_of(60 * work.order.minutes, work.order.spent):
                    work.do()
            finally:
                work.record()
    except Interrupted:
        raise Interrupted(f"interrupted, all saved: {how}") from None


class Work:
    """One order under way in a run."""

    def __init__(self, run: Run, order: Order, device: torch.device, more: float = 0.0):
        self.run, self.order, self.device, self.more = run, order, device, more
        self.start = time.perf_counter()
        self.world = World(0, 1, device)
        self.config = self.planned()

    @property
    def spent(self) -> float:
        """Return the seconds that this order took so far."""
        return self.order.spent + time.perf_counter() - self.start

    @property
    def finished(self) -> bool:
        """Return whether all networks are trained."""
        return all(getattr(self.run, name).trained for name in STAGES)

    def record(self) -> None:
        """Keep in the run how long it took so far, once it is begun."""
        if Order.read(self.run):
            self.order.model_copy(update={"spent": self.spent}).write(self.run)

    def do(self) -> None:
        """Prepare, train the three networks, sample, score."""
        data = self.data  # refuses what cannot be read before anything is begun
        self.choose()
        self.order.write(self.run)
        if not self.finished:
            self.show_plan()
        self.stage_one(data)
        self.judge(data)
        self.stage_two(data)
        self.choose_guidance()
        count, page = self.forecast.samples, bool(self.forecast.seconds_of_report)
        sample_and_score(self.run, count, str(self.device), data.folder if page else None)
        say(
            f"\nall of it took {clock(self.spent)} minutes. "
            f"More: ldm sample {self.run.folder} samples --seeds 1-100 --guidance 2"
        )

    @cached_property
    def data(self) -> Dataset:
        """The data set: the source itself where it is prepared, else the run's own, made now."""
        source = Path(self.order.source)
        if (source / "dataset.json").is_file():
            return Dataset.open(source)
        folder = self.run.folder / "data"
        if not (folder / "dataset.json").is_file():
            with LateProgress("preparing") as progress:
                info = prepare(
                    self.order.source, folder, self.order.size, on_progress=progress.update
                )
            for line in summary(info):
                say(line)
        return Dataset.open(folder)

    def planned(self) -> Config:
        """Return what is trained, and how long."""
        order, general = self.order, default_config(self.device)
        path, more = Path(order.config) if order.config else general, map(part_path, order.chosen)
        widths = [f"diffusion.model.widths={order.widths}"] if order.widths else []
        return planned(load_config(path, widths + order.settings, None, *more), order.minutes)

    def choose(self) -> None:
        """Choose what to train by a look at data and time, unless it was given or begun before."""
        if not Order.read(self.run):
            drawn = are_drawn(self.data)
            given = any(one.startswith("sampling.") for one in self.order.settings)
            if not (self.order.config or given or self.data.num_classes == 1):
                self.order = self.order.model_copy(update={"swept": ""})
            self.choose_config(drawn)
            self.choose_widths(drawn)

    def choose_config(self, drawn: bool) -> None:
        """Choose a config for drawn pictures or others, unless one was given."""
        info = self.data.info
        say(nearest_measured(self.data, drawn, self.order.minutes))
        if self.order.config:
            return
        chosen = parts_for(info.image_size, drawn)
        self.order = self.order.model_copy(update={"chosen": chosen})
        self.config = self.planned()
        names = " with ".join([default_config(self.device).stem, *chosen])
        say(
            f"{info.train:,} training pictures of {info.image_size}x{info.image_size} that look "
            f"{'drawn' if drawn else 'photographed'}: the plan is {names}"
        )

    def choose_widths(self, drawn: bool) -> None:
        """Choose a narrower UNet where that of the config would do too few steps to learn much.

        On a CPU: how many are too few was not measured for a GPU's batches.
        """
        given = any(one.startswith("diffusion.") for one in self.order.settings)
        if given or self.device.type != "cpu" or self.order.config not in (None, DEMO_CONFIG):
            return
        steps = self.forecast.steps_of_stage_two(self.spent)
        widths = narrower(self.config.diffusion.model, steps, drawn)
        if not widths:
            return
        self.order = self.order.model_copy(update={"widths": widths})
        self.config = self.planned()
        del self.forecast  # measured for the wider one
        say(
            f"stage two would do about {steps:,.0f} steps: a UNet of half the width learns more, "
            f"{widths}"
        )

    @cached_property
    def forecast(self) -> Forecast:
        """What each part takes on this machine, measured now."""
        order, sweeping = self.order, self.order.swept is not None
        return Forecast(self.run, self.data, self.config, order.minutes, self.world, sweeping)

    def show_plan(self) -> None:
        """Say what each part is given, and what would be better where that is too little."""
        console.print(self.forecast.table(self.spent))
        if advice := self.forecast.advice(self.spent):
            say(advice)

    def only_plan(self) -> None:
        """Say what would be trained, and write it as a config for the stages by hand."""
        self.choose()
        self.show_plan()
        path = self.run.folder / PLAN
        settings = without_none(self.config.model_dump(mode="json"))
        write_atomic(path, tomli_w.dumps(settings).encode())
        say(f"{path} is a config for ldm train-autoencoder, train-classifier, train-diffusion")

    def stage_one(self, data: Dataset) -> None:
        """Train the autoencoder, unless that was done."""
        part = self.run.autoencoder
        if is_left(part, TITLES[part.name], part.model_path):
            stage = resolved(part, self.config).autoencoder
            preview = self.shown(reconstruction_preview(self.run, data))
            train_autoencoder(self.run, data, stage, self.world, restart(part), preview)

    def judge(self, data: Dataset) -> None:
        """Train the judge, unless that was done."""
        part = self.run.classifier
        if is_left(part, TITLES[part.name], self.run.reference / "judge.npz"):
            stage = resolved(part, self.config).classifier
            make_judge(self.run, data, stage, self.world, restart(part))

    def stage_two(self, data: Dataset) -> None:
        """Train the denoiser in the time that is left, unless that was done."""
        part = self.run.diffusion
        longer = None
        if part.trained and self.is_unfinished():
            longer = resumed_config(part)  # more minutes of it were interrupted
        elif part.trained and self.more > 0:
            longer = self.longer()
        if longer is None and not is_left(part, TITLES[part.name], part.model_path):
            return
        config = longer or resolved(part, self.config)
        stage = config.diffusion
        if stage.training.minutes and not part.resumable:
            vars(self).pop("forecast", None)  # other work may have come to the machine, or gone
            stage = with_training(stage, minutes=round(self.forecast.stage_two(self.spent), 2))
        preview = self.shown(sample_preview(self.run, data, self.device))
        train_diffusion(self.run, data, stage, config.sampling, self.world, restart(part), preview)

    def shown(self, preview: Preview) -> Preview:
        """Return the same preview, which also refreshes RUN/preview.png."""
        path = self.run.folder / PREVIEW
        say(f"{path} shows how far it is, again and again")

        def refreshed(model: Any, step: int) -> Path:
            drawn = preview(model, step)
            write_atomic(path, drawn.read_bytes())
            return drawn

        return refreshed

    def is_unfinished(self) -> bool:
        """Return whether a trained stage two was being trained further, and did not get there.

        To the last step, or to the writing of what came of it.
        """
        part = self.run.diffusion
        stage = resumed_config(part).diffusion
        if stage.end_early or not part.resumable:
            return False
        checkpoint = newest_checkpoint(part, say)
        if checkpoint is None or checkpoint.done < stage.training.steps:
            return checkpoint is not None
        ended = without_training(section(checkpoint.tensors, "ema.0."))
        return not holds(part.model_path, ended)

    def longer(self) -> Config:
        """Return the config of a trained stage two that is given more minutes.

        Raise ValueError for one that was given steps.
        """
        part = self.run.diffusion
        minutes = resumed_config(part).diffusion.training.minutes
        if minutes is None:
            raise ValueError(
                f"stage two of {self.run.folder} was trained for steps, not for minutes: "
                "ldm train-diffusion --resume --set diffusion.training.steps=… trains it further"
            )
        say(f"\nstage two: the denoiser, {self.more:g} minutes more")
        return resumed_config(part, [f"diffusion.training.minutes={minutes + self.more}"])

    def choose_guidance(self) -> None:
        """Sample with the best guidance of each class, where neither config nor setting says which.

        Chosen once for a trained stage two, by held-out pictures and seeds that are not shown.
        """
        images, networks = self.forecast.swept, self.run.checksum()
        if not images or self.order.swept == networks:
            return
        say(f"\nwhich guidance? {images} samples of each that is tried")
        folder, device = self.run.folder / "sweep", str(self.device)
        tried = {"guidance": GUIDANCE}
        sweep(self.run, folder, tried, [], images, device, apply=True, by_class=True, told=False)
        self.order = self.order.model_copy(update={"swept": networks})
        self.record()
        sampling = Pipeline.from_run(self.run.folder, device).sampling
        others = by_class_spoken(sampling.class_guidance)
        say(f"guidance is {sampling.guidance:g}" + (f"; of {others}" if others else " for all"))


def is_left(part: Part, title: str, last: Path) -> bool:
    """Return whether the part still has to be trained, said either way.

    `last` is what its training writes last.
    """
    finished = last.is_file()
    say(f"\n{title}: already in {part.folder}" if finished else f"\n{title}")
    return not finished


def restart(part: Part) -> Start:
    """Return how the training of a part begins: where it was interrupted, or anew."""
    return Start(resume=part.resumable, overwrite=True)


def resolved(part: Part, config: Config) -> Config:
    """Return what an interrupted training recorded, or else the plan."""
    return resumed_config(part) if part.resumable else config
