"""What a run directory holds, as one typed object; nothing is computed here. `measure` adds what is."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import ValidationError

from latent_diffusion.data.reference import DataFacts, Reference
from latent_diffusion.data.store import Dataset, DatasetInfo
from latent_diffusion.evaluation.scores import Scores
from latent_diffusion.run import Part, Run
from latent_diffusion.studies.sweep import CONFIRMED, LIST, Trial, read_trials

STAGES = ("autoencoder", "classifier", "diffusion")
WITHIN_STAGE_ONE = {
    "perceptual": lambda stage: stage["perceptual"] == "classifier",
    "adversary": lambda stage: stage.get("adversarial", False),
}
Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class Training:
    """One training of a run: what it was told, and what its log says. `seconds` and `rate` (images/s) are None without a log."""

    name: str
    caption: str
    command: str
    trained: bool
    config: dict  # the part's config.toml
    log: list[dict]

    @property
    def settings(self) -> dict:
        return self.config[self.name]["training"]

    @property
    def rate(self) -> float | None:
        return self.log[-1].get("images_per_second") if self.log else None

    @property
    def seconds(self) -> float | None:
        return self.log[-1]["step"] * self.settings["batch_size"] / self.rate if self.rate else None

    @property
    def finished(self) -> bool:
        """Also where no weights are kept of its own, as of the sharpening."""
        return self.trained or (bool(self.log) and self.log[-1]["step"] == self.settings["steps"])


@dataclass
class Gathered:
    """`missing` says, by section, in one line what is not there and which command makes it."""

    run: Run
    facts: DataFacts
    reference: Reference | None
    info: DatasetInfo | None
    trainings: dict[str, Training]
    within: dict[str, Training]  # stage one: what it trains besides the autoencoder
    judge_accuracy: float | None
    earlier: dict[str, Scores]  # by the name under which scores.json has them
    trials: list[Trial]
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def networks(self) -> dict[str, Training]:
        """All that was trained, in that order."""
        first = {name: one for name, one in self.trainings.items() if name == "autoencoder"}
        return first | self.within | self.trainings

    @property
    def name(self) -> str:
        return self.run.folder.resolve().name


def gather(run: Run, data: Dataset | None = None) -> Gathered:
    """Read a run; ValueError where `data` is not what it was trained on."""
    trainings = {
        name: read_training(getattr(run, name))
        for name in STAGES
        if getattr(run, name).config_path.is_file()
    }
    stage = trainings["autoencoder"].config["autoencoder"] if "autoencoder" in trainings else None
    within = {
        name: read_training(part)
        for name, wanted in WITHIN_STAGE_ONE.items()
        if stage and wanted(stage) and (part := getattr(run, name)).config_path.is_file()
    }
    missing: dict[str, str] = {}
    reference = attempt(missing, "reference", lambda: Reference.open(run))
    facts = (
        reference.facts
        if reference
        else DataFacts.model_validate(next(iter(trainings.values())).config["data"])
    )
    if data and data.info.checksum != facts.checksum:
        raise ValueError(f"{data.folder} is not the data set that {run.folder} was trained on")
    if reference and not len(reference.images):
        missing["reference"] = (
            "the run keeps no held-out images, because none were held out: ldm prepare --holdout 0.1"
        )
    recorded = run.read_scores()
    trials = (
        attempt(missing, "sweep", lambda: finished_sweep(run))
        if (run.folder / "sweep" / LIST).is_file()
        else None
    )
    return Gathered(
        run,
        facts,
        reference,
        data.info if data else None,
        trainings,
        within,
        recorded.get("judge", {}).get("test_accuracy"),
        earlier_scores(recorded),
        trials or [],
        missing,
    )


def attempt(missing: dict[str, str], what: str, load: Callable[[], Loaded]) -> Loaded | None:
    """What `load` gives; None, and the line that says why in `missing`, where a user has to do something first."""
    try:
        return load()
    except ValueError as error:
        missing[what] = str(error)
        return None


def read_training(part: Part) -> Training:
    lines = part.metrics_path.read_text().splitlines() if part.metrics_path.is_file() else []
    log = [
        json.loads(line) for line in lines if line.endswith("}")
    ]  # a power cut may leave half a line
    return Training(part.name, part.caption, part.command, part.trained, part.read_config(), log)


def earlier_scores(recorded: dict) -> dict[str, Scores]:
    """The entries of scores.json that are scores of samples, in today's form."""
    found = {}
    for name, entry in recorded.items():
        try:
            found[name] = Scores.model_validate(entry)
        except ValidationError:
            continue
    return found


def finished_sweep(run: Run) -> list[Trial]:
    """What `ldm sweep` wrote, the last one being the confirmation; ValueError unless it is whole, and of these networks."""
    trials, folder = read_trials(run.folder / "sweep"), run.folder / "sweep"
    if not trials:
        raise ValueError(
            f"{folder / LIST} is damaged or of another version: ldm sweep {run.folder} writes it again"
        )
    if not run.diffusion.trained or any(trial.run != run.checksum() for trial in trials):
        raise ValueError(
            f"{folder / LIST} is of networks that were trained again since: ldm sweep {run.folder} makes a new one"
        )
    if trials[-1].first_seed != CONFIRMED:
        raise ValueError(f"the sweep in {folder} was interrupted: the same ldm sweep goes on")
    return trials
