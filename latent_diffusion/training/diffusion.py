"""Stage two: trains the class-conditional denoiser on cached latents."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from autoencoder import Posterior
from latent_diffusion.data.store import Dataset
from latent_diffusion.denoiser import (
    MOST_ROWS,
    Denoiser,
    NetworkConfig,
    NoiseLevelConfig,
    UNetConfig,
    deviations_of,
)
from latent_diffusion.device import place, read_rows
from latent_diffusion.distributed import World
from latent_diffusion.loading import fits, latents_checksum, load_autoencoder
from latent_diffusion.parsing import read_log
from latent_diffusion.run import Run
from latent_diffusion.sampling.config import SamplingConfig
from latent_diffusion.subsets import some
from latent_diffusion.training.alignment import (
    Alignment,
    AlignmentConfig,
    PicturedRows,
    Sight,
    sight_of,
)
from latent_diffusion.training.config import TrainingConfig
from latent_diffusion.training.health import (
    Watch,
    ailment,
    best,
    collapse,
    has_risen,
    looks,
    make_watch,
    shown,
    state,
)
from latent_diffusion.training.latents import (
    MomentRows,
    cached_moments,
    forget_moments,
    moments_of,
)
from latent_diffusion.training.loop import Preview, Task
from latent_diffusion.training.randomness import StepRandom, stream_seed
from latent_diffusion.training.stage import FRESH, Job, Stage, Start


class DiffusionStage(BaseModel):
    """Everything about stage two."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: NetworkConfig = UNetConfig()
    noise_levels: NoiseLevelConfig = NoiseLevelConfig()
    label_dropout: float = Field(
        0.1, ge=0, lt=1, description="share of labels hidden, for classifier-free guidance"
    )
    alignment: AlignmentConfig = AlignmentConfig()
    training: TrainingConfig = TrainingConfig()
    end_early: bool = Field(
        False,
        description="whether training ends where the held-out loss rises, with the best weights",
    )


class DiffusionObjective(nn.Module):
    """The denoiser's loss on latents drawn from their posterior, some of their labels hidden.

    With an alignment, batches hold the images, too.
    """

    def __init__(self, model: Denoiser, stage: DiffusionStage, alignment: Alignment | None = None):
        super().__init__()
        self.model, self.stage, self.alignment = model, stage, alignment

    def forward(
        self, batch: tuple[Tensor, ...], random: StepRandom
    ) -> tuple[Tensor, dict[str, Tensor]]:
        moments, labels, *images = batch
        posterior = Posterior(moments)
        clean = posterior.sample(random.normal_like(posterior.mean))
        hidden = random.uniform(len(labels)) < self.stage.label_dropout
        labels = torch.where(hidden, self.model.null_label, labels)
        # One in each B-th of the distribution, over all rows of the batch.
        sigma = random.own(self.stage.noise_levels.draw(random.uniform_of_batch(len(labels))))
        denoising = self.model.loss(clean, random.normal_like(clean), sigma, labels).mean()
        if self.alignment is None:
            return denoising, {}
        unlike = self.alignment(*images)
        loss = denoising + self.stage.alignment.weight * unlike
        return loss, {"denoising": denoising, "alignment": unlike}


class DiffusionTraining(Stage[DiffusionStage]):
    """The training of the denoiser on the latents of the run's autoencoder."""

    def __init__(
        self, job: Job, config: DiffusionStage, sampling: SamplingConfig, preview: Preview | None
    ):
        run, data, part = job.run, job.data, job.run.diffusion
        known = for_classes(sampling, data.info.class_names, job.world)
        self.sampling = guidable(known, config)
        if self.sampling != known:
            job.world.say(
                "label_dropout = 0: the denoiser never learns what guidance compares with, so the "
                "run will sample without (sampling.guidance = 1); label_dropout = 0.1 is usual"
            )
        self.autoencoder = load_autoencoder(run, job.world.device)
        check_size(self.autoencoder.image_size, run, data)
        self.checksum = latents_checksum(run.autoencoder)
        recorded = part.read_config() if part.config_path.is_file() else {}
        if recorded and not fits(run.autoencoder, recorded["autoencoder_checksum"]):
            job = self.anew(job, recorded["autoencoder_checksum"])
        elif recorded and job.start.resume:
            config = aligned_as_begun(config, recorded[part.name], job.world)
        super().__init__(job, part, config, preview)

    @staticmethod
    def anew(job: Job, former: str) -> Job:
        """Return the job of training anew, as the autoencoder is no longer the `former` one.

        Raise ValueError where a resume was asked for.
        """
        if job.start.resume:
            raise ValueError(
                f"the autoencoder of {job.run.folder} was retrained, so its denoiser cannot be "
                "resumed: --overwrite trains it anew"
            )
        job.world.say(
            "the autoencoder was retrained: latents are encoded again, and the denoiser is trained "
            "anew"
        )
        if job.world.first:
            forget_moments(job.data, job.run, former)
        return replace(job, start=replace(job.start, overwrite=True))

    def task(self) -> Task:
        run, data, world = self.job.run, self.job.data, self.job.world
        precision = self.config.training.precision
        moments = cached_moments(data, run, self.autoencoder, self.checksum, precision, world)
        labels, names = data.labels[data.train], data.info.class_names
        self.fit_noise_levels(moments)
        self.warn_of_other_latents()
        if said := collapse(moments[0]):
            world.say(f"{self.part.caption}: {said}")
        self.learnt = moments[0], labels
        sight = sight_of(self.job, self.config.alignment)
        task = diffusion_task(self.config, moments, labels, names, world.device, sight)
        assert isinstance(task.objective, DiffusionObjective)
        self.alignment = task.objective.alignment
        if sight and not self.alignment:
            world.say(
                f"{self.part.caption}: not aligned, for its network has no layers() to look at"
            )
        return task

    def watch(self) -> Watch | None:
        data, training, device = self.job.data, self.config.training, self.job.world.device
        if not len(data.test):
            return None
        count = shown(training.steps, training.batch_size)
        rows = data.test[some(len(data.test), count)]
        held_out = moments_of(data, rows, self.autoencoder, training.precision, device)
        return make_watch(
            (held_out, data.labels[rows]),
            self.learnt,
            self.config.noise_levels,
            (training.steps, training.batch_size),
            training.precision,
            device,
            self.config.end_early,
        )

    def finish(self, model: nn.Module) -> None:
        if self.alignment:
            self.alignment.remove()
        found = looks(read_log(self.part.metrics_path))
        if not found:
            return
        world, caption, last = self.job.world, self.part.caption, found[-1]["step"]
        if has_risen(found) and self.config.end_early:
            world.say(
                f"{caption}: ended after step {last} of {self.config.training.steps}, as the "
                f"held-out loss had risen since step {best(found)['step']}, whose weights are kept"
            )
        world.say(f"{caption}: {state(found)}")
        wrong = ailment(found, self.job.data.num_classes, self.config.label_dropout)
        if wrong:
            world.say(f"{caption}: {wrong}")

    def fit_noise_levels(self, moments: np.ndarray) -> None:
        """Fit the noise levels of training and sampling to the latents, where none are given."""
        noise_levels, sampling = self.config.noise_levels, self.sampling
        if "auto" not in (
            noise_levels.log_sigma_mean,
            noise_levels.log_sigma_std,
            sampling.sigma_max,
        ):
            return
        rows = some(moments.shape[1], MOST_ROWS)
        deviations = deviations_of(read_rows(moments[0], rows)[:, : moments.shape[2] // 2])
        noise_levels = noise_levels.fitted(deviations)
        self.config = self.config.model_copy(update={"noise_levels": noise_levels})
        self.sampling = sampling.fitted(deviations)
        self.job.world.say(
            f"{self.part.caption}: for these latents log sigma is drawn around "
            f"{noise_levels.log_sigma_mean:g} +- {noise_levels.log_sigma_std:g}, and sampling "
            f"begins at sigma {self.sampling.first_level:g}"
        )

    def warn_of_other_latents(self) -> None:
        """Say so where the weights to begin from have learnt the latents of another autoencoder."""
        init = self.job.start.init
        if not init or not self.job.world.first:
            return
        learnt = Run.open(init).diffusion.require().read_config()["autoencoder_checksum"]
        if not fits(self.job.run.autoencoder, learnt):
            self.job.world.say(
                f"denoiser: {init} learnt the latents of another autoencoder; to share one, copy "
                "its autoencoder/ first"
            )

    def facts(self) -> Mapping[str, Any]:
        facts: dict[str, Any] = {
            "sampling": self.sampling.model_dump(mode="json"),
            "autoencoder_checksum": self.checksum,
        }
        if self.job.start.resume and self.part.config_path.is_file():
            facts |= self.kept_ema(self.part.read_config())
        return facts

    def kept_ema(self, recorded: Mapping[str, Any]) -> dict[str, float]:
        """Return the EMA length that a sweep chose, for config.toml, where it still holds.

        It was chosen after so many steps, and holds for them.
        """
        before, length = recorded[self.part.name]["training"], recorded.get("ema_length")
        if length in (None, before["ema_length"]):  # the training's own
            return {}
        if before["steps"] == self.config.training.steps:
            return {"ema_length": length}
        self.job.world.say(
            f"{self.part.caption}: the EMA of length {length:g} was chosen after {before['steps']} "
            "steps, and holds no longer: ldm sweep --ema chooses again"
        )
        return {}


def train_diffusion(
    run: Run,
    data: Dataset,
    stage: DiffusionStage,
    sampling: SamplingConfig,
    world: World,
    start: Start = FRESH,
    preview: Preview | None = None,
) -> None:
    """Train the denoiser of a run. `sampling` is recorded as how the run samples.

    `preview(denoiser, step)` draws a picture on the way. Raise ValueError for a data set of another
    size than the autoencoder's.
    """
    DiffusionTraining(Job(run, data, world, start), stage, sampling, preview).train()


def check_size(size: int, run: Run, data: Dataset) -> None:
    """Raise ValueError for a data set of another size than an autoencoder's."""
    side = data.info.image_size
    if size != side:
        raise ValueError(
            f"the autoencoder of {run.folder} takes {size}x{size} images, and {data.folder} holds "
            f"{side}x{side}: give its own data set"
        )


def aligned_as_begun(
    config: DiffusionStage, recorded: Mapping[str, Any], world: World
) -> DiffusionStage:
    """Return a config that goes on, aligned or not as it was begun: its checkpoint says which."""
    begun = AlignmentConfig.model_validate(recorded.get("alignment", {}))
    if bool(begun.weight) == bool(config.alignment.weight):
        return config
    world.say(f"denoiser: it goes on with alignment.weight = {begun.weight:g}, as it was begun")
    return config.model_copy(update={"alignment": begun})


def for_classes(
    sampling: SamplingConfig, class_names: Sequence[str], world: World
) -> SamplingConfig:
    """Return the settings without a guidance by class that is another data set's.

    Raise ValueError if some of its classes are there and others not.
    """
    strangers = [name for name in sampling.class_guidance if name not in class_names]
    if not strangers:
        return sampling
    if len(strangers) < len(sampling.class_guidance):
        raise ValueError(
            f"sampling.class_guidance: no class {strangers[0]!r} here, there are "
            f"{', '.join(class_names)}"
        )
    world.say(
        f"sampling.class_guidance is left out: none of its classes is here ({', '.join(strangers)})"
    )
    return sampling.model_copy(update={"class_guidance": {}})


def guidable(sampling: SamplingConfig, stage: DiffusionStage) -> SamplingConfig:
    """Return the settings, without guidance where no label is hidden in training."""
    return sampling.unguided() if sampling.is_guided and not stage.label_dropout else sampling


def diffusion_task(
    stage: DiffusionStage,
    moments: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    device: torch.device,
    sight: Sight | None = None,
) -> Task:
    """Return a new denoiser and how it learns moments (views, N, 2C, h, w) with labels (N,).

    sight: what it is aligned with, if anything; a network without `layers` is not.
    """
    torch.manual_seed(stream_seed(stage.training.seed))
    network = stage.model.build(moments.shape[2] // 2, len(class_names))
    model = Denoiser(network, class_names)
    rows = MomentRows(moments, labels, device)
    if not sight or not hasattr(network, "layers"):
        return Task(model, place(DiffusionObjective(model, stage), device), len(rows), rows)
    shape = (moments.shape[2] // 2, *moments.shape[3:])
    alignment = Alignment(model, sight.classifier, shape)
    objective = place(DiffusionObjective(model, stage, alignment), device)
    return Task(model, objective, len(rows), PicturedRows(rows, sight.images))
