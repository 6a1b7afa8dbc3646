"""What have the networks learnt? A linear classifier on frozen features, layer by layer, against raw pixels."""

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

TRAIN, TEST, BATCH = 4_000, 2_000, 128  # images
POOLED = 4  # features are averaged to at most 4x4 places
NOISE_LEVEL = 0.2  # sigma: the denoiser must see some noise to know what to do
DECAYS = (1e-4, 1e-3, 1e-2, 1e-1)  # of which the best on a tenth of the train images is taken


def probe(run: Run, data_folder: Path, picture: Path, device: str) -> tuple[dict, Table]:
    """Test accuracy of a linear classifier on each layer's features."""
    pipe, data = Pipeline.from_run(run.folder, device), Dataset.open(data_folder)
    if data.info.class_names != pipe.facts.class_names or data.num_classes < 2:
        raise ValueError(
            f"{data_folder} must be the data set of {run.folder}, with at least two classes"
        )
    if not len(data.test):
        raise ValueError(f"{data_folder} holds out no images to test on")
    rows = {
        "train": data.train[spread(len(data.train), TRAIN)],
        "test": data.test[spread(len(data.test), TEST)],
    }
    features = {split: see(pipe, data, chosen) for split, chosen in rows.items()}
    labels = {split: torch.from_numpy(data.labels[chosen]) for split, chosen in rows.items()}
    found = {}
    with Progress("linear classifiers", len(features["train"]), "layers") as progress:
        for layer, train in features["train"].items():
            found[layer] = accuracy(
                train, labels["train"], features["test"][layer], labels["test"], data.num_classes
            )
            progress.advance()
    names = list(found)
    plot(
        [
            Panel(
                "linear classifier on frozen features",
                "",
                "test accuracy",
                [Curve("layers", range(len(names)), list(found.values()))],
                {"pixels": found["pixels"]},
                ticks=names,
            )
        ],
        picture,
    )
    table = Table(
        title=f"linear classifiers trained on {len(rows['train'])} images, tested on {len(rows['test'])}"
    )
    for column in ("features", "numbers", "test accuracy"):
        table.add_column(column, justify="left" if column == "features" else "right")
    for layer in names:
        table.add_row(layer, str(features["train"][layer].shape[1]), f"{found[layer]:.3f}")
    return {"train": len(rows["train"]), "test": len(rows["test"]), "accuracy": found}, table


@torch.inference_mode()
def see(pipe: Pipeline, data: Dataset, rows: np.ndarray) -> dict[str, Tensor]:
    """Features (N, D) by layer: pixels, the autoencoder's encoder and latents, and the denoiser's blocks without label."""
    layers: dict[str, list[Tensor]] = {}
    seen: dict[str, Tensor] = {}
    autoencoder = pipe.autoencoder
    watched = {f"denoiser {name}": layer for name, layer in pipe.denoiser.network.layers().items()}
    hooks = [
        module.register_forward_hook(
            lambda _, __, output, name=name: seen.__setitem__(name, output)
        )
        for name, module in watched.items()
    ]
    random = torch.Generator().manual_seed(0)
    with Progress("features", len(rows)) as progress:
        for start in range(0, len(rows), BATCH):
            images = from_uint8(data.images[rows[start : start + BATCH]], pipe.device)
            with autocast(pipe.device, pipe.precision):
                latents = autoencoder.encode(images).mean.float()
                noise = torch.randn(latents.shape, generator=random).to(pipe.device)
                sigma, null = (
                    torch.full((len(latents),), NOISE_LEVEL),
                    torch.full((len(latents),), pipe.denoiser.null_label),
                )
                pipe.denoiser(
                    latents + NOISE_LEVEL * noise, sigma.to(pipe.device), null.to(pipe.device)
                )
            for name, maps in {"pixels": images, "latents": latents, **seen}.items():
                side = min(POOLED, maps.shape[-1]) if name != "pixels" else min(16, maps.shape[-1])
                layers.setdefault(name, []).append(
                    F.adaptive_avg_pool2d(maps.float(), side).flatten(1).cpu()
                )
            progress.advance(len(images))
    for hook in hooks:
        hook.remove()
    return {name: torch.cat(parts) for name, parts in layers.items()}


def accuracy(
    train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor, classes: int
) -> float:
    """Of multinomial logistic regression on standardised features; its decay chosen on a tenth of the train images."""
    mean, scale = train.mean(dim=0), train.std(dim=0).clamp(min=1e-6)
    train, test = (train - mean) / scale, (test - mean) / scale
    held = torch.arange(len(train)) % 10 == 0
    best = max(
        DECAYS,
        key=lambda decay: right(
            fit(train[~held], train_labels[~held], classes, decay), train[held], train_labels[held]
        ),
    )
    return right(fit(train, train_labels, classes, best), test, test_labels)


def fit(features: Tensor, labels: Tensor, classes: int, decay: float) -> nn.Linear:
    model = nn.Linear(features.shape[1], classes)
    nn.init.zeros_(model.weight), nn.init.zeros_(model.bias)
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
    return float((model(features).argmax(dim=1) == labels).float().mean())
