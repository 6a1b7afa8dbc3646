"""What a run directory holds, as one typed object; nothing is computed here.

Called by the pages; `measure` adds what has to be computed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import ValidationError

from latent_diffusion.data.reference import DataFacts, Reference
from latent_diffusion.data.store import Dataset, DatasetInfo
from latent_diffusion.evaluation.scores import Scores
from latent_diffusion.parsing import read_log
from latent_diffusion.run import Part, Run
from latent_diffusion.studies.sweep.store import CONFIRMED, SWEEP_FILE, Trial, read_trials

STAGES = ("autoencoder", "classifier", "diffusion")
WITHIN_STAGE_ONE: dict[str, Callable[[dict], bool]] = {  # whether its config asks for them
    "perceptual": lambda stage: stage["perceptual"] == "classifier",
    "adversary": lambda stage: stage.get("adversarial", False),
}
Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class Training:
    """One training of a run: what it was told, and what its log says."""

    name: str
    caption: str
    command: str
    trained: bool
    config: dict[str, Any]  # the part's config.toml
    log: list[dict[str, Any]]

    @classmethod
    def read(cls, part: Part) -> "Training":
        """Read a part's config and log."""
        return cls(
            part.name,
            part.caption,
            part.command,
            part.trained,
            part.read_config(),
            read_log(part.metrics_path),
        )

    @property
    def settings(self) -> dict[str, Any]:
        """Return the training settings: steps, batch_size, …"""
        return self.config[self.name]["training"]

    @property
    def images_per_second(self) -> float | None:
        """Return the speed at the end; None without a log."""
        return self.log[-1].get("images_per_second") if self.log else None

    @property
    def seconds(self) -> float | None:
        """Return how long it took at the speed of its end; None without a log."""
        speed = self.images_per_second
        return self.log[-1]["step"] * self.settings["batch_size"] / speed if speed else None

    @property
    def finished(self) -> bool:
        """Return whether it is; the sharpening keeps no weights of its own, so its log says."""
        return self.trained or (bool(self.log) and self.log[-1]["step"] == self.settings["steps"])


@dataclass
class Gathered:
    """A run as its files have it.

    `missing` says, by section, in one line what is not there and which command makes it.
    """

    run: Run
    facts: DataFacts
    reference: Reference | None
    info: DatasetInfo | None
    trainings: dict[str, Training]
    within: dict[str, Training]  # stage one: what it trains besides the autoencoder
    student: Training | None  # of the denoiser, where there is one
    judge_accuracy: float | None
    earlier: dict[str, Scores]  # by the name under which scores.json has them
    trials: list[Trial]
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def networks(self) -> dict[str, Training]:
        """Return all that was trained, in that order."""
        first = {name: one for name, one in self.trainings.items() if name == "autoencoder"}
        last = {"student": self.student} if self.student else {}
        return first | self.within | self.trainings | last

    @property
    def name(self) -> str:
        """Return the name of the run's folder."""
        return self.run.folder.resolve().name


def gather(run: Run, data: Dataset | None = None) -> Gathered:
    """Read a run; raise ValueError where `data` is not what it was trained on."""
    trainings = {
        name: Training.read(getattr(run, name))
        for name in STAGES
        if getattr(run, name).config_path.is_file()
    }
    missing: dict[str, str] = {}
    reference = load_or_note(missing, "reference", lambda: Reference.open(run))
    if reference:
        facts = reference.facts
    else:
        facts = DataFacts.model_validate(next(iter(trainings.values())).config["data"])
    if data and data.info.checksum != facts.checksum:
        raise ValueError(f"{data.folder} is not the data set that {run.folder} was trained on")
    if reference and not len(reference.images):
        missing["reference"] = (
            "the run keeps no held-out images, because none were held out: "
            "ldm prepare --holdout 0.1"
        )
    trials = None
    if (run.folder / "sweep" / SWEEP_FILE).is_file():
        trials = load_or_note(missing, "sweep", lambda: finished_sweep(run))
    recorded = run.read_scores()
    return Gathered(
        run,
        facts,
        reference,
        data.info if data else None,
        trainings,
        read_within(run, trainings),
        Training.read(run.student) if run.student.config_path.is_file() else None,
        recorded.get("judge", {}).get("test_accuracy"),
        earlier_scores(recorded),
        trials or [],
        missing,
    )


def load_or_note(missing: dict[str, str], what: str, load: Callable[[], Loaded]) -> Loaded | None:
    """Return what `load` gives; None where a user has to do something first.

    What that is goes to `missing`, under the name `what`.
    """
    try:
        return load()
    except ValueError as error:
        missing[what] = str(error)
        return None


def read_within(run: Run, trainings: dict[str, Training]) -> dict[str, Training]:
    """Return what stage one trained besides the autoencoder, where its config still asks for it."""
    if "autoencoder" not in trainings:
        return {}
    stage = trainings["autoencoder"].config["autoencoder"]
    parts = {name: getattr(run, name) for name, wanted in WITHIN_STAGE_ONE.items() if wanted(stage)}
    return {name: Training.read(part) for name, part in parts.items() if part.config_path.is_file()}


def earlier_scores(recorded: dict) -> dict[str, Scores]:
    """Return the entries of scores.json that are scores of samples, in today's form."""
    found = {}
    for name, entry in recorded.items():
        try:
            found[name] = Scores.model_validate(entry)
        except ValidationError:
            continue
    return found


def finished_sweep(run: Run) -> list[Trial]:
    """Return what `ldm sweep` wrote, the last one being the confirmation.

    Raise ValueError unless it is whole, and of these networks.
    """
    folder = run.folder / "sweep"
    trials = read_trials(folder)
    if not trials:
        raise ValueError(
            f"{folder / SWEEP_FILE} is damaged or of another version: "
            f"ldm sweep {run.folder} writes it again"
        )
    if not run.diffusion.trained or any(trial.run != run.checksum() for trial in trials):
        raise ValueError(
            f"{folder / SWEEP_FILE} is of networks that were trained again since: "
            f"ldm sweep {run.folder} makes a new one"
        )
    if trials[-1].first_seed != CONFIRMED:
        raise ValueError(f"the sweep in {folder} was interrupted: the same ldm sweep goes on")
    return trials
