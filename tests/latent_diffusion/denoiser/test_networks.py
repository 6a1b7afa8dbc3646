"""The seam for networks: `kind` names one, and a transformer is trained as the UNet is."""

import json
import shutil

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from latent_diffusion.denoiser import (
    Denoiser,
    DiT,
    DiTConfig,
    RecordedNetwork,
    UNetConfig,
)
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.run import Part
from latent_diffusion.training.stages import load_config

SMALL = DiTConfig(patch=2, width=64, depth=2, embedding_width=32)
CONFIGS = {
    "unet": UNetConfig(widths=(32, 32), attention_levels=(1,), embedding_width=32),
    "dit": SMALL,
}


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("size", [7, 8, 1, 10])
def test_any_size_comes_out_as_it_went_in_and_begins_as_zero(name, size):
    network = CONFIGS[name].build(4, 3)
    x = torch.randn(2, 4, size, size)
    out = network(x, torch.rand(2), torch.tensor([0, 3]))
    assert out.shape == x.shape and out.dtype == torch.float32
    assert not out.any()


@pytest.mark.parametrize("name", CONFIGS)
def test_label_and_noise_level_matter_once_something_is_learnt(name):
    torch.manual_seed(0)
    denoiser = Denoiser(CONFIGS[name].build(2, 3))
    optimizer = torch.optim.Adam(denoiser.parameters(), 1e-2)
    losses = []
    for _ in range(12):
        labels = torch.tensor([0, 1, 2, 3])
        clean = labels.view(-1, 1, 1, 1).float().expand(4, 2, 8, 8)
        loss = denoiser.loss(clean, torch.randn(4, 2, 8, 8), torch.ones(4), labels).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
    x = torch.randn(1, 2, 8, 8)
    one = denoiser(x, torch.tensor([1.0]), torch.tensor([0]))
    assert not torch.allclose(one, denoiser(x, torch.tensor([1.0]), torch.tensor([2])))
    assert not torch.allclose(one, denoiser(x, torch.tensor([2.0]), torch.tensor([0])))


def trained_a_little(network: torch.nn.Module) -> torch.nn.Module:
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return network


def test_the_transformer_sees_where_its_tokens_are():
    """Without positions, moving the patches about would only move what comes out."""
    torch.manual_seed(0)
    network = trained_a_little(DiT(SMALL, 2, 3))
    x, t, labels = torch.randn(1, 2, 8, 8), torch.tensor([0.5]), torch.tensor([1])
    moved = network(x.roll(2, dims=3), t, labels)
    assert not torch.allclose(moved, network(x, t, labels).roll(2, dims=3), atol=1e-3)


def test_the_transformer_sees_all_of_the_latents_from_everywhere():
    torch.manual_seed(0)
    network = trained_a_little(DiT(SMALL, 2, 3))
    x = torch.randn(1, 2, 8, 8, requires_grad=True)
    network(x, torch.tensor([0.5]), torch.tensor([1]))[0, 0, 0, 0].backward()
    assert (x.grad != 0).all()


@pytest.mark.parametrize("name", CONFIGS)
def test_layers_give_maps_to_look_at(name):
    network, seen = CONFIGS[name].build(4, 3), {}
    for layer, module in network.layers().items():
        module.register_forward_hook(lambda _, __, out, name=layer: seen.update({name: out}))
    network(torch.randn(2, 4, 8, 8), torch.rand(2), torch.tensor([0, 3]))
    assert list(seen) == list(network.layers())
    assert all(out.ndim == 4 and len(out) == 2 for out in seen.values())


def recorded(settings):
    return RecordedNetwork.model_validate({"model": settings}).model


def test_a_network_goes_by_its_kind_and_old_runs_have_unets():
    assert recorded({"kind": "dit", "width": 128}) == DiTConfig(width=128)
    assert recorded({"kind": "unet", "blocks": 2}) == UNetConfig(blocks=2)
    assert recorded({"blocks": 2}) == UNetConfig(blocks=2)
    with pytest.raises(ValidationError):
        recorded({"kind": "dit", "blocks": 2})


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("diffusion.model.kind=dot", "diffusion.model.kind = 'dot': there are 'unet', 'dit'"),
        ("diffusion.model.dept=3", "no setting diffusion.model.dept: did you mean depth?"),
        ("diffusion.model.width=100", "diffusion.model.width = 100"),
    ],
)
def test_what_is_wrong_with_a_network_is_said_in_one_line(tiny_config, setting, said):
    settings = ["diffusion.model.kind=dit", setting]
    with pytest.raises(ValueError) as refusal:
        load_config(tiny_config, settings)
    assert said in str(refusal.value) and "\n" not in str(refusal.value)


def test_another_kind_leaves_the_settings_of_the_former_behind(tiny_config):
    """The file describes a UNet, whose widths are no setting of a transformer."""
    config = load_config(tiny_config, ["diffusion.model.kind=dit", "diffusion.model.depth=3"])
    assert config.diffusion.model == DiTConfig(depth=3)
    earlier = ["diffusion.model.depth=4", "diffusion.model.kind=dit"]  # in whatever order
    assert load_config(tiny_config, earlier).diffusion.model == DiTConfig(depth=4)
    unchanged = load_config(tiny_config, ["diffusion.model.kind=unet"])
    assert unchanged.diffusion.model.widths == (32, 64)


def test_a_transformer_is_trained_resumed_and_sampled(ldm, tiny_run, tiny_config, shapes, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run, ignore=shutil.ignore_patterns("diffusion"))
    small = {"kind": "dit", "width": 64, "depth": 2, "embedding_width": 32}
    changes = [f"diffusion.model.{name}={value}" for name, value in small.items()]
    changes += ["diffusion.training.steps=60", "diffusion.training.checkpoint_every=20"]
    settings = [part for change in changes for part in ("--set", change)]
    command = ["train-diffusion", "--data", shapes, "--run", run, "--device", "cpu"]
    status, _, errors = ldm(*command[:1], tiny_config, *command[1:], *settings)
    assert status == 0, errors
    part = Part(run / "diffusion")
    assert part.read_config()["diffusion"]["model"]["kind"] == "dit"
    log = [json.loads(line)["loss"] for line in part.metrics_path.read_text().splitlines()]
    assert log[-1] < 0.9 * log[0]
    status, _, errors = ldm(*command, "--resume", "--set", "diffusion.training.steps=70")
    assert status == 0 and len(part.metrics_path.read_text().splitlines()) > len(log), errors
    pipe = Pipeline.from_run(run, device="cpu")
    assert isinstance(pipe.denoiser.network, DiT)
    together = pipe.generate([1, 2, 3], [0, 1, 2], pipe.sampling)
    assert np.array_equal(together[1:2], pipe.generate([2], [1], pipe.sampling))


def test_a_network_that_was_written_by_hand_is_refused_with_its_file(tiny_run, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "run")
    path = tmp_path / "run" / "diffusion" / "config.toml"
    path.write_text(path.read_text().replace('kind = "unet"', 'kind = "foo"'))
    with pytest.raises(ValueError, match=r"diffusion/config\.toml.*'unet', 'dit'") as refusal:
        Pipeline.from_run(tmp_path / "run", device="cpu")
    assert "\n" not in str(refusal.value)
