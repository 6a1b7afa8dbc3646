"""What have the networks learnt? A linear classifier on frozen features, layer by layer.

Raw pixels are what it is compared with. Called by `ldm study probe`.
"""

from pathlib import Path

import numpy as np
import torch
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional as F

from latent_diffusion.data.store import Dataset
from latent_diffusion.device import autocast
from latent_diffusion.images import from_uint8
from latent_diffusion.inspection.plots import Curve, Panel, plot
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import Progress
from latent_diffusion.run import Run
from latent_diffusion.subsets import spread

TRAIN_IMAGES = 4_000
TEST_IMAGES = 2_000
BATCH = 128
POOLED = 4  # maps of features are averaged to at most 4x4
POOLED_PIXELS = 16
NOISE_LEVEL = 0.2  # sigma: the denoiser must see some noise to know what to do
DECAYS = (1e-4, 1e-3, 1e-2, 1e-1)  # of which the best on a tenth of the train images is taken


def probe(run: Run, data_folder: Path, plot_path: Path, device: str) -> tuple[dict, Table]:
    """Return the test accuracy of a linear classifier on each layer's features, and a table of it.

    The plot is written. Raise ValueError for data that the run was not trained on, that has one
    class, or that holds out no images.
    """
    pipe = Pipeline.from_run(run.folder, device)
    data = Dataset.open(data_folder)
    if data.info.class_names != pipe.facts.class_names or data.num_classes < 2:
        raise ValueError(
            f"{data_folder} must be the data set of {run.folder}, with at least two classes"
        )
    if not len(data.test):
        raise ValueError(f"{data_folder} holds out no images to test on")
    train_rows = data.train[spread(len(data.train), TRAIN_IMAGES)]
    test_rows = data.test[spread(len(data.test), TEST_IMAGES)]
    train, test = layer_features(pipe, data, train_rows), layer_features(pipe, data, test_rows)
    train_labels, test_labels = (
        torch.from_numpy(data.labels[rows]) for rows in (train_rows, test_rows)
    )
    accuracies = {}
    with Progress("linear classifiers", len(train), "layers") as progress:
        for layer in train:
            accuracies[layer] = accuracy(
                train[layer], train_labels, test[layer], test_labels, data.num_classes
            )
            progress.advance()
    plot([accuracies_panel(accuracies)], plot_path)
    table = Table(
        title=f"linear classifiers trained on {len(train_rows)} images, tested on {len(test_rows)}"
    )
    for column in ("features", "numbers", "test accuracy"):
        table.add_column(column, justify="left" if column == "features" else "right")
    for layer, found in accuracies.items():
        table.add_row(layer, str(train[layer].shape[1]), f"{found:.3f}")
    return {"train": len(train_rows), "test": len(test_rows), "accuracy": accuracies}, table


def accuracies_panel(accuracies: dict[str, float]) -> Panel:
    """Return accuracies over layers, with those of pixels as a line."""
    curve = Curve("layers", range(len(accuracies)), list(accuracies.values()))
    return Panel(
        "linear classifier on frozen features",
        "",
        "test accuracy",
        [curve],
        {"pixels": accuracies["pixels"]},
        ticks=list(accuracies),
    )


@torch.inference_mode()
def layer_features(pipe: Pipeline, data: Dataset, rows: np.ndarray) -> dict[str, Tensor]:
    """Return features (N, D) by layer: pixels, latents, and the layers that the network names.

    The denoiser sees the latents with some noise, without their labels.
    """
    parts: dict[str, list[Tensor]] = {}
    watched = Watched(pipe.denoiser.network)
    random = torch.Generator().manual_seed(0)
    with watched, Progress("features", len(rows)) as progress:
        for start in range(0, len(rows), BATCH):
            images = from_uint8(data.images[rows[start : start + BATCH]], pipe.device)
            count = len(images)
            with autocast(pipe.device, pipe.precision):
                latents = pipe.autoencoder.encode(images).mean.float()
                noise = torch.randn(latents.shape, generator=random).to(pipe.device)
                sigma = torch.full((count,), NOISE_LEVEL).to(pipe.device)
                null = torch.full((count,), pipe.denoiser.null_label).to(pipe.device)
                pipe.denoiser(latents + NOISE_LEVEL * noise, sigma, null)
            seen = {f"denoiser {name}": maps for name, maps in watched.outputs.items()}
            for name, maps in {"pixels": images, "latents": latents, **seen}.items():
                most = POOLED_PIXELS if name == "pixels" else POOLED
                parts.setdefault(name, []).append(pooled(maps, most))
            progress.advance(count)
    return {name: torch.cat(layer) for name, layer in parts.items()}


class Watched:
    """Keeps what the layers of a network give, `outputs`, as long as it is entered."""

    def __init__(self, network: nn.Module):
        # nn.Module hides the type of what its subclasses have.
        self.layers: dict[str, nn.Module] = network.layers()  # type: ignore[operator]
        self.outputs: dict[str, Tensor] = {}

    def __enter__(self) -> None:
        self.hooks = [
            layer.register_forward_hook(self.keep(name)) for name, layer in self.layers.items()
        ]

    def __exit__(self, *error: object) -> None:
        for hook in self.hooks:
            hook.remove()

    def keep(self, name: str):
        """Return the hook of one layer."""

        def hook(layer: nn.Module, inputs: tuple, output: Tensor) -> None:
            self.outputs[name] = output

        return hook


def pooled(maps: Tensor, most: int) -> Tensor:
    """Return maps (N, C, h, w) as vectors (N, D), averaged to at most `most` x `most`."""
    side = min(most, maps.shape[-1])
    return F.adaptive_avg_pool2d(maps.float(), side).flatten(1).cpu()


def accuracy(
    train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor, classes: int
) -> float:
    """Return the test accuracy of multinomial logistic regression on standardised features (N, D).

    Its weight decay is chosen on a tenth of the train images.
    """
    mean = train.mean(dim=0)
    scale = train.std(dim=0).clamp(min=1e-6)
    train, test = (train - mean) / scale, (test - mean) / scale
    held = torch.arange(len(train)) % 10 == 0

    def held_accuracy(decay: float) -> float:
        model = fit(train[~held], train_labels[~held], classes, decay)
        return right(model, train[held], train_labels[held])

    best = max(DECAYS, key=held_accuracy)
    return right(fit(train, train_labels, classes, best), test, test_labels)


def fit(features: Tensor, labels: Tensor, classes: int, decay: float) -> nn.Linear:
    """Return the linear classifier of the least cross entropy plus decay times squared weights."""
    model = nn.Linear(features.shape[1], classes)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(model(features), labels) + decay * model.weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return model


@torch.inference_mode()
def right(model: nn.Linear, features: Tensor, labels: Tensor) -> float:
    """Return the share of rows whose label is the likeliest."""
    return float((model(features).argmax(dim=1) == labels).float().mean())
