"""Muon takes orthogonal steps, and leaves to AdamW what is no convolution."""

import pytest
import torch
from torch import nn

from latent_diffusion.training.optimizers import LIKE_ADAMW, Muon, make_optimizers, orthogonal


@pytest.mark.parametrize("shape", [(3, 16, 40), (2, 40, 16), (1, 32, 32)])
def test_all_directions_of_a_step_are_about_as_long(shape):
    random = torch.Generator().manual_seed(0)
    matrices = torch.randn(shape, generator=random)
    found = orthogonal(matrices)
    assert found.shape == shape
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.3 and values.max() < 1.3
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    same = (found * (u @ v)).sum() / (found.norm() * (u @ v).norm())
    assert same > 0.95  # the directions are those of the exact polar factor


def test_a_step_has_the_size_that_is_promised_and_decay_shrinks():
    weight = nn.Parameter(torch.zeros(16, 8, 3, 3))
    optimizer = Muon([weight], lr=0.1, weight_decay=0.0)
    weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    optimizer.step()
    assert float(weight.detach().square().mean().sqrt()) == pytest.approx(
        0.1 * LIKE_ADAMW, rel=0.35
    )  # as AdamW's
    decayed = nn.Parameter(torch.ones(16, 8, 3, 3))
    decayed.grad = torch.zeros_like(decayed)
    Muon([decayed], lr=0.1, weight_decay=0.5).step()
    assert torch.allclose(decayed, torch.full_like(decayed, 0.95))


def test_weights_in_either_memory_order_take_the_same_step():
    values = [
        torch.randn(16, 8, 3, 3, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)
    ]
    ends = []
    for order in (torch.contiguous_format, torch.channels_last):
        weight = nn.Parameter(values[0].clone(memory_format=order))
        weight.grad = values[1].clone(memory_format=order)
        Muon([weight], lr=0.1, weight_decay=0.1).step()
        ends.append(weight.detach())
    assert not torch.allclose(ends[0], values[0], atol=1e-3) and torch.allclose(*ends, atol=1e-5)


def test_who_steps_what():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 2))
    model[0].bias.requires_grad_(False)
    adamw, muon = make_optimizers(model, "muon", 1e-3, 0.1, torch.device("cpu"))
    assert [p.shape for g in muon.param_groups for p in g["params"]] == [model[0].weight.shape]
    assert {p.shape: g["weight_decay"] for g in adamw.param_groups for p in g["params"]} == {
        model[2].weight.shape: 0.1,
        model[2].bias.shape: 0.0,
    }
    assert len(make_optimizers(model, "adamw", 1e-3, 0.1, torch.device("cpu"))) == 1


def test_it_learns_a_filter():
    torch.manual_seed(0)
    wanted, images = nn.Conv2d(4, 4, 3, padding=1), torch.randn(64, 4, 8, 8)
    model = nn.Conv2d(4, 4, 3, padding=1)
    optimizers = make_optimizers(model, "muon", 0.02, 0.0, torch.device("cpu"))
    first = None
    for step in range(150):
        for group in (g for o in optimizers for g in o.param_groups):
            group["lr"] = 0.02 * (1 - step / 150)
        loss = (model(images) - wanted(images).detach()).square().mean()
        first = first or loss.item()
        model.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
    assert loss.item() < 0.01 * first
