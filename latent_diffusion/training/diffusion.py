"""Stage two: trains the class-conditional denoiser on cached latents."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from autoencoder import Posterior
from latent_diffusion.data.reference import DataFacts
from latent_diffusion.data.store import Dataset
from latent_diffusion.denoiser import Denoiser, NoiseLevelConfig, UNet, UNetConfig
from latent_diffusion.device import DeviceRows, place
from latent_diffusion.progress import say
from latent_diffusion.run import Part, Run, load_tensors, load_weights
from latent_diffusion.sampling.generate import SamplingConfig
from latent_diffusion.training.autoencoder import load_autoencoder
from latent_diffusion.training.distributed import World
from latent_diffusion.training.ema import average_after
from latent_diffusion.training.latents import cached_moments, fits, forget_moments, latents_checksum
from latent_diffusion.training.loop import Task, TrainingConfig, save_model, train
from latent_diffusion.training.randomness import StepRandom, stream_seed
from latent_diffusion.training.stage import Start, begin, commit, initialise_from


class DiffusionStage(BaseModel):
    """Everything about stage two."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: UNetConfig = UNetConfig()
    noise_levels: NoiseLevelConfig = NoiseLevelConfig()
    label_dropout: float = Field(
        0.1, ge=0, lt=1, description="share of labels hidden, for classifier-free guidance"
    )
    training: TrainingConfig = TrainingConfig()


class DiffusionObjective(nn.Module):
    def __init__(self, model: Denoiser, stage: DiffusionStage):
        super().__init__()
        self.model, self.stage = model, stage

    def forward(
        self, batch: tuple[Tensor, Tensor], random: StepRandom
    ) -> tuple[Tensor, dict[str, Tensor]]:
        moments, labels = batch
        posterior = Posterior(moments)
        clean = posterior.sample(random.normal_like(posterior.mean))
        hidden = random.uniform(len(labels)) < self.stage.label_dropout
        labels = torch.where(hidden, self.model.null_label, labels)
        sigma = self.stage.noise_levels.draw(random.uniform(len(labels)))
        return self.model.loss(clean, random.normal_like(clean), sigma, labels).mean(), {}


class Moments:
    """Cached moments (views, N, 2C, h, w) and labels (N,) as one set of views * N rows on the device."""

    def __init__(self, moments: np.ndarray, labels: np.ndarray, device: torch.device):
        self.moments = DeviceRows(moments.reshape(-1, *moments.shape[2:]), device)
        self.labels = DeviceRows(np.tile(labels, len(moments)), device)

    def __len__(self) -> int:
        return len(self.labels.array)

    def __call__(self, places: np.ndarray) -> tuple[Tensor, Tensor]:
        return self.moments[places].float(), self.labels[places]


def train_diffusion(
    run: Run,
    data: Dataset,
    stage: DiffusionStage,
    sampling: SamplingConfig,
    world: World,
    start: Start = Start(),
    preview: Callable[[Denoiser, int], Path | None] | None = None,
) -> None:
    autoencoder = load_autoencoder(run, world.device)
    if autoencoder.image_size != data.info.image_size:
        raise ValueError(
            f"the autoencoder of {run.folder} takes {autoencoder.image_size}x{autoencoder.image_size} images, "
            f"and {data.folder} holds {data.info.image_size}x{data.info.image_size}: give its own data set"
        )
    checksum, part = latents_checksum(run.autoencoder), run.diffusion
    retrained = part.config_path.is_file() and not fits(
        run.autoencoder, part.read_config()["autoencoder_checksum"]
    )
    if retrained and start.resume:
        raise ValueError(
            f"the autoencoder of {run.folder} was retrained, so its denoiser cannot be resumed: "
            "--overwrite trains it anew"
        )
    if retrained and world.first:
        say(
            "the autoencoder was retrained: latents are encoded again, and the denoiser is trained anew"
        )
        forget_moments(data, part.read_config()["autoencoder_checksum"])
    sampling = for_classes(sampling, data.info.class_names, world)
    stage = begin(
        part, stage, data, Start(start.resume, start.overwrite or retrained, start.init), world
    )
    moments = cached_moments(data, autoencoder, checksum, stage.training.precision, world)
    task = diffusion_task(
        stage, moments, data.labels[data.train], data.info.class_names, world.device
    )
    if start.init:
        initialise_from(start.init, part, task.model, data.info.class_names, world)
        if world.first and not fits(
            run.autoencoder, Run(start.init).diffusion.read_config()["autoencoder_checksum"]
        ):
            say(
                f"denoiser: {start.init} learnt the latents of another autoencoder; to share one, copy its autoencoder/ first"
            )
    chosen = (
        chosen_average(part, stage, world) if start.resume and part.config_path.is_file() else {}
    )
    commit(
        run,
        part,
        stage,
        data,
        start,
        world,
        sampling=sampling.model_dump(mode="json"),
        autoencoder_checksum=checksum,
        **chosen,
    )
    train(task, stage.training, part, world, start.resume, preview, start.tensorboard)
    save_model(part, task.model, world)


def chosen_average(part: Part, stage: DiffusionStage, world: World) -> dict[str, float]:
    """What a sweep made the denoiser's average, for its config.toml: it holds for as many steps as it was chosen after."""
    recorded = part.read_config()
    before, length = recorded[part.name]["training"], recorded.get("average_length")
    if length in (None, before["average_length"]):  # the training's own
        return {}
    if before["steps"] == stage.training.steps:
        return {"average_length": length}
    if world.first:
        say(
            f"{part.caption}: the average of length {length:g} was chosen after {before['steps']} steps, and holds no longer: ldm sweep --average chooses again"
        )
    return {}


def for_classes(
    sampling: SamplingConfig, class_names: Sequence[str], world: World
) -> SamplingConfig:
    """Without a guidance by class that is another data set's. ValueError if some of its classes are there and others not."""
    strangers = [name for name in sampling.class_guidance if name not in class_names]
    if strangers and len(strangers) < len(sampling.class_guidance):
        raise ValueError(
            f"sampling.class_guidance: no class {strangers[0]!r} here, there are {', '.join(class_names)}"
        )
    if strangers and world.first:
        say(
            f"sampling.class_guidance is left out: none of its classes is here ({', '.join(strangers)})"
        )
    return sampling.model_copy(update={"class_guidance": {}}) if strangers else sampling


def diffusion_task(
    stage: DiffusionStage,
    moments: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    device: torch.device,
) -> Task:
    """For moments (views, N, 2C, h, w) and the labels (N,) of the train split."""
    torch.manual_seed(stream_seed(stage.training.seed))
    model = Denoiser(UNet(stage.model, moments.shape[2] // 2, len(class_names)), class_names)
    rows = Moments(moments, labels, device)
    return Task(model, place(DiffusionObjective(model, stage), device), len(rows), rows)


def load_denoiser(
    run: Run, latent_channels: int, device: torch.device, average_length: float | None = None
) -> Denoiser:
    """The trained denoiser of a run, ready to use; ValueError if there is none, or if it belongs to another autoencoder.

    average_length: of its weights; without, the one that `ldm sweep --apply` chose or else the training's own.
    """
    part = run.diffusion.require()
    config = part.read_config()
    if not fits(run.autoencoder, config["autoencoder_checksum"]):
        raise ValueError(
            f"the denoiser of {run.folder} was trained on latents of another autoencoder (it was retrained "
            "since): run ldm train-diffusion again"
        )
    stage = DiffusionStage.model_validate(config["diffusion"])
    names = DataFacts.model_validate(config["data"]).class_names
    model = Denoiser(UNet(stage.model, latent_channels, len(names)), names)
    length = config.get("average_length") if average_length is None else average_length
    own = stage.training.average_length
    weights = (
        load_tensors(part.model_path)[0]
        if length in (None, own)
        else average_after(part.averages, length, stage.training.steps)
    )
    load_weights(model, weights, part.model_path)
    return place(model, device).eval().requires_grad_(False)
