"""The steps of the reference job: each kind measured, and as many as fit of the fastest."""

from dataclasses import dataclass

from latent_diffusion.data.store import Dataset
from latent_diffusion.device import choose_precision
from latent_diffusion.distributed import World
from latent_diffusion.progress import say
from latent_diffusion.training.config import TrainingConfig, with_training
from latent_diffusion.training.planning import (
    flops_per_image,
    minutes_of,
    scaled,
    seconds_per_step,
)
from latent_diffusion.training.stages import Config
from latent_diffusion.training.timing import with_steps

# Of the time that is left once steps are measured; the rest is for all else.
SHARES = {"autoencoder": 0.1, "classifier": 0.05, "diffusion": 0.3}
TINY = [
    "autoencoder.model.encoder_widths=[16]",
    "autoencoder.model.decoder_widths=[16]",
    "classifier.model.widths=[16,32]",
    "diffusion.model.widths=[16,32]",
    "diffusion.model.attention_levels=[1]",
    "diffusion.model.blocks=1",
    "sampling.steps=3",
    "sampling.compute_batch=16",
    *(f"{stage}.training.batch_size=16" for stage in SHARES),
    "diffusion.alignment.classifier.training.steps=10",
    *(f"autoencoder.{part}.training.steps=10" for part in ("adversary", "perceptual_classifier")),
]
TRIAL_STEPS = 20
WORTHWHILE = 0.1  # compiled steps must be so much faster: recording CUDA graphs takes time
COMPILED = "reduce-overhead"


@dataclass(frozen=True)
class Measured:
    """A step of a stage, in one mode of torch.compile: seconds, and GFLOP an image."""

    training: TrainingConfig
    seconds: float
    gflop: float

    @property
    def images_per_second(self) -> float:
        """Return the images that such steps train on in a second."""
        return self.training.batch_size / self.seconds


def measured(name: str, config: Config, data: Dataset, world: World) -> list[Measured]:
    """Return the steps of a stage in every mode worth trying.

    What does not compile is left out, and said.
    """
    model = config.autoencoder.model
    precision = choose_precision(getattr(config, name).training.precision, world.device)
    stage = with_training(getattr(config, name), precision=precision)
    gflop = flops_per_image(stage, model, data, world.device) / 1e9
    compiles = name == "diffusion" and world.device.type == "cuda"
    found = []
    for mode in ("none", COMPILED) if compiles else ("none",):
        tried = with_training(stage, compile=mode)
        try:
            seconds = seconds_per_step(tried, model, data, world, TRIAL_STEPS)
        except Exception as error:  # compilers fail in ways of their own; the job can do without
            if mode == "none":
                raise
            say(f"{name}, compile = {mode}: left out, {in_short(error)}")
            continue
        found.append(Measured(tried.training, seconds, gflop))
        say(
            f"{name}, compile = {mode}: {1000 * seconds:.1f} ms a step in {precision}, "
            f"{found[-1].images_per_second:.0f} images/s"
        )
    return found


def fastest(found: list[Measured]) -> Measured:
    """Return the fastest steps; compiled ones only where that is worth while."""

    def cost(one: Measured) -> float:
        compiled = one.training.compile != "none"
        return one.seconds * (1 + WORTHWHILE) if compiled else one.seconds

    return min(found, key=cost)


def planned(config: Config, steps: dict[str, list[Measured]], seconds: float) -> Config:
    """Return the config with as many steps as fit into each stage's share of the seconds."""
    stages = {}
    for name, share in SHARES.items():
        best, whole = fastest(steps[name]), getattr(config, name)
        # Of stage one's time what it trains on the way has the part that the config gives it.
        minutes, own = minutes_of(whole), whole.training.minutes
        if minutes:
            whole = scaled(whole, share * seconds / 60 / minutes)
            share *= own / minutes if own else 1
        stage = whole.model_copy(update={"training": best.training})
        fitting = with_steps(stage, share * seconds / best.seconds, previews=1)
        stages[name] = with_training(fitting, checkpoint_every=fitting.training.steps)
    return config.model_copy(update=stages)


def in_short(error: Exception) -> str:
    """Return what an error is, in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
