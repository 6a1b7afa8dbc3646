"""A pipeline's networks as ONNX models, checked against PyTorch. Called by onnx.py and web.py."""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from autoencoder import Autoencoder
from latent_diffusion.pipeline import Pipeline

OPSET = 18  # of ONNX's operators: old enough for every runtime of today
BOUND = (
    1e-3  # the largest difference from PyTorch that an export may have; latents have deviation 1
)
CHECKED_ROWS = (1, 3)  # batches that are compared; the export itself is traced with two rows
LEVELS_CHECKED = (80.0, 1.0, 0.01)  # noise levels sigma at which the denoiser is compared


class Encoder(nn.Module):
    """images (N, 3, H, W) in [-1, 1] -> moments (N, 2C, h, w) of normalised latents."""

    def __init__(self, autoencoder: Autoencoder):
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, images: Tensor) -> Tensor:
        return self.autoencoder.encode(images).moments


class Decoder(nn.Module):
    """Normalised latents (N, C, h, w) -> images (N, 3, H, W), only nearly in [-1, 1]."""

    def __init__(self, autoencoder: Autoencoder):
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, latents: Tensor) -> Tensor:
        return self.autoencoder.decode(latents)


Inputs = Callable[[int], dict[str, Tensor]]  # of a network, by name, for so many rows


@dataclass(frozen=True)
class Exported:
    """One network as ONNX, and the largest difference of its outputs from PyTorch's, float32."""

    model: onnx.ModelProto
    difference: float

    @property
    def content(self) -> bytes:
        """Return what its file holds."""
        return bytes(self.model.SerializeToString())


ALL = ("encoder", "decoder", "denoiser")


def exported_networks(
    pipe: Pipeline, fast: Pipeline | None = None, wanted: Sequence[str] = ALL
) -> Iterator[tuple[str, Exported]]:
    """Yield the wanted networks of a pipeline on the CPU, by the names of their files.

    "encoder" takes images and gives moments, "decoder" takes latents and gives images, "denoiser"
    takes x, sigma and labels and gives clean: the classes here and `Denoiser` say in which shapes.
    fast: the pipeline of its student, if it has one: "student" is exported, too, and is told
    guidance and following besides. The batch is free. Raise ValueError where ONNX Runtime and
    PyTorch differ by more than BOUND.
    """
    random = torch.Generator().manual_seed(0)
    size, shape = pipe.facts.image_size, pipe.autoencoder.latent_shape

    def latents(rows: int) -> dict[str, Tensor]:
        return {"latents": torch.randn(rows, *shape, generator=random)}

    def noisy(rows: int) -> dict[str, Tensor]:
        sigma = torch.tensor(LEVELS_CHECKED[:rows])
        x = (1 + sigma.view(-1, 1, 1, 1)) * torch.randn(rows, *shape, generator=random)
        return {"x": x, "sigma": sigma, "labels": pipe.denoiser.null_label - torch.arange(rows) % 2}

    def images(rows: int) -> dict[str, Tensor]:
        return {"images": 2 * torch.rand(rows, 3, size, size, generator=random) - 1}

    def jump(rows: int) -> dict[str, Tensor]:
        assert fast
        levels = torch.tensor(fast.sampling.levels)[-1 - rows :]
        return {
            **noisy(rows),
            "sigma": levels[:-1],
            "labels": torch.arange(rows) % pipe.denoiser.null_label,
            "guidance": torch.linspace(1, fast.sampling.guidance, rows),
            "following": levels[1:],
        }

    everything = [pipe.denoiser, *([fast.denoiser] if fast else [])]
    for module in (module for network in everything for module in network.modules()):
        if getattr(module, "backend", None) == "xformers":
            module.backend = "sdpa"  # type: ignore[assignment]  # xformers runs on a GPU alone
    networks: dict[str, tuple[nn.Module, Inputs, str]] = {
        "encoder": (Encoder(pipe.autoencoder), images, "moments"),
        "decoder": (Decoder(pipe.autoencoder), latents, "images"),
        "denoiser": (pipe.denoiser, noisy, "clean"),
    }
    if fast:
        networks["student"] = fast.denoiser, jump, "clean"
    for name in (*wanted, *(["student"] if fast else [])):
        yield name, exported(name, *networks[name])


def exported(name: str, network: nn.Module, inputs: Inputs, output: str) -> Exported:
    """Return a network of (N, …) inputs and one output as ONNX, compared with itself in PyTorch."""
    model = to_onnx(network.eval(), inputs(2), output)
    difference = max(compared(model, network, inputs(rows)) for rows in CHECKED_ROWS)
    if not difference <= BOUND:  # NaN is refused, too
        raise ValueError(
            f"the {name} in ONNX Runtime differs from PyTorch by {difference:.2g}, and at most "
            f"{BOUND:g} is allowed: install another version of onnxruntime or torch"
        )
    return Exported(model, difference)


def to_onnx(network: nn.Module, inputs: dict[str, Tensor], output: str) -> onnx.ModelProto:
    """Return a network as ONNX, with a free batch and nothing of the machine that made it."""
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            network,
            tuple(inputs.values()),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=[output],
            dynamic_shapes=tuple({0: batch} for _ in inputs),
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    strip(model)
    onnx.checker.check_model(model)
    return model


def strip(model: onnx.ModelProto) -> None:
    """Delete what the exporter notes about the Python code: it has paths of this machine in it."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    del graph.value_info[:]


@torch.inference_mode()
def compared(model: onnx.ModelProto, network: nn.Module, inputs: dict[str, Tensor]) -> float:
    """Return the largest difference between ONNX Runtime's output and PyTorch's."""
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    return float((torch.from_numpy(found) - network(*inputs.values())).abs().max())
